/* SPDX-License-Identifier: Apache-2.0 */
/* A short look at what processes move on their sockets, for check: who yields no data, and why. */
#ifndef WATCH_H
#define WATCH_H

#include <stddef.h>
#include <stdint.h>
#include "capture/probe.h"

enum { WATCH_PROCESSES_MAX = 4096 }; /* further ones are left out, and counted */

struct watched {
	uint32_t tgid;
	char comm[16];
	char service[128];
	uint64_t bytes;					/* moved on its sockets */
	uint64_t transactions;				/* finished */
	uint32_t parsed, undecided, unknown, encrypted; /* connections open at the end */
};

struct watch;

/* Observes with the probe, which it borrows, for duration_ns. NULL: errno. */
struct watch *watch_run(struct probe *probe, uint64_t duration_ns);
void watch_free(struct watch *w); /* NULL accepted */

/* All processes, most bytes first; borrowed. */
const struct watched *watch_processes(const struct watch *w, size_t *n);
uint64_t watch_left_out(const struct watch *w);

/* Why it yields nothing, for a process with bytes and without transactions. */
void watch_why(const struct watched *p, char *out, size_t size);

#endif
