/* SPDX-License-Identifier: Apache-2.0 */
#include "util/map.h"

#include <errno.h>
#include <stdlib.h>

#include "util/hash.h"

static size_t map_home(const struct map *m, uint64_t key)
{
	if (m->seed)
		return (size_t)hash_mix(m->seed, key) & (m->cap - 1);
	/* Fibonacci hashing: cookies and pids are small and dense, the high bits are not */
	return (size_t)((key * 0x9e3779b97f4a7c15ULL) >> 20) & (m->cap - 1);
}

static size_t map_find(const struct map *m, uint64_t key)
{
	size_t i = map_home(m, key);

	while (m->slots[i].value && m->slots[i].key != key)
		i = (i + 1) & (m->cap - 1);
	return i;
}

static int map_grow(struct map *m)
{
	struct map bigger = { .cap = m->cap ? m->cap * 2 : 64, .n = m->n, .seed = m->seed };

	bigger.slots = calloc(bigger.cap, sizeof(*bigger.slots));
	if (!bigger.slots)
		return -ENOMEM;
	for (size_t i = 0; i < m->cap; i++)
		if (m->slots[i].value)
			bigger.slots[map_find(&bigger, m->slots[i].key)] = m->slots[i];
	free(m->slots);
	*m = bigger;
	return 0;
}

void map_free(struct map *m)
{
	free(m->slots);
	*m = (struct map){ 0 };
}

void *map_get(const struct map *m, uint64_t key)
{
	return m->cap ? m->slots[map_find(m, key)].value : NULL;
}

int map_put(struct map *m, uint64_t key, void *value)
{
	size_t i = m->cap ? map_find(m, key) : 0;

	if (m->cap && m->slots[i].value) {
		m->slots[i].value = value;
		return 0;
	}
	if ((m->n + 1) * 4 > m->cap * 3) {
		if (map_grow(m) < 0)
			return -ENOMEM;
		i = map_find(m, key);
	}
	m->slots[i] = (struct map_slot){ key, value };
	m->n++;
	return 0;
}

void *map_del(struct map *m, uint64_t key)
{
	size_t mask = m->cap - 1, i, j;
	void *old;

	if (!m->cap)
		return NULL;
	i = map_find(m, key);
	old = m->slots[i].value;
	if (!old)
		return NULL;
	/* close the gap: move back whatever probed past it (Knuth 6.4, algorithm R) */
	for (j = (i + 1) & mask; m->slots[j].value; j = (j + 1) & mask) {
		if (((j - map_home(m, m->slots[j].key)) & mask) >= ((j - i) & mask)) {
			m->slots[i] = m->slots[j];
			i = j;
		}
	}
	m->slots[i].value = NULL;
	m->n--;
	return old;
}

bool map_next(const struct map *m, size_t *i, uint64_t *key, void **value)
{
	for (; *i < m->cap; ++*i) {
		if (m->slots[*i].value) {
			*key = m->slots[*i].key;
			*value = m->slots[(*i)++].value;
			return true;
		}
	}
	return false;
}
