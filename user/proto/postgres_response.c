// SPDX-License-Identifier: Apache-2.0
#include <errno.h>

#include "proto/postgres_parts.h"

enum { PG_READY = 6, /* length of a ReadyForQuery message */ PG_LOOK = 4096 /* of the others */ };

/* 53.7: type 'Z', length 5, the state of the transaction. */
static bool is_ready(const uint8_t *p)
{
	return p[0] == 'Z' && pg_u32(p + 1) == 5 && (p[5] == 'I' || p[5] == 'T' || p[5] == 'E');
}

static void start_response(struct postgres *pg, struct msg *out)
{
	out->flags |= MSG_BEGIN;
	pg->is_responding = true;
	pg->rows = pg->data_rows = 0;
	pg->has_rows = pg->is_blind = false;
}

static void end_response(struct postgres *pg, struct msg *out)
{
	out->flags |= MSG_END;
	pg->is_responding = pg->is_blind = false;
}

/* One of the requests of a round was answered. */
static void answer(struct postgres *pg, struct msg *out)
{
	struct pg_round *r = pg_front(pg);

	if (!pg->is_responding)
		return;
	end_response(pg, out);
	if (!pg->is_orphan && r && r->requests)
		r->requests--;
}

static bool is_extended(struct postgres *pg)
{
	const struct pg_round *r = pg_front(pg);

	return !pg->is_orphan && r && r->kind == PG_ROUND_SYNC;
}

/* Is a response due, or at least no harm to begin? */
static bool is_due(struct postgres *pg)
{
	const struct pg_round *r = pg_front(pg);

	if (pg->is_failed)
		return false;
	if (pg->is_orphan || !r)
		return true;
	return r->kind != PG_ROUND_START && r->requests > 0;
}

/* "SELECT 5", "INSERT 0 1", "COPY 7": the last number, where there is one. */
static void count_rows(struct postgres *pg, struct slice tag)
{
	uint64_t n = 0;
	size_t at = tag.n;

	while (at > 0 && tag.p[at - 1] >= '0' && tag.p[at - 1] <= '9')
		at--;
	if (at == tag.n || at == 0 || tag.p[at - 1] != ' ' || tag.n - at > 19)
		return;
	for (; at < tag.n; at++)
		n = n * 10 + (uint64_t)(tag.p[at] - '0');
	pg->rows += n;
	pg->has_rows = true;
}

static void tell_rows(struct postgres *pg, struct msg *out)
{
	if (!pg->has_rows)
		return;
	out->flags |= MSG_ROWS;
	out->rows = pg->rows;
}

static void command_complete(struct postgres *pg, struct slice body, struct msg *out)
{
	struct slice tag;

	if (pg_string(&body, &tag))
		count_rows(pg, tag);
	tell_rows(pg, out);
	if (is_extended(pg))
		answer(pg, out);
}

static void suspended(struct postgres *pg, struct msg *out)
{
	pg->rows = pg->data_rows;
	pg->has_rows = true;
	tell_rows(pg, out);
	if (is_extended(pg))
		answer(pg, out);
}

/* 53.8: fields, each a type and a string: 'C' is the SQLSTATE, 'V' the severity. */
static bool error_fields(struct slice s, struct slice *state)
{
	bool is_fatal = false;
	struct slice value;

	while (s.n && s.p[0]) {
		uint8_t type = s.p[0];

		s.p++;
		s.n--;
		if (!pg_string(&s, &value))
			break;
		if (type == 'C' && value.n == 5)
			*state = value;
		else if (type == 'V')
			is_fatal =
				slice_eq(value, SLICE("FATAL")) || slice_eq(value, SLICE("PANIC"));
	}
	return is_fatal;
}

static void error_response(struct postgres *pg, struct slice body, struct msg *out)
{
	bool is_fatal = error_fields(body, &out->status_text);

	out->flags |= MSG_ERROR;
	if (is_extended(pg)) {
		answer(pg, out);
		pg->is_failed = true;
	} else if (is_fatal) { /* no ReadyForQuery will follow */
		answer(pg, out);
	}
	if (is_fatal)
		out->flags |= MSG_LAST;
}

/* 53.2.6: while the server takes what is copied in it passes over Sync, so that of one that was
 * sent ahead, with the Execute, nothing comes: the round ends with the one behind CopyDone, which
 * may be here already. */
static void copy_in(struct postgres *pg)
{
	struct pg_round *r = pg_front(pg);

	pg->is_copying = true;
	if (!is_extended(pg) || !r->is_closed)
		return;
	if (pg->n == 1)
		r->is_closed = r->is_copied; /* else that Sync is the right one */
	else if (pg->n == 2 && pg_back(pg)->kind == PG_ROUND_SYNC && !pg_back(pg)->requests)
		pg->n--;
}

/* What of a round is unanswered now is not going to be, and was no exchange. */
static void ready(struct postgres *pg, struct msg *out)
{
	struct pg_round *r = pg_front(pg);
	bool is_orphan = pg->is_orphan || !r;

	pg->is_failed = false;
	pg->is_orphan = false;
	pg->is_copying = pg->is_deaf = false;
	if (is_orphan || r->kind == PG_ROUND_QUERY) {
		if (pg->is_responding)
			end_response(pg, out);
	} else {
		out->withdrawn = r->requests;
		if (pg->is_responding && r->requests) {
			out->flags |= MSG_VOID;
			out->withdrawn--;
			end_response(pg, out);
		}
	}
	if (!is_orphan)
		pg_pop(pg);
}

/* ParameterStatus, 53.7 */
static void parameter(struct postgres *pg, struct slice body)
{
	struct slice name, value;

	if (pg_string(&body, &name) && pg_string(&body, &value) &&
	    slice_eq(name, SLICE("standard_conforming_strings")))
		pg->is_backslash = slice_eq(value, SLICE("off"));
}

/* Messages of which something is to be known: they are waited for, the others are passed over. */
static size_t wanted(uint8_t type, size_t body)
{
	size_t max = type == 'C' || type == 'E' || type == 'S' ? PG_LOOK : type == 'Z' ? 1 : 0;

	return body < max ? body : max;
}

/* Nothing is known of where the next message begins: behind the next ReadyForQuery. */
static ssize_t blind(struct postgres *pg, struct slice in, struct msg *out)
{
	if (pg->n > 1) /* whose end would that be? */
		return -EBADMSG;
	if (in.n < PG_READY)
		return 0;
	if (!is_ready(in.p + in.n - PG_READY)) {
		out->skip = 0;
		return (ssize_t)(in.n - PG_READY + 1);
	}
	ready(pg, out);
	return (ssize_t)in.n;
}

static void typed(struct postgres *pg, uint8_t type, struct slice body, struct msg *out)
{
	switch (type) {
	case 'Z': ready(pg, out); return;
	case 'S': parameter(pg, body); return;
	case 'A':
	case 'N':
	case 'K':
	case 'R':
	case 'v': return;
	default: break;
	}
	if (!pg->is_responding && is_due(pg)) {
		pg->is_orphan = pg->is_orphan || !pg->n;
		start_response(pg, out);
	}
	switch (type) {
	case 'C': command_complete(pg, body, out); return;
	case 's': suspended(pg, out); return;
	case 'E': error_response(pg, body, out); return;
	case 'D': pg->data_rows++; return;
	case 'G': copy_in(pg); return;
	case 'W': /* replication: nothing but copied data from here on, both ways */
		out->flags |= MSG_UPGRADE;
		answer(pg, out);
		return;
	case 'I':
		if (is_extended(pg))
			answer(pg, out);
		return;
	default: return;
	}
}

/* The byte that answers an SSLRequest or GSSENCRequest. Where it says yes what follows is no longer
 * ours to read. */
static ssize_t negotiated(struct postgres *pg, struct slice in, struct msg *out)
{
	pg->n_negotiating--;
	if (in.p[0] != 'N')
		out->flags = in.p[0] == 'S' ? MSG_TLS : MSG_ENCRYPTED;
	return 1;
}

/* Rows that lie there whole are consumed together. */
static size_t more_rows(struct postgres *pg, struct slice in, size_t at)
{
	while (in.n - at >= PG_HEADER && (in.p[at] == 'D' || in.p[at] == 'd')) {
		size_t whole = 1 + (size_t)pg_u32(in.p + at + 1);

		if (whole < PG_HEADER || whole > in.n - at)
			break;
		pg->data_rows += in.p[at] == 'D';
		at += whole;
	}
	return at;
}

ssize_t pg_response(struct postgres *pg, struct slice in, struct msg *out)
{
	size_t len, want, whole;

	if (pg->is_blind)
		return blind(pg, in, out);
	if (pg->n_negotiating && (in.p[0] == 'S' || in.p[0] == 'N' || in.p[0] == 'G'))
		return negotiated(pg, in, out);
	if (pg->n_negotiating ? in.p[0] != 'E' : !pg_is_type(PROTO_RESPONSE, in.p[0]))
		return -EBADMSG;
	if (in.n < PG_HEADER)
		return 0;
	len = pg_u32(in.p + 1);
	if (len < 4 || len > INT32_MAX)
		return -EBADMSG;
	whole = 1 + len;
	want = PG_HEADER + wanted(in.p[0], len - 4);
	if (in.n < want)
		return 0;
	pg->n_negotiating = 0; /* refused with an error */
	if (in.p[0] == 'Z' && (whole != PG_READY || !is_ready(in.p)))
		return -EBADMSG;
	typed(pg, in.p[0], (struct slice){ in.p + PG_HEADER, want - PG_HEADER }, out);
	if (!pg->is_responding && !out->flags) /* a notice, a notification: nobody's answer */
		pg->is_orphan = false;
	if ((in.p[0] == 'D' || in.p[0] == 'd') && whole <= in.n)
		return (ssize_t)more_rows(pg, in, whole);
	out->skip = whole - want;
	return (ssize_t)want;
}
