/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spans that wait to be sent: bounded in bytes and number, the oldest dropped first. Each is
 * written when it comes, so that nothing is kept of a transaction but what goes over the wire.
 */
#ifndef OTLP_SPANS_H
#define OTLP_SPANS_H

#include "export/otlp_resource.h"
#include "txn.h"

struct otlp_spans;

struct otlp_spans_opts {
	enum otlp_form form;
	size_t max_bytes; /* of the queue: memory it takes, and no more */
	size_t max_spans; /* of the queue; 0: as many as have room */
	int64_t realtime_offset_ns;
	const struct otlp_origin *origin; /* borrowed */
};

struct otlp_spans *otlp_spans_new(const struct otlp_spans_opts *opts); /* NULL: out of memory */
void otlp_spans_free(struct otlp_spans *q);

/* Queues a transaction's span, if it has one to be exported. Returns how many had to be dropped for
 * it, itself included when it has no room at all. */
size_t otlp_spans_add(struct otlp_spans *q, const struct txn *t);

size_t otlp_spans_count(const struct otlp_spans *q);
size_t otlp_spans_bytes(const struct otlp_spans *q);

/* Moves the oldest into a request of about max_bytes and at most max_spans (0: any number), written
 * into `out`, which comes empty. Returns how many; 0: there are none, or out of memory, and then
 * they stay. */
size_t otlp_spans_take(struct otlp_spans *q, struct otlp_out *out, size_t max_bytes,
		       size_t max_spans);

#endif
