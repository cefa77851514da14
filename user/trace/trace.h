/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transactions become spans: each gets its place in a trace, and where it is known how, a parent.
 */
#ifndef TRACE_H
#define TRACE_H

#include <stdint.h>
#include "trace/sampler.h"
#include "txn.h"

struct trace;

struct trace_opts {
	uint64_t salt; /* of the source: what tells its ids from those of others */
	struct sampler sampler;
	/* A transaction whose place is known: `t` lives for the call. */
	void (*deliver)(void *ctx, const struct txn *t);
	void *ctx;
};

struct trace *trace_new(const struct trace_opts *opts); /* NULL: out of memory */
void trace_free(struct trace *tr);

/* A transaction ended. Its place is filled in, and it is delivered. */
void trace_txn(struct trace *tr, struct txn *t);

#endif
