// SPDX-License-Identifier: Apache-2.0
#include "identity/resolved.h"

#include <stdlib.h>
#include <string.h>
#include "util/list.h"
#include "util/map.h"

struct entry {
	struct list age;
	struct address address;
	uint64_t until_ns;
	char name[];
};

struct resolved_names {
	struct map by_hash; /* of two addresses of one hash the later one stays */
	struct list by_age; /* owned */
	size_t max;
	uint64_t forgotten;
};

struct resolved_names *resolved_new(size_t max)
{
	struct resolved_names *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->max = max ? max : RESOLVED_MAX;
	list_init(&r->by_age);
	return r;
}

static void drop(struct resolved_names *r, struct entry *e)
{
	map_del(&r->by_hash, address_hash(&e->address));
	list_del(&e->age);
	free(e);
}

void resolved_free(struct resolved_names *r)
{
	if (!r)
		return;
	while (!list_empty(&r->by_age))
		drop(r, LIST_ENTRY(r->by_age.next, struct entry, age));
	map_free(&r->by_hash);
	free(r);
}

/* RFC 1122, 3.2.1.3; RFC 4291, 2.5 and 2.7. */
static bool is_of_one_host(const struct address *a)
{
	static const uint8_t own[16] = { [15] = 1 };

	if (a->family == SONDE_FAMILY_IPV4)
		return a->ip[0] != 0 && a->ip[0] != 127 && a->ip[0] < 224;
	return memcmp(a->ip, own, 15) != 0 && a->ip[0] != 0xff;
}

static struct entry *find(const struct resolved_names *r, const struct address *canonical)
{
	struct entry *e = map_get(&r->by_hash, address_hash(canonical));

	return e && address_equal(&e->address, canonical) ? e : NULL;
}

const char *resolved_find(const struct resolved_names *r, const struct address *a)
{
	struct address key;
	const struct entry *e;

	if (!r->by_hash.n || !address_canonical(a, &key))
		return NULL;
	e = find(r, &key);
	return e ? e->name : NULL;
}

void resolved_put(struct resolved_names *r, const struct address *a, struct slice name,
		  uint64_t now_ns, uint64_t until_ns)
{
	struct address key;
	struct entry *e;

	if (!name.n || name.n > RESOLVED_NAME_MAX || !address_canonical(a, &key) ||
	    !is_of_one_host(&key))
		return;
	e = find(r, &key);
	if (e && slice_eq(name, slice_str(e->name))) {
		if (until_ns > e->until_ns)
			e->until_ns = until_ns;
		list_del(&e->age);
		list_push(&r->by_age, &e->age);
		return;
	}
	if (e && now_ns <= e->until_ns)
		return;
	e = map_get(&r->by_hash, address_hash(&key));
	if (e) {
		drop(r, e);
	} else if (r->by_hash.n >= r->max) {
		drop(r, LIST_ENTRY(r->by_age.next, struct entry, age));
		r->forgotten++;
	}
	e = malloc(sizeof(*e) + name.n + 1);
	if (!e || map_put(&r->by_hash, address_hash(&key), e) < 0) {
		free(e);
		return; /* the next answer */
	}
	e->address = key;
	e->until_ns = until_ns;
	memcpy(e->name, name.p, name.n);
	e->name[name.n] = '\0';
	list_push(&r->by_age, &e->age);
}

uint64_t resolved_forgotten(const struct resolved_names *r)
{
	return r->forgotten;
}

void resolved_each(const struct resolved_names *r,
		   void (*fn)(void *ctx, const struct address *a, const char *name,
			      uint64_t until_ns),
		   void *ctx)
{
	for (const struct list *l = r->by_age.next; l != &r->by_age; l = l->next) {
		const struct entry *e = LIST_ENTRY(l, struct entry, age);

		fn(ctx, &e->address, e->name, e->until_ns);
	}
}
