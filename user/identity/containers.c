/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/containers.h"

#include <stdlib.h>
#include <string.h>
#include "identity/container.h"
#include "util/map.h"

struct entry {
	struct container c; /* first; its strings are in text[] */
	uint64_t key, group;
	uint64_t version;
	uint64_t round; /* when it was last put */
	char text[];
};

struct containers {
	struct map by_key[CONTAINERS_SOURCES]; /* container_key() -> struct entry, owned */
	uint64_t group[CONTAINERS_SOURCES];    /* that is being told; 0: all of the source's */
	uint64_t began[CONTAINERS_SOURCES];
	size_t n, max;
	uint64_t round, changes, misses, left_out;
};

struct containers *containers_new(size_t max)
{
	struct containers *cs = calloc(1, sizeof(*cs));

	if (cs)
		cs->max = max ? max : CONTAINERS_MAX;
	return cs;
}

static void entry_free(struct entry *e)
{
	facts_release(e->c.facts);
	free(e);
}

void containers_free(struct containers *cs)
{
	uint64_t key;
	void *e;

	if (!cs)
		return;
	for (int by = 0; by < CONTAINERS_SOURCES; by++) {
		for (size_t i = 0; map_next(&cs->by_key[by], &i, &key, &e);)
			entry_free(e);
		map_free(&cs->by_key[by]);
	}
	free(cs);
}

static const char *keep(char **to, const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy = memcpy(*to, text, size);

	*to += size;
	return copy;
}

static struct entry *entry_new(const struct container *c)
{
	size_t size = strlen(c->id) + strlen(c->name) + strlen(c->name_space) +
		      strlen(c->instance) + strlen(c->group) + 5;
	struct entry *e = malloc(sizeof(*e) + size);
	char *to;

	if (!e)
		return NULL;
	to = e->text;
	*e = (struct entry){
		.key = container_key(c->id),
		.group = container_key(c->group),
		.c = { .facts = facts_hold(c->facts) },
	};
	e->c.id = keep(&to, c->id);
	e->c.name = keep(&to, c->name);
	e->c.name_space = keep(&to, c->name_space);
	e->c.instance = keep(&to, c->instance);
	e->c.group = keep(&to, c->group);
	return e;
}

static bool is_same(const struct container *a, const struct container *b)
{
	return strcmp(a->id, b->id) == 0 && strcmp(a->name, b->name) == 0 &&
	       strcmp(a->name_space, b->name_space) == 0 && strcmp(a->instance, b->instance) == 0 &&
	       strcmp(a->group, b->group) == 0 && facts_equal(a->facts, b->facts);
}

void containers_put(struct containers *cs, enum containers_source by, const struct container *c)
{
	struct map *map = &cs->by_key[by];
	struct entry *old = map_get(map, container_key(c->id)), *e;

	if (!*c->id)
		return;
	if (old && is_same(&old->c, c)) {
		old->round = cs->round;
		return;
	}
	if (!old && cs->n >= cs->max) {
		cs->left_out++;
		return;
	}
	e = entry_new(c);
	if (!e || map_put(map, e->key, e) < 0) {
		if (e)
			entry_free(e);
		cs->left_out++;
		return;
	}
	e->round = cs->round;
	e->version = ++cs->changes;
	cs->n += !old;
	if (old)
		entry_free(old);
}

static void begin(struct containers *cs, enum containers_source by, uint64_t group)
{
	cs->began[by] = ++cs->round;
	cs->group[by] = group;
}

static void end(struct containers *cs, enum containers_source by)
{
	uint64_t gone[64], key;
	void *value;
	size_t n;

	do {
		n = 0;
		for (size_t i = 0; n < 64 && map_next(&cs->by_key[by], &i, &key, &value);) {
			const struct entry *e = value;

			if (e->round < cs->began[by] &&
			    (!cs->group[by] || cs->group[by] == e->group))
				gone[n++] = key;
		}
		for (size_t i = 0; i < n; i++)
			entry_free(map_del(&cs->by_key[by], gone[i]));
		cs->n -= n;
	} while (n == 64);
}

void containers_begin(struct containers *cs, enum containers_source by)
{
	begin(cs, by, 0);
}

void containers_end(struct containers *cs, enum containers_source by)
{
	end(cs, by);
}

void containers_begin_group(struct containers *cs, enum containers_source by, const char *group)
{
	begin(cs, by, container_key(group));
}

void containers_end_group(struct containers *cs, enum containers_source by)
{
	if (cs->group[by])
		end(cs, by);
}

static const struct entry *find(const struct containers *cs, uint64_t key)
{
	const struct entry *e = NULL;

	for (int by = 0; by < CONTAINERS_SOURCES && !e; by++)
		e = map_get(&cs->by_key[by], key);
	return e;
}

const struct container *containers_find(struct containers *cs, const char *id, uint64_t *version)
{
	const struct entry *e = cs && *id ? find(cs, container_key(id)) : NULL;

	if (e && strcmp(e->c.id, id) != 0)
		e = NULL;
	if (cs && *id && !e)
		cs->misses++;
	*version = e ? e->version : 0;
	return e ? &e->c : NULL;
}

uint64_t containers_version(const struct containers *cs, uint64_t key)
{
	const struct entry *e = find(cs, key);

	return e ? e->version : 0;
}

uint64_t containers_changes(const struct containers *cs)
{
	return cs->changes;
}

uint64_t containers_misses(const struct containers *cs)
{
	return cs->misses;
}

uint64_t containers_left_out(const struct containers *cs)
{
	return cs->left_out;
}

size_t containers_count(const struct containers *cs, enum containers_source by)
{
	return cs->by_key[by].n;
}
