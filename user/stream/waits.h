/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the time of a transaction went. Who works on it is a unit: a thread, or a goroutine, which
 * may move between threads. A unit is known while it has something open, and its time is cut into
 * pieces by its own operations: reads of requests, calls it makes, their answers, its responses.
 *
 *     arrival   read         call          answer        sent
 *        |        |  piece 1   |   piece 2    |  piece 3   |
 *        `--------' thread's accounts, each piece: run queue, throttled, blocked, the rest ran
 *       receive queue          '--------------' blocked here is downstream
 *
 * A piece between operations of one thread has that thread's accounts. For a goroutine they are
 * marked as shared, for others may have run there; where it changed threads, nothing is known, but
 * that it waited for a call it had open.
 */
#ifndef WAITS_H
#define WAITS_H

#include <stdbool.h>
#include <stdint.h>
#include "stream/op.h"
#include "txn.h"
#include "util/map.h"

/* A unit's time so far; the parts add up to the time that passed. */
struct waits_sum {
	uint64_t cpu_ns;
	uint64_t wait_ns[SONDE_WAIT_MAX];
	uint64_t down_ns[SONDE_WAIT_MAX]; /* of wait_ns, while a call was open */
	uint64_t away_ns; /* a call was open, and the thread's accounts are not the unit's */
	uint64_t unknown_ns;
	uint64_t known; /* pieces with accounts */
};

/* A unit at one of its operations. */
struct waits_mark {
	uint64_t ns; /* 0: none */
	uint64_t goroutine;
	uint32_t tgid, tid;
	struct sonde_sched sched;
};

struct waits_unit;

/* The table of units; zeroed is empty. */
struct waits {
	struct map units;
	struct waits_unit *spare;
};

/* What an open request remembers. Zeroed: it is of no unit. */
struct waits_open {
	struct waits_unit *unit; /* borrowed from the table, until waits_leave() */
	struct waits_sum before;
	uint64_t crowd;
	bool is_server;
};

void waits_free(struct waits *ws);

/* A request begins: on a server when it has been read, on a client when its sending began. Takes no
 * note when out of memory. */
void waits_enter(struct waits *ws, struct waits_open *o, enum sonde_role role,
		 const struct op *begin, const struct op *end);
/* It is over, or of no interest any more. Harmless when it was never noted. */
void waits_leave(struct waits *ws, struct waits_open *o);

/* The unit that did `op` when its last byte was moved. `op` may be NULL. */
struct waits_mark waits_mark(const struct op *op);

/* Fills t->waits of a request that ended with `end` (ns 0: not known with which operation); times
 * and role of t are set. `read_ns`: on a server when it was read. */
void waits_tell(const struct waits_open *o, const struct waits_mark *end, uint64_t read_ns,
		struct txn *t);

#endif
