/* SPDX-License-Identifier: Apache-2.0 */
/* Durations that the kernel has counted in the buckets of the duration histograms. */
#ifndef DELAYS_H
#define DELAYS_H

#include <stdint.h>
#include "metrics/hist.h"
#include "sonde_abi.h"

/* How many `now` has more than `last`. */
uint64_t delays_grown(const __u64 last[SONDE_DELAYS], const __u64 now[SONDE_DELAYS]);

/* Records what `now` has more than `last`, `sum_ns` together: of each its bucket is exact, and of
 * all of them the sum. h has hist_duration_bounds. */
void delays_add(struct hist *h, const __u64 last[SONDE_DELAYS], const __u64 now[SONDE_DELAYS],
		uint64_t sum_ns);

#endif
