/* SPDX-License-Identifier: Apache-2.0 */
/* Spans in JSON that wait for nothing but the rest of their line: a request of OTLP on each. */
#ifndef OTLP_LINES_H
#define OTLP_LINES_H

#include "export/otlp_resource.h"
#include "txn.h"

enum { OTLP_LINE_SPANS = 512 };

struct otlp_lines;

struct otlp_lines *otlp_lines_new(const struct otlp_origin *origin, /* borrowed */
				  int64_t realtime_offset_ns);	    /* NULL: out of memory */
void otlp_lines_free(struct otlp_lines *l);

/* Writes a transaction's span into the line, if it has one to be exported: 0 or -ENOMEM. */
int otlp_lines_add(struct otlp_lines *l, const struct txn *t);

/* Then it is to be written. */
bool otlp_lines_is_full(const struct otlp_lines *l);

/* Hands out the line in pieces, if there is one, and begins another. */
void otlp_lines_write(struct otlp_lines *l, void (*put)(void *ctx, const char *bytes, size_t n),
		      void *ctx);

#endif
