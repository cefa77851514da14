/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the threads of a service wait for, whatever request it is for: the kernel counts it for each
 * process from the first observed operation on, and this makes it the growth of the service's
 * series. Live only: a recording has requests.
 */
#ifndef OFFCPU_H
#define OFFCPU_H

#include <stdint.h>
#include "metrics/series.h"
#include "sonde_abi.h"
#include "util/map.h"

/* Figures taken so far, by process. Zeroed: none. */
struct offcpu {
	struct map last; /* tgid -> struct sonde_offcpu, owned */
};

void offcpu_free(struct offcpu *o);

/* The process's figures have come to be `now`: what they grew by since the last time is the
 * service's. Out of memory: taken the next time. */
void offcpu_take(struct offcpu *o, struct series_store *st, const struct service *service,
		 uint32_t tgid, const struct sonde_offcpu *now, uint64_t now_ns);
void offcpu_forget(struct offcpu *o, uint32_t tgid); /* the process is gone, its count too */

#endif
