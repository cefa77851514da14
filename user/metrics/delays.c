// SPDX-License-Identifier: Apache-2.0
#include "metrics/delays.h"

uint64_t delays_grown(const __u64 last[SONDE_DELAYS], const __u64 now[SONDE_DELAYS])
{
	uint64_t n = 0;

	for (size_t i = 0; i < SONDE_DELAYS; i++)
		n += now[i] - last[i];
	return n;
}

void delays_add(struct hist *h, const __u64 last[SONDE_DELAYS], const __u64 now[SONDE_DELAYS],
		uint64_t sum_ns)
{
	const struct hist_bounds *b = &hist_duration_bounds;

	for (size_t i = 0; i < SONDE_DELAYS; i++) {
		uint64_t value = i < b->n ? b->le[i] : b->le[b->n - 1] + 1;

		hist_record_many(h, value, now[i] - last[i], 0);
	}
	h->sum += sum_ns;
}
