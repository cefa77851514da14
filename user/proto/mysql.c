// SPDX-License-Identifier: Apache-2.0
#include <errno.h>

#include "proto/mysql_parts.h"

static bool is_printable(uint8_t c)
{
	return (c >= ' ' && c != 0x7f) || (c >= '\t' && c <= '\r');
}

/* A greeting: a short packet 0, protocol 10, a version that begins with a number. */
static int detect_greeting(struct slice in)
{
	static const uint8_t known[] = { 0, 0, 0, 10 }; /* from the second byte on */
	size_t n = in.n - 1 < sizeof(known) ? in.n - 1 : sizeof(known);

	if (in.p[0] < 40 || memcmp(in.p + 1, known, n) != 0)
		return -1;
	for (size_t i = 5; i < in.n; i++) {
		if (in.p[i] == 0)
			return i >= 8 ? 1 : -1;
		if (!is_printable(in.p[i]) || (i == 5 && (in.p[i] < '0' || in.p[i] > '9')) ||
		    i > 80)
			return -1;
	}
	return 0;
}

/* Text from here to the end, as far as it is here. */
static bool is_text(struct slice s)
{
	for (size_t i = 0; i < s.n && i < 64; i++)
		if (!is_printable(s.p[i]))
			return false;
	return s.n > 0;
}

/* What is behind the code of a command is text, or query attributes and text. */
static bool is_statement(struct slice in, size_t len)
{
	struct slice body = { in.p + MY_HEADER + 1, in.n - MY_HEADER - 1 };
	struct context context;

	if (in.p[MY_HEADER] == MY_PREPARE)
		return is_text(body);
	if (in.n == MY_HEADER + len)
		return my_attributes(&body, &context) && is_text(body);
	return is_text(body) || (body.n == 1 ? body.p[0] < ' ' : body.p[1] == 1);
}

/* A command with a whole text, or the execution of a statement, that is all of an operation. */
static int detect_command(struct slice in)
{
	size_t len;

	if (in.n < MY_HEADER + 1)
		return in.n == MY_HEADER && in.p[3] ? -1 : 0;
	len = my_u24(in.p);
	if (in.p[3] || len < 2 || in.n > MY_HEADER + len)
		return -1;
	switch (in.p[MY_HEADER]) {
	case MY_QUERY:
	case MY_PREPARE:
		if (in.n > MY_HEADER + 1 && !is_statement(in, len))
			return -1;
		break;
	case MY_EXECUTE: /* number, flags, 1 as an iteration count */
		if (len < 10 || (in.n >= 14 && (in.p[9] > 15 || my_u32(in.p + 10) != 1)))
			return -1;
		break;
	default: return -1;
	}
	return in.n == MY_HEADER + len ? 1 : 0;
}

static int detect(struct slice in, enum proto_dir dir)
{
	if (dir == PROTO_RESPONSE)
		return detect_greeting(in);
	return in.n >= MY_HEADER && in.p[3] ? my_is_handshake(in) : detect_command(in);
}

static ssize_t parse(void *state, enum proto_dir dir, struct slice in, struct msg *out)
{
	struct mysql *my = state;
	ssize_t n = dir == PROTO_REQUEST ? my_request(my, in, out) : my_response(my, in, out);

	if (n < 0)
		my->has_failed |= 1 << dir;
	return n;
}

/* Rows that were not copied do not hide the end of them, if only one command is under way. */
static int gap(void *state, enum proto_dir dir, uint64_t len)
{
	struct mysql *my = state;

	if (dir == PROTO_REQUEST && my->expect == MY_EXPECT_FILE && my->n == 1) {
		my->is_deaf = true;
		return 0;
	}
	if (dir == PROTO_REQUEST || !my->is_responding || my->n != 1 || my->is_orphan ||
	    my->expect != MY_EXPECT_ROWS)
		return -EBADMSG;
	my->is_blind = true;
	return 0;
}

/* Servers read the header of a packet by itself: it may be kept from before. */
static size_t resync_request(struct mysql *my, struct slice in)
{
	size_t most = in.n < MY_HEADER ? in.n : MY_HEADER;

	my->is_request_continued = my->is_deaf = false;
	/* the first answer to a greeting that was seen */
	if (my->is_authenticating && in.n >= MY_HEADER && in.p[3] == 1)
		return 0;
	for (size_t at = 0; at <= most; at++)
		if (detect_command((struct slice){ in.p + at, in.n - at }) == 1)
			return at;
	return in.n;
}

/* Behind what may be kept from before. */
static size_t resync_response(struct mysql *my, struct slice in)
{
	size_t at = 0, most = in.n < MY_HEADER ? in.n : MY_HEADER;

	while (at <= most && !my_is_response((struct slice){ in.p + at, in.n - at }))
		at++;
	if (at > most)
		return in.n;
	my->is_responding = my->is_orphan = my->is_blind = my->is_continued = false;
	my->expect = MY_EXPECT_FIRST;
	return at;
}

/* An operation that begins with a message: nothing else is believed. */
static size_t resync(void *state, enum proto_dir dir, struct slice in)
{
	struct mysql *my = state;
	bool has_failed = my->has_failed >> dir & 1;

	my->has_failed &= ~(1 << dir);
	if (has_failed)
		return in.n;
	return dir == PROTO_REQUEST ? resync_request(my, in) : resync_response(my, in);
}

static bool end(void *state, enum proto_dir dir)
{
	return false;
}

/* The greeting and what it leads to come unasked. */
static bool awaits_request(const void *state)
{
	const struct mysql *my = state;

	return my->n == 0 && !my->is_responding && !my->is_authenticating && my->caps;
}

static void drop_requests(void *state, uint32_t n)
{
	struct mysql *my = state;

	for (; n && my->n; n--) {
		my->first = (my->first + 1) % MY_COMMANDS;
		my->n--;
	}
}

static void miss_request(void *state)
{
	struct mysql *my = state;

	my->is_orphan = true;
}

const struct proto proto_mysql = {
	.name = "mysql",
	.id = PROTO_MYSQL,
	.kind = KIND_DATABASE,
	.match = MATCH_FIFO,
	.state_size = sizeof(struct mysql),
	.detect = detect,
	.parse = parse,
	.gap = gap,
	.resync = resync,
	.resync_keep = MY_HEADER,
	.end = end,
	.awaits_request = awaits_request,
	.drop_requests = drop_requests,
	.miss_request = miss_request,
};
