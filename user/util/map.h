/* SPDX-License-Identifier: Apache-2.0 */
/* Hash map from uint64_t to pointer: open addressing, grows, never shrinks. Values are borrowed. */
#ifndef MAP_H
#define MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map_slot {
	uint64_t key;
	void *value; /* NULL: empty */
};

struct map {
	struct map_slot *slots; /* owned */
	size_t n, cap;		/* cap is a power of two, or 0 */
	uint64_t seed;		/* of keys that a peer may choose: hash_seed(); set while it is
				   empty, and gone with map_free(). 0: nobody chooses them */
};

void map_free(struct map *m); /* back to the empty, zeroed state */
void *map_get(const struct map *m, uint64_t key);
/* Replaces, which takes no memory; value not NULL; 0, -ENOMEM. */
int map_put(struct map *m, uint64_t key, void *value);
void *map_del(struct map *m, uint64_t key); /* what was there, or NULL */

/* for (size_t i = 0; map_next(&m, &i, &key, &value);) — no put or del meanwhile */
bool map_next(const struct map *m, size_t *i, uint64_t *key, void **value);

#endif
