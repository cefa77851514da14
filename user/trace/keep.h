/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Traces that the sampler let go and that something happened in: kept all the same. Spans that are
 * not sampled wait in a ring; when one of their trace fails, or is slow, those that are still there
 * are given out, and so is what follows of that trace.
 */
#ifndef KEEP_H
#define KEEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "txn.h"

#define KEEP_SLOW_NS (1000 * 1000 * 1000ULL)

enum {
	KEEP_SPANS_MAX = 512,	/* that wait; the oldest are forgotten */
	KEEP_TRACES_MAX = 1024, /* known to be kept; likewise */
};

struct keep_opts {
	bool errors, slow;
	/* A span to be exported after all; its service may be gone by now and is as it was. */
	void (*deliver)(void *ctx, const struct txn *t);
	void *ctx;
};

struct keep;

struct keep *keep_new(const struct keep_opts *opts); /* NULL: out of memory */
void keep_free(struct keep *k);			     /* NULL accepted */
void keep_txn(struct keep *k, const struct txn *t);  /* one that is not sampled */

#endif
