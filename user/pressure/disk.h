/* SPDX-License-Identifier: Apache-2.0 */
/* How long disks take: what the kernel has added up (bpf/block.bpf.c) as series. Live only. */
#ifndef DISK_H
#define DISK_H

#include <stdint.h>
#include "metrics/series.h"
#include "sonde_abi.h"
#include "util/map.h"

/* Figures taken so far, by disk. Zeroed: none. */
struct disks {
	struct map last; /* number -> struct sonde_disk, owned */
};

void disks_free(struct disks *d);

/* The disk's figures have come to be `now`: the series grow by what is new of it. */
void disks_take(struct disks *d, struct series_store *st, uint32_t number,
		const struct sonde_disk *now, uint64_t now_ns);

#endif
