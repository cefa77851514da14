/* SPDX-License-Identifier: Apache-2.0 */
/* What services use of processors and memory, from the sums that are kept of their processes. */
#ifndef SERVICE_USAGE_H
#define SERVICE_USAGE_H

#include "metrics/series.h"
#include "top/frame.h"

enum { SERVICE_USAGE_MAX = 512 };

struct service_usage_one {
	char service[128];
	uint64_t cpu_ns, before_cpu_ns;
	uint64_t changed_ns; /* when it was last seen to change: /proc is walked bit by bit */
	uint64_t memory_bytes;
	double cores;
	bool has_before;
};

struct service_usage {
	struct service_usage_one *list; /* owned */
	size_t n;
};

/* As the series have it now; rates are over the time since the last call. 0, -ENOMEM. */
int service_usage_take(struct service_usage *u, const struct series_store *st, uint64_t now_ns);
void service_usage_fill(const struct service_usage *u, struct top_row *rows, size_t n);
void service_usage_free(struct service_usage *u);

/* Share of the last 10 s in which some tasks of the host were stalled for want of cpu, memory, io
 * (PSI); -1: the kernel does not say. */
void stalls_of_host(double out[3]);

#endif
