// SPDX-License-Identifier: Apache-2.0
#include <errno.h>

#include "proto/postgres_parts.h"

enum { DETECT_MESSAGES = 64, DETECT_LEN_MAX = 1 << 24, RESYNC_TRIES = 256 };

/* 53.7 */
bool pg_is_type(enum proto_dir dir, uint8_t type)
{
	const char *types = dir == PROTO_REQUEST ? "QPBDECSHFXpdcf" : "RKSZTDC123nNAEIstGHWdcVv";

	return type && strchr(types, type);
}

static bool has_word(struct slice s, struct slice word)
{
	size_t n = s.n < word.n ? s.n : word.n;

	return memcmp(s.p, word.p, n) == 0;
}

/* Its first parameter tells it from protocols that begin with a length as well (Kafka). */
static int detect_startup(struct slice in)
{
	static const char *const first[] = { "user",	    "database",		"options",
					     "replication", "application_name", "client_encoding" };
	uint32_t len, code;

	if (in.n >= 2 && in.p[1])
		return -1;
	if (in.n < 8)
		return 0;
	len = pg_u32(in.p);
	code = pg_u32(in.p + 4);
	if (len > PG_STARTUP_MAX)
		return -1;
	if (code == PG_CANCEL)
		return len == 16 || len >= 12 ? 1 : -1;
	if (code == PG_SSL || code == PG_GSSENC)
		return len != 8	  ? -1
		       : in.n > 8 ? detect_startup((struct slice){ in.p + 8, in.n - 8 })
				  : 0;
	/* minor versions are for servers to refuse; libpq may ask for one that will never be */
	if (code >> 16 != 3 || (code & 0xffff) > 9999)
		return -1;
	if (in.n == 8)
		return 0;
	for (size_t i = 0; i < sizeof(first) / sizeof(first[0]); i++)
		if (has_word((struct slice){ in.p + 8, in.n - 8 },
			     (struct slice){ (const uint8_t *)first[i], strlen(first[i]) + 1 }))
			return in.n - 8 > strlen(first[i]) ? 1 : 0;
	return -1;
}

/* A Query: one string to its end, which begins like text. */
static bool is_query(struct slice body)
{
	return body.n > 1 && memchr(body.p, 0, body.n) == body.p + body.n - 1 &&
	       (body.p[0] >= ' ' || body.p[0] == '\n' || body.p[0] == '\t' || body.p[0] == '\r');
}

/*
 * Messages one behind the other up to the very end, the last one of a kind that makes the other end
 * act: what a whole operation looks like in the middle of a connection. 1, 0: not to be told yet,
 * -1.
 */
static int detect_messages(struct slice in, enum proto_dir dir)
{
	uint8_t last = 0;
	bool is_certain = false;

	for (int i = 0; in.n && i < DETECT_MESSAGES; i++) {
		size_t whole;

		if (!pg_is_type(dir, in.p[0]))
			return -1;
		if (in.n >= 2 && in.p[1])
			return -1;
		if (in.n < PG_HEADER)
			return 0;
		whole = 1 + (size_t)pg_u32(in.p + 1);
		if (whole < PG_HEADER || whole > DETECT_LEN_MAX)
			return -1;
		if (whole > in.n)
			return 0;
		last = in.p[0];
		if (dir == PROTO_REQUEST && last == 'Q') {
			if (!is_query((struct slice){ in.p + PG_HEADER, whole - PG_HEADER }))
				return -1;
			is_certain = true;
		}
		if (dir == PROTO_RESPONSE && last == 'Z') {
			if (whole != 6 || !strchr("ITE", in.p[5]))
				return -1;
			is_certain = true;
		}
		if (dir == PROTO_REQUEST && last == 'S') {
			if (whole != PG_HEADER)
				return -1;
			is_certain = i > 0;
		}
		in.p += whole;
		in.n -= whole;
	}
	return is_certain && in.n == 0 && (last == 'Q' || last == 'S' || last == 'Z') ? 1 : 0;
}

static int detect(struct slice in, enum proto_dir dir)
{
	if (in.p[0] != 0)
		return detect_messages(in, dir);
	return dir == PROTO_REQUEST ? detect_startup(in) : -1;
}

static ssize_t parse(void *state, enum proto_dir dir, struct slice in, struct msg *out)
{
	struct postgres *pg = state;
	ssize_t n = dir == PROTO_REQUEST ? pg_request(pg, in, out) : pg_response(pg, in, out);

	if (n < 0)
		pg->has_failed |= 1 << dir;
	return n;
}

/* A response in one piece with one request under way goes on to ReadyForQuery, whatever the hole
 * hid of it. */
static int gap(void *state, enum proto_dir dir, uint64_t len)
{
	struct postgres *pg = state;
	const struct pg_round *r = pg_front(pg);

	if (dir == PROTO_RESPONSE)
		pg->is_torn = true;
	if (dir == PROTO_REQUEST && pg->is_copying && pg->n == 1) {
		pg->is_deaf = true;
		return 0;
	}
	if (dir == PROTO_REQUEST || !pg->is_responding || pg->n != 1 || r->kind != PG_ROUND_QUERY)
		return -EBADMSG;
	pg->is_blind = true;
	pg->has_rows = false;
	return 0;
}

/* Whole messages from here to the end; where nothing was lost the last one may still be coming. */
static bool is_response(struct slice in, bool is_strict)
{
	int rc = detect_messages(in, PROTO_RESPONSE);

	if (in.n < PG_HEADER || !strchr("T123nCEItsGHN", in.p[0]))
		return false;
	return is_strict ? rc == 1 : rc >= 0;
}

static void find_response(struct postgres *pg)
{
	pg->is_responding = pg->is_orphan = pg->is_failed = pg->is_blind = false;
	while (pg->n && pg_front(pg)->kind != PG_ROUND_QUERY && !pg_front(pg)->requests)
		pg_pop(pg);
}

/* Behind a ReadyForQuery a response begins, and where a connection was joined between two. */
static size_t resync_response(struct postgres *pg, struct slice in)
{
	static const uint8_t ready[] = { 0, 0, 0, 5 };

	pg->n_negotiating = 0; /* the byte that answers was in a hole */
	if (is_response(in, pg->is_torn)) {
		find_response(pg);
		return 0;
	}
	for (size_t at = 5; at < in.n; at++) {
		if (memcmp(in.p + at - 5, ready, 4) != 0 || !in.p[at - 1] ||
		    !strchr("ITE", in.p[at - 1]) || !pg_is_type(PROTO_RESPONSE, in.p[at]))
			continue;
		find_response(pg);
		return at;
	}
	return in.n;
}

/* Nothing but whole messages up to the end of what is here is believed. */
static size_t resync_request(struct postgres *pg, struct slice in)
{
	unsigned left = RESYNC_TRIES;

	for (size_t at = 0; at < in.n && left; at++) {
		if (in.p[at] != 'Q' && in.p[at] != 'P' && in.p[at] != 'B')
			continue;
		left -= in.n - at > 1 && !in.p[at + 1]; /* others cost nothing */
		if (detect_messages((struct slice){ in.p + at, in.n - at }, PROTO_REQUEST) != 1)
			continue;
		pg->is_requesting = pg->is_bound = pg->is_deaf = false;
		/* what has no name has another text whenever it likes; a name has one until Close */
		statements_remove(&pg->statements, statements_key(SLICE("")));
		return at;
	}
	return in.n;
}

static size_t resync(void *state, enum proto_dir dir, struct slice in)
{
	struct postgres *pg = state;
	size_t at = pg->has_failed >> dir & 1; /* not the place that failed */
	struct slice rest = { in.p + at, in.n - at };

	pg->has_failed &= ~(1 << dir);
	return at + (dir == PROTO_REQUEST ? resync_request(pg, rest) : resync_response(pg, rest));
}

static bool end(void *state, enum proto_dir dir)
{
	return false;
}

static bool awaits_request(const void *state)
{
	const struct postgres *pg = state;

	return pg->n == 0 && !pg->n_negotiating && !pg->is_responding;
}

static void drop_requests(void *state, uint32_t n)
{
	struct postgres *pg = state;

	while (pg->n) {
		struct pg_round *r = pg_front(pg);

		if (r->requests && n == 0)
			return;
		if (r->requests) {
			n--;
			r->requests--;
		}
		if (r->requests == 0 && (r->kind != PG_ROUND_SYNC || r->is_closed))
			pg_pop(pg);
		else if (r->requests == 0)
			return; /* the round that is still open */
	}
}

static void miss_request(void *state)
{
	struct postgres *pg = state;

	pg->is_orphan = true;
}

const struct proto proto_postgres = {
	.name = "postgresql",
	.id = PROTO_POSTGRES,
	.kind = KIND_DATABASE,
	.match = MATCH_FIFO,
	.state_size = sizeof(struct postgres),
	.detect = detect,
	.parse = parse,
	.gap = gap,
	.resync = resync,
	.resync_keep = 5,
	.end = end,
	.awaits_request = awaits_request,
	.drop_requests = drop_requests,
	.miss_request = miss_request,
};
