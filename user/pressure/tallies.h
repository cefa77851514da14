/* SPDX-License-Identifier: Apache-2.0 */
/* Asks the kernel for what it has added up of TCP and of disks, and for the sockets open now. */
#ifndef TALLIES_H
#define TALLIES_H

#include <stdint.h>
#include "capture/probe.h"
#include "pressure/disk.h"
#include "pressure/tcp.h"

struct tallies;

struct tallies_opts {
	struct tcp_opts tcp; /* and of disks: the store, whose a process is, the context */
	/* The one service in that cgroup; NULL: none or several. NULL: nobody knows. */
	const struct service *(*service_of_group)(void *ctx, uint64_t group);
};

/* Borrows probe and what the options point to. NULL: out of memory. */
struct tallies *tallies_new(struct probe *probe, const struct tallies_opts *opts);
void tallies_free(struct tallies *t);

/* Every second: goes on with the walk over the open sockets, at most budget_ns or one piece. The
 * next begins 5 s after the last began, or when that has ended. */
void tallies_turn(struct tallies *t, uint64_t now_ns, uint64_t budget_ns);

/* Brings the series up to date. */
void tallies_publish(struct tallies *t, uint64_t now_ns);

uint64_t tallies_left_out(const struct tallies *t); /* tcp_left_out() */

#endif
