/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/addresses.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "util/map.h"

struct entry {
	struct address address;
	struct address_name name;
	char group[ADDRESS_GROUP_LEN];
	uint64_t round;	    /* when it was last put */
	struct entry *next; /* of the same hash */
};

struct addresses {
	struct map by_hash; /* owned */
	size_t n, max;
	char group[ADDRESS_GROUP_LEN]; /* that is being told; empty: all */
	uint64_t round, left_out;
};

struct addresses *addresses_new(size_t max)
{
	struct addresses *as = calloc(1, sizeof(*as));

	if (as)
		as->max = max ? max : ADDRESSES_MAX;
	return as;
}

void addresses_free(struct addresses *as)
{
	struct entry *e, *next;
	uint64_t key;
	void *value;

	if (!as)
		return;
	for (size_t i = 0; map_next(&as->by_hash, &i, &key, &value);)
		for (e = value; e; e = next) {
			next = e->next;
			free(e);
		}
	map_free(&as->by_hash);
	free(as);
}

bool address_canonical(const struct address *a, struct address *out)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	*out = (struct address){ .family = SONDE_FAMILY_IPV4 };
	if (a->family == SONDE_FAMILY_IPV4) {
		memcpy(out->ip, a->ip, 4);
	} else if (a->family != SONDE_FAMILY_IPV6) {
		return false;
	} else if (memcmp(a->ip, mapped, sizeof(mapped)) == 0) {
		memcpy(out->ip, a->ip + sizeof(mapped), 4);
	} else {
		out->family = SONDE_FAMILY_IPV6;
		memcpy(out->ip, a->ip, sizeof(out->ip));
	}
	return true;
}

uint64_t address_hash(const struct address *a)
{
	uint64_t h = 0xcbf29ce484222325ULL ^ a->family; /* FNV-1a */

	for (size_t i = 0; i < sizeof(a->ip); i++)
		h = (h ^ a->ip[i]) * 0x100000001b3ULL;
	return h;
}

static bool is_same(const struct address *a, const struct address *b)
{
	return a->family == b->family && memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

bool address_equal(const struct address *a, const struct address *b)
{
	struct address x, y;

	return address_canonical(a, &x) && address_canonical(b, &y) && is_same(&x, &y);
}

bool address_name_equal(const struct address_name *a, const struct address_name *b)
{
	return strcmp(a->name, b->name) == 0 && strcmp(a->name_space, b->name_space) == 0;
}

static struct entry *find(const struct addresses *as, const struct address *a, uint64_t key)
{
	struct entry *e = map_get(&as->by_hash, key);

	while (e && !is_same(&e->address, a))
		e = e->next;
	return e;
}

const struct address_name *addresses_find(const struct addresses *as, const struct address *a)
{
	const struct entry *e;
	struct address key;

	if (!as || !as->n || !address_canonical(a, &key))
		return NULL;
	e = find(as, &key, address_hash(&key));
	return e ? &e->name : NULL;
}

static void take_out(struct addresses *as, struct entry *e)
{
	uint64_t key = address_hash(&e->address);
	struct entry *first = map_get(&as->by_hash, key), *before = first;

	if (first == e && !e->next) {
		map_del(&as->by_hash, key);
	} else if (first == e) {
		map_put(&as->by_hash, key, e->next); /* in its place: takes no memory */
	} else {
		while (before->next != e)
			before = before->next;
		before->next = e->next;
	}
	as->n--;
	free(e);
}

static struct entry *add(struct addresses *as, const struct address *a)
{
	uint64_t key = address_hash(a);
	struct entry *e = as->n < as->max ? calloc(1, sizeof(*e)) : NULL;

	if (!e)
		return NULL;
	e->address = *a;
	e->next = map_get(&as->by_hash, key);
	if (map_put(&as->by_hash, key, e) < 0) {
		free(e);
		return NULL;
	}
	as->n++;
	return e;
}

void addresses_put(struct addresses *as, const char *group, const struct address *a,
		   const struct address_name *name)
{
	struct address key;
	struct entry *e;

	if (!address_canonical(a, &key))
		return;
	e = find(as, &key, address_hash(&key));
	if (!name->name[0]) {
		if (e)
			take_out(as, e);
		return;
	}
	if (!e)
		e = add(as, &key);
	if (!e) {
		as->left_out++;
		return;
	}
	e->name = *name;
	snprintf(e->group, sizeof(e->group), "%s", group);
	e->round = as->round;
}

void addresses_begin(struct addresses *as, const char *group)
{
	as->round++;
	snprintf(as->group, sizeof(as->group), "%s", group ? group : "");
}

void addresses_end(struct addresses *as)
{
	struct entry *gone[64];
	uint64_t key;
	void *value;
	size_t n;

	do {
		n = 0;
		for (size_t i = 0; n < 64 && map_next(&as->by_hash, &i, &key, &value);)
			for (struct entry *e = value; e && n < 64; e = e->next)
				if (e->round < as->round &&
				    (!as->group[0] || strcmp(as->group, e->group) == 0))
					gone[n++] = e;
		for (size_t i = 0; i < n; i++)
			take_out(as, gone[i]);
	} while (n == 64);
}

void addresses_each(const struct addresses *as,
		    void (*fn)(void *ctx, const struct address *a, const struct address_name *name),
		    void *ctx)
{
	uint64_t key;
	void *value;

	for (size_t i = 0; map_next(&as->by_hash, &i, &key, &value);)
		for (const struct entry *e = value; e; e = e->next)
			fn(ctx, &e->address, &e->name);
}

size_t addresses_count(const struct addresses *as)
{
	return as->n;
}

uint64_t addresses_left_out(const struct addresses *as)
{
	return as->left_out;
}

bool address_parse(const char *text, struct address *out)
{
	struct address a = { 0 };

	if (inet_pton(AF_INET, text, a.ip) == 1)
		a.family = SONDE_FAMILY_IPV4;
	else if (inet_pton(AF_INET6, text, a.ip) == 1)
		a.family = SONDE_FAMILY_IPV6;
	else
		return false;
	*out = a;
	return true;
}
