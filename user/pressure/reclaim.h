/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long services stood still to make room in memory. The kernel adds up by process
 * (bpf/reclaim.bpf.c); this makes what the sums grew by the growth of the services' series. Live
 * only.
 */
#ifndef RECLAIM_H
#define RECLAIM_H

#include <stdint.h>
#include "metrics/series.h"
#include "util/map.h"

/* Sums taken so far, by process. Zeroed: none. */
struct reclaims {
	struct map last; /* tgid -> owned uint64_t */
};

void reclaims_free(struct reclaims *r);

/* A process has come to stand still for so long in all. Out of memory: taken the next time. */
void reclaims_take(struct reclaims *r, struct series_store *st, const struct service *service,
		   uint32_t tgid, uint64_t ns, uint64_t now_ns);
void reclaims_forget(struct reclaims *r, uint32_t tgid); /* the process is gone, its sum too */

#endif
