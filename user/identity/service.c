/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/service.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include "util/clock.h"
#include "util/map.h"
#include "util/sha1.h"
#include "util/slice.h"
#include "util/utf8.h"

enum {
	SERVICES_MAX = 4096,
	/* longer than what hangs on a service is kept after its last transaction */
	SERVICE_KEPT_S = 600,
};

struct entry {
	struct service s; /* first: a service is its entry */
	uint64_t key;
	uint32_t held, living;
};

struct services {
	struct map by_key;
	struct entry **all; /* owned, in the order of their making */
	size_t n, max;
	uint32_t last_id;
	uint64_t left_out;
	struct entry unknown;
	char host_id[64];
};

/* semantic-conventions, docs/resource: service.instance.id */
static const uint8_t service_uuid_namespace[16] = {
	0x4d, 0x63, 0x00, 0x9a, 0x8d, 0x0f, 0x11, 0xee,
	0xaa, 0xd7, 0x4c, 0x79, 0x6e, 0xd8, 0xe3, 0x20,
};

void service_instance_id(const char *name, size_t n, char out[SERVICE_INSTANCE_LEN])
{
	static const char hex[] = "0123456789abcdef";
	uint8_t text[16 + 1024], d[SHA1_LEN];
	char *p = out;

	if (n > sizeof(text) - 16)
		n = sizeof(text) - 16;
	memcpy(text, service_uuid_namespace, 16);
	memcpy(text + 16, name, n);
	sha1((struct slice){ text, 16 + n }, d);
	d[6] = (d[6] & 0x0f) | 0x50; /* version 5 */
	d[8] = (d[8] & 0x3f) | 0x80; /* variant */
	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*p++ = '-';
		*p++ = hex[d[i] >> 4];
		*p++ = hex[d[i] & 15];
	}
	*p = '\0';
}

struct services *services_new(const char *host_id, size_t max)
{
	struct services *ss = calloc(1, sizeof(*ss));

	if (!ss)
		return NULL;
	ss->max = max ? max : SERVICES_MAX;
	ss->all = calloc(ss->max, sizeof(struct entry *));
	if (!ss->all) {
		services_free(ss);
		return NULL;
	}
	slice_copy(ss->host_id, sizeof(ss->host_id), slice_str(host_id));
	ss->unknown.s.id = ++ss->last_id;
	strcpy(ss->unknown.s.name, SERVICE_UNKNOWN);
	service_instance_id(ss->host_id, strlen(ss->host_id), ss->unknown.s.instance_id);
	return ss;
}

void services_free(struct services *ss)
{
	if (!ss)
		return;
	for (size_t i = 0; i < ss->n; i++) {
		facts_release(ss->all[i]->s.facts);
		free(ss->all[i]);
	}
	free(ss->all);
	map_free(&ss->by_key);
	free(ss);
}

static uint64_t service_hash(uint64_t h, const char *s)
{
	do /* FNV-1a, the NUL included as a separator */
		h = (h ^ (uint8_t)*s) * 0x100000001b3ULL;
	while (*s++);
	return h;
}

/* At the cap: the one gone longest, long enough for nobody to speak of it any more. */
static struct entry *service_reuse(struct services *ss, uint64_t now_ns)
{
	struct entry *oldest = NULL;

	for (size_t i = 0; i < ss->n; i++) {
		struct entry *e = ss->all[i];

		if (!e->held && e->s.last_seen_ns + SERVICE_KEPT_S * NS_PER_S <= now_ns &&
		    (!oldest || e->s.last_seen_ns < oldest->s.last_seen_ns))
			oldest = e;
	}
	if (oldest)
		map_del(&ss->by_key, oldest->key);
	return oldest;
}

static struct entry *service_make(struct services *ss, uint64_t key, uint64_t now_ns)
{
	struct entry *e;

	if (ss->n == ss->max)
		e = service_reuse(ss, now_ns);
	else
		e = calloc(1, sizeof(*e));
	if (!e)
		return NULL;
	if (map_put(&ss->by_key, key, e) < 0) {
		if (ss->n < ss->max)
			free(e);
		return NULL;
	}
	if (ss->n < ss->max)
		ss->all[ss->n++] = e;
	facts_release(e->s.facts);
	*e = (struct entry){ .key = key, .s.id = ++ss->last_id, .s.last_seen_ns = now_ns };
	return e;
}

struct service *service_intern_as(struct services *ss, const char *name, const char *name_space,
				  const char *instance_id, uint64_t now_ns)
{
	struct service want = { 0 };
	struct entry *e;
	uint64_t key;

	utf8_clean(want.name, sizeof(want.name), slice_str(name));
	utf8_clean(want.name_space, sizeof(want.name_space), slice_str(name_space));
	/* cut it could be another's */
	if (strlen(instance_id) < sizeof(want.instance_id))
		utf8_clean(want.instance_id, sizeof(want.instance_id), slice_str(instance_id));
	else
		service_instance_id(instance_id, strlen(instance_id), want.instance_id);
	key = service_hash(0xcbf29ce484222325ULL, want.name);
	key = service_hash(service_hash(key, want.name_space), want.instance_id);
	while ((e = map_get(&ss->by_key, key))) {
		if (strcmp(e->s.name, want.name) == 0 &&
		    strcmp(e->s.name_space, want.name_space) == 0 &&
		    strcmp(e->s.instance_id, want.instance_id) == 0)
			return &e->s;
		key++;
	}
	e = service_make(ss, key, now_ns);
	if (!e) {
		ss->left_out++;
		return &ss->unknown.s;
	}
	strcpy(e->s.name, want.name);
	strcpy(e->s.name_space, want.name_space);
	strcpy(e->s.instance_id, want.instance_id);
	return &e->s;
}

struct service *service_intern(struct services *ss, const char *name, const char *name_space,
			       const char *cgroup, uint64_t now_ns)
{
	char text[1024], id[SERVICE_INSTANCE_LEN];
	int n;

	if (strcmp(name, SERVICE_UNKNOWN) == 0)
		return &ss->unknown.s;
	n = snprintf(text, sizeof(text), "%s|%s|%s|%s", ss->host_id, cgroup, name_space, name);
	service_instance_id(text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1, id);
	return service_intern_as(ss, name, name_space, id, now_ns);
}

/* Of "unknown_service" nothing is known: it is many. */
void service_describe(struct service *s, struct facts *facts)
{
	if (facts_equal(s->facts, facts) || strcmp(s->name, SERVICE_UNKNOWN) == 0)
		return;
	facts_release(s->facts);
	s->facts = facts_hold(facts);
}

void service_hold(struct service *s)
{
	((struct entry *)s)->held++;
}

void service_release(struct service *s)
{
	((struct entry *)s)->held--;
}

void service_born(struct service *s)
{
	((struct entry *)s)->living++;
}

void service_died(struct service *s)
{
	((struct entry *)s)->living--;
}

uint64_t services_left_out(const struct services *ss)
{
	return ss->left_out;
}

void services_tick(struct services *ss, uint64_t now_ns)
{
	for (size_t i = 0; i < ss->n; i++)
		if (ss->all[i]->living && ss->all[i]->s.last_seen_ns < now_ns)
			ss->all[i]->s.last_seen_ns = now_ns;
}

void services_each(struct services *ss, void (*fn)(void *ctx, struct service *s), void *ctx)
{
	if (ss->unknown.s.last_seen_ns)
		fn(ctx, &ss->unknown.s);
	for (size_t i = 0; i < ss->n; i++)
		fn(ctx, &ss->all[i]->s);
}
