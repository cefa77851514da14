/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A trace context as requests carry it: W3C Trace Context, B3 in one header or in several, and
 * sqlcommenter's comments in SQL. Pure. What is malformed is no context at all.
 */
#ifndef CONTEXT_H
#define CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "util/slice.h"

enum {
	CONTEXT_TRACEPARENT_LEN = 55, /* of version 00 */
	CONTEXT_STATE_MAX = 512,      /* W3C Trace Context 3.3.1.5: at least as many */
	CONTEXT_STATE_MEMBERS = 32,   /* 3.3.1.1: at most */
};

struct context {
	uint8_t trace_id[16];
	uint8_t span_id[8]; /* of the span that made the request */
	bool is_known;
	bool is_sampled;
	bool is_deferred; /* whether it is sampled was left open (B3) */
};

/* The headers of B3; those that a request lacks are empty. */
struct context_b3 {
	struct slice single;
	struct slice trace_id, span_id, sampled, flags;
};

/* https://www.w3.org/TR/trace-context/#traceparent-header. False: *out is left as it was. */
bool context_traceparent(struct slice in, struct context *out);

/* https://github.com/openzipkin/b3-propagation; the single header wins. False: as above, also where
 * there is a decision but no ids. */
bool context_b3(const struct context_b3 *in, struct context *out);

/* The list as it is to be passed on: whole members only, the first ones, at most CONTEXT_STATE_MAX
 * bytes of those that fit; a list that breaks the rules of 3.3.1 is no list. Slice of `in`. */
struct slice context_tracestate(struct slice in);

/* The value of traceparent='...' in the inside of a comment of SQL, empty: none.
 * https://google.github.io/sqlcommenter/spec/ */
struct slice context_sql_comment(struct slice comment);

/* Lower case hexadecimal digits, and a NUL behind them: 2 * n + 1 bytes. */
void context_hex(const uint8_t *id, size_t n, char *out);

#endif
