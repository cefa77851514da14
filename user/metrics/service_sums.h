/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the series say of each service as a whole, over its instances and further labels: what its
 * processes use, and how its TCP connections do. Counters are since sonde looks.
 */
#ifndef SERVICE_SUMS_H
#define SERVICE_SUMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "metrics/series.h"

struct service_sums {
	char service[SERVICE_NAME_LEN];
	bool has_processes; /* these are known: */
	uint64_t cpu_ns;    /* counter */
	uint64_t memory_bytes;
	bool has_stalls;	 /* and these, of control groups: */
	uint64_t stalls_ns[3];	 /* counters: some tasks waited for cpu, memory, io */
	bool has_tcp;		 /* and these: */
	uint64_t connections[2]; /* open: [0] to it, [1] of its own making */
	uint64_t retransmits;	 /* counter: segments */
	uint64_t rtt_ns, rtts;	 /* counters: all samples together, and how many */
};

/* Of all services that have any of these series. *out is malloc'd, the caller's. Returns how many,
 * or -ENOMEM. */
ssize_t service_sums_read(const struct series_store *st, struct service_sums **out);

/* The one of that name; NULL: there is none. */
const struct service_sums *service_sums_find(const struct service_sums *list, size_t n,
					     const char *service);

#endif
