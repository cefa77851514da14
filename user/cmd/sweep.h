/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds connections that ended without a word: unix sockets have no close hook, and a CLOSE can be
 * lost when the ring is full. One that the kernel no longer knows in two sweeps is gone.
 */
#ifndef SWEEP_H
#define SWEEP_H

#include <stdint.h>
#include "capture/probe.h"
#include "pipeline.h"

struct sweeper;

struct sweeper *sweeper_new(struct probe *probe, struct pipeline *p); /* borrows; NULL: no memory */
void sweeper_free(struct sweeper *s);
void sweeper_turn(struct sweeper *s, uint64_t now_ns); /* every 5 s */

#endif
