/* SPDX-License-Identifier: Apache-2.0 */
/* The interface of whoever takes results out. NULL members: not interested. */
#ifndef EXPORT_H
#define EXPORT_H

#include <stdint.h>
#include "txn.h"

struct exporter {
	const char *name;
	void *self;
	void (*on_txn)(void *self, const struct txn *t);
	/* A span to be exported after all: on_txn was told of it as one that is not sampled. */
	void (*on_kept)(void *self, const struct txn *t);
	void (*on_stream)(void *self, const struct txn_stream *s); /* it ended */
	void (*on_handshake)(void *self, const struct txn_handshake *h);
	void (*on_exit)(void *self, const struct sonde_ev_exit *ev); /* of a process still known */
	void (*on_rest)(void *self, const struct sonde_ev_rest *ev); /* of one that is gone */
	void (*on_oom)(void *self, const struct sonde_ev_oom *ev);   /* its exit is to follow */
	void (*tick)(void *self, uint64_t now_ns);
	void (*close)(void *self); /* flushes, frees self */
};

#endif
