// SPDX-License-Identifier: Apache-2.0
#include "pressure/disk.h"

#include <stdlib.h>
#include <string.h>
#include "metrics/delays.h"
#include "util/clock.h"

#define IDLE_NS (60 * NS_PER_S)

struct disk_last {
	struct sonde_disk_key key;
	struct sonde_disk figures;
	uint64_t grown_ns; /* when they did last */
};

/* Where it is, or may be put. */
static struct disk_last *find(const struct disks *d, const struct sonde_disk_key *key,
			      uint64_t *hash)
{
	struct disk_last *found;

	*hash = ((uint64_t)key->disk << 32 | key->tgid) * 0x9e3779b97f4a7c15;
	*hash = (*hash ^ *hash >> 29 ^ key->group) * 0xbf58476d1ce4e5b9;
	while ((found = map_get(&d->last, *hash)) && memcmp(&found->key, key, sizeof(*key)) != 0)
		++*hash;
	return found;
}

bool disks_are_idle(const struct disks *d, const struct sonde_disk_key *key, uint64_t now_ns)
{
	uint64_t hash;
	const struct disk_last *last = find(d, key, &hash);

	return last && now_ns > last->grown_ns + IDLE_NS;
}

void disks_take(struct disks *d, struct series_store *st, const struct sonde_disk_key *key,
		const struct service *service, const struct sonde_disk *now, uint64_t now_ns)
{
	const struct slice directions[2] = { SLICE("read"), SLICE("write") };
	uint64_t hash;
	struct disk_last *last = find(d, key, &hash);

	if (!last) {
		last = calloc(1, sizeof(*last));
		if (!last || map_put(&d->last, hash, last) < 0) {
			free(last);
			return; /* the next time */
		}
		last->key = *key;
		last->grown_ns = now_ns;
	}
	for (int dir = 0; dir < 2; dir++) {
		const struct slice labels[] = { directions[dir], slice_str(now->name) };
		struct series *s;

		if (!delays_grown(last->figures.delays[dir], now->delays[dir]))
			continue;
		last->grown_ns = now_ns;
		s = series_get(st, METRIC_DISK_LATENCY, service, labels, now_ns);
		if (s)
			delays_add(&s->hist, last->figures.delays[dir], now->delays[dir],
				   now->ns[dir] - last->figures.ns[dir]);
	}
	last->figures = *now;
}

void disks_forget(struct disks *d, const struct sonde_disk_key *key)
{
	uint64_t hash;

	if (find(d, key, &hash))
		free(map_del(&d->last, hash));
}

void disks_free(struct disks *d)
{
	uint64_t key;
	void *value;

	for (size_t i = 0; map_next(&d->last, &i, &key, &value);)
		free(value);
	map_free(&d->last);
}
