/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transactions become spans: each gets its place in a trace, and where it is known how, a parent.
 *
 * A unit stands for a request from its head to its end. Who its parent is follows from what the
 * records say, never from which times fit:
 *
 *      server                                    client
 *      a context in the request                  a context in the request
 *      the client's end of the same bytes        the request its thread or goroutine is at work on
 *                                                the request whose id or context it passes on
 *
 * Children end before their parents, and a record of one end may come before that of the other. So
 * a transaction whose trace is not known yet is held back for as long as that can still be told,
 * by the time of the records: a replay decides alike.
 */
#ifndef TRACE_H
#define TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "stream/conn.h"
#include "trace/sampler.h"
#include "txn.h"
#include "util/full.h"

#define TRACE_GRACE_NS (250 * 1000 * 1000ULL)  /* the other end's record comes within */
#define TRACE_HOLD_NS  (1000 * 1000 * 1000ULL) /* longest wait of a transaction for its trace */

struct trace;

struct trace_opts {
	uint64_t salt; /* of the source: what tells its ids from those of others */
	struct sampler sampler;
	size_t max_units; /* requests known at once, 0: 65,536; further ones have no known parent */
	size_t max_held;  /* transactions held back, 0: 1,024; then the oldest is decided */
	/* A transaction whose place is known: `t` lives for the call. */
	void (*deliver)(void *ctx, const struct txn *t);
	void *ctx;
};

struct trace_stats {
	struct fulls full; /* of its own tables, FULL_TRACE_* */
	uint64_t hurried;  /* transactions decided before their time, for want of room */
	uint64_t parents[TXN_PARENT_MAX];
	size_t units, held;
};

struct trace *trace_new(const struct trace_opts *opts); /* NULL: out of memory */
void trace_free(struct trace *tr); /* what is still held is gone: see trace_flush() */

/* A request's head was read or sent. To be given to trace_gone() in the end; NULL: no room. */
struct unit *trace_request(struct trace *tr, const struct conn_request *r);
/* A transaction ended. Its place is filled in, and it is delivered, now or later. is_go: of its
 * process. */
void trace_txn(struct trace *tr, struct txn *t, bool is_go);
void trace_gone(struct trace *tr, struct unit *u); /* nothing more will be heard of the request */

void trace_conn_gone(struct trace *tr, uint64_t cookie);
/* A process takes requests that cannot be seen (encrypted, an unknown protocol, left out): what its
 * threads are at work on is not known any more. */
void trace_opaque(struct trace *tr, uint32_t tgid);
void trace_blind(struct trace *tr); /* the same of every process, from now on */
/* parent_tid: the thread that forked; 0 not known. */
void trace_fork(struct trace *tr, uint32_t parent_tgid, uint32_t parent_tid, uint32_t tgid);
void trace_exit(struct trace *tr, uint32_t tgid);
/* by_tid: the thread that made it; 0: it ended by itself, while its process goes on. */
void trace_thread(struct trace *tr, uint32_t tgid, uint32_t by_tid, uint32_t tid);

/*
 * The goroutine hands the next request of that connection over to whoever sends it, as
 * net/http's persistConn.roundTrip does. For a probe to tell.
 */
void trace_handover(struct trace *tr, uint32_t tgid, uint64_t goroutine, uint64_t cookie);

void trace_time(struct trace *tr, uint64_t now_ns); /* of each record and tick */
void trace_flush(struct trace *tr);		    /* the end: delivers what is held */

const struct trace_stats *trace_stats(const struct trace *tr);

#endif
