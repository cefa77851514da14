/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Durations counted in the buckets that are exported. */
#ifndef DELAY_BPF_H
#define DELAY_BPF_H

#include "sonde.bpf.h"

static const u64 delay_bounds[SONDE_DELAYS - 1] = { SONDE_DELAY_BOUNDS };

/* The place of the bucket among SONDE_DELAYS. */
static __always_inline u32 delay_bucket(u64 ns)
{
	u32 i = 0;

	while (i < SONDE_DELAYS - 1 && ns > delay_bounds[i])
		i++;
	return i;
}

#endif
