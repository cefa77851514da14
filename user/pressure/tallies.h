/* SPDX-License-Identifier: Apache-2.0 */
/* Asks the kernel for what it has added up of TCP and of disks, and for the sockets open now. */
#ifndef TALLIES_H
#define TALLIES_H

#include <stdint.h>
#include "capture/probe.h"
#include "pressure/disk.h"
#include "pressure/tcp.h"

struct tallies;

struct tallies *tallies_new(struct probe *probe, const struct tcp_opts *opts); /* borrows; NULL */
void tallies_free(struct tallies *t);

/* Every second: walks over the open sockets when that is due, every 5 s, or more rarely where there
 * are so many descriptors that it would take more than 1 % of a core. */
void tallies_turn(struct tallies *t, uint64_t now_ns);

/* Brings the series up to date. */
void tallies_publish(struct tallies *t, uint64_t now_ns);

uint64_t tallies_left_out(const struct tallies *t); /* tcp_left_out() */

#endif
