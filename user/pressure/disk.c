// SPDX-License-Identifier: Apache-2.0
#include "pressure/disk.h"

#include <stdlib.h>
#include "metrics/delays.h"

void disks_take(struct disks *d, struct series_store *st, uint32_t number,
		const struct sonde_disk *now, uint64_t now_ns)
{
	const struct slice directions[2] = { SLICE("read"), SLICE("write") };
	struct sonde_disk *last = map_get(&d->last, number);

	if (!last) {
		last = calloc(1, sizeof(*last));
		if (!last || map_put(&d->last, number, last) < 0) {
			free(last);
			return; /* the next time */
		}
	}
	for (int dir = 0; dir < 2; dir++) {
		const struct slice labels[] = { directions[dir], slice_str(now->name) };
		struct series *s;

		if (!delays_grown(last->delays[dir], now->delays[dir]))
			continue;
		s = series_get(st, METRIC_DISK_LATENCY, NULL, labels, now_ns);
		if (s)
			delays_add(&s->hist, last->delays[dir], now->delays[dir],
				   now->ns[dir] - last->ns[dir]);
	}
	*last = *now;
}

void disks_free(struct disks *d)
{
	uint64_t key;
	void *value;

	for (size_t i = 0; map_next(&d->last, &i, &key, &value);)
		free(value);
	map_free(&d->last);
}
