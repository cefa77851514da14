/* SPDX-License-Identifier: Apache-2.0 */
/* How long disks take, and for whom: what the kernel has added up (bpf/block.bpf.c) as series. Live
 * only. */
#ifndef DISK_H
#define DISK_H

#include <stdbool.h>
#include <stdint.h>
#include "metrics/series.h"
#include "sonde_abi.h"
#include "util/map.h"

/* Figures taken so far, as many as the kernel keeps. Zeroed: none. */
struct disks {
	struct map last; /* by hash of the key: owned struct disk_last */
};

void disks_free(struct disks *d);

/* Nothing came to these for a minute: the kernel's are to be taken once more, for the last time. */
bool disks_are_idle(const struct disks *d, const struct sonde_disk_key *key, uint64_t now_ns);

/* They have come to be `now`: the series grow by what is new, those of the service, or, NULL, of
 * nobody. */
void disks_take(struct disks *d, struct series_store *st, const struct sonde_disk_key *key,
		const struct service *service, const struct sonde_disk *now, uint64_t now_ns);

/* The kernel begins them anew. */
void disks_forget(struct disks *d, const struct sonde_disk_key *key);

#endif
