// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>

#include "proto/mysql_parts.h"

enum {
	STATUS_MORE_RESULTS = 0x0008,
	STATUS_CURSOR = 0x0040,
	EOF_LEN = 5,
	OK_LEN = 7, /* at least */
};

size_t my_lenenc(struct slice s, uint64_t *out)
{
	size_t n = s.n == 0 ? 0 : s.p[0] < 0xfb ? 1 : s.p[0] == 0xfc ? 3 : s.p[0] == 0xfd ? 4 : 9;

	if (n == 0 || n > s.n)
		return 0;
	*out = n == 1 ? s.p[0] : 0;
	for (size_t i = n - 1; i > 0; i--)
		*out = *out << 8 | s.p[i];
	return n;
}

/* OK: header, affected rows, last id, status. False: it is none. */
static bool read_ok(struct slice body, uint64_t *rows, uint16_t *status)
{
	size_t at = 1, n;
	uint64_t id;

	n = my_lenenc((struct slice){ body.p + at, body.n - at }, rows);
	at += n;
	if (!n)
		return false;
	n = my_lenenc((struct slice){ body.p + at, body.n - at }, &id);
	at += n;
	if (!n || body.n - at < 2)
		return false;
	*status = (uint16_t)(body.p[at] | body.p[at + 1] << 8);
	return true;
}

bool my_is_last(const uint8_t *body, size_t len, bool *more)
{
	uint64_t rows;
	uint16_t status;

	if (len < EOF_LEN || body[0] != 0xfe)
		return false;
	if (len == EOF_LEN)
		status = (uint16_t)(body[3] | body[4] << 8);
	else if (!read_ok((struct slice){ body, len < MY_LOOK ? len : MY_LOOK }, &rows, &status))
		return false;
	*more = status & STATUS_MORE_RESULTS;
	return true;
}

static void end_response(struct mysql *my, struct msg *out)
{
	out->flags |= MSG_END;
	my->is_responding = my->is_blind = my->is_between = false;
	my->expect = MY_EXPECT_FIRST;
	my->next_len = 0;
	my->is_preparing = false;
	if (my->n && !my->is_orphan) {
		my->first = (my->first + 1) % MY_COMMANDS;
		my->n--;
	}
	my->is_orphan = false;
}

static void end_result(struct mysql *my, bool more, struct msg *out)
{
	out->flags |= MSG_ROWS;
	out->rows = my->rows;
	my->is_between = false;
	my->expect = MY_EXPECT_FIRST;
	if (!more)
		end_response(my, out);
}

/* The vendor's number of the error, as the conventions want it. */
static void error_packet(struct mysql *my, struct slice body, struct msg *out)
{
	unsigned code = body.n >= 3 ? body.p[1] | body.p[2] << 8 : 0;
	int n = snprintf(out->room, 8, "%u", code);

	if (code == 0xffff) /* MariaDB reports progress */
		return;
	out->status_text = (struct slice){ (uint8_t *)out->room, (size_t)n };
	out->flags |= MSG_ERROR;
	end_response(my, out);
}

static void ok_packet(struct mysql *my, struct slice body, struct msg *out)
{
	uint64_t rows = 0;
	uint16_t status = 0;

	if (read_ok(body, &rows, &status))
		my->rows += rows;
	if (my->next_len && my_front(my)) {
		memcpy(my->database, my->next, my->next_len);
		my->database_len = my->next_len;
	}
	end_result(my, status & STATUS_MORE_RESULTS, out);
}

/* Status, number of the statement, columns, parameters. */
static void prepared(struct mysql *my, struct slice body, struct msg *out)
{
	my->left = 0;
	if (my->is_preparing && body.n >= 5) {
		struct sql sql = my_prepared(my);

		statements_put(&my->statements, my_u32(body.p + 1), &sql);
	}
	if (body.n >= 9) {
		uint32_t columns = body.p[5] | body.p[6] << 8, params = body.p[7] | body.p[8] << 8;

		my->left = columns + params;
		if (my->has_eof) /* behind the one and behind the other */
			my->left += (columns > 0) + (params > 0);
	}
	my->expect = MY_EXPECT_PREPARED;
	if (my->left == 0)
		end_response(my, out);
}

/* Rows, and what ends them. */
static void row_packet(struct mysql *my, struct slice body, size_t len, struct msg *out)
{
	bool more, was_between = my->is_between;

	my->is_between = false;
	if (body.n && body.p[0] == 0xff) {
		error_packet(my, body, out);
	} else if (len < MY_LONGEST && my_is_last(body.p, len, &more)) {
		/* the EOF between definitions and rows */
		if (was_between && len == EOF_LEN && !(body.p[3] & STATUS_CURSOR))
			return;
		end_result(my, more, out);
	} else {
		my->rows++;
	}
}

/* Answers that have a form of their own. False: this is none. */
static bool special_packet(struct mysql *my, enum my_command command, struct slice body, size_t len,
			   struct msg *out)
{
	switch (command) {
	case MY_FIELD_LIST:
	case MY_FETCH: /* rows from the first packet on, or none: their end */
		my->expect = MY_EXPECT_ROWS;
		row_packet(my, body, len, out);
		return true;
	case MY_BINLOG_DUMP:
	case MY_BINLOG_DUMP_GTID: /* events, until the replica goes */
		out->flags |= MSG_UPGRADE;
		end_response(my, out);
		return true;
	case MY_PREPARE:
		if (body.p[0] == 0)
			prepared(my, body, out);
		return body.p[0] == 0;
	case MY_CHANGE_USER: /* another way to authenticate, or more of it: OK is still to come */
		return body.p[0] == 0xfe || body.p[0] == 1;
	default: return false;
	}
}

static void first_packet(struct mysql *my, struct slice body, size_t len, struct msg *out)
{
	enum my_command command = my_front(my);
	uint64_t columns = 0;
	size_t n;

	if (!my->is_responding) {
		out->flags |= MSG_BEGIN;
		my->is_responding = true;
		my->rows = 0;
	}
	if (body.n == 0 || command == MY_STATISTICS) {
		end_response(my, out);
	} else if (body.p[0] == 0xff) {
		error_packet(my, body, out);
	} else if (special_packet(my, command, body, len, out)) {
		return;
	} else if (body.p[0] == 0) {
		ok_packet(my, body, out);
	} else if (body.p[0] == 0xfb) {
		my->expect = MY_EXPECT_FILE;
	} else if (body.p[0] == 0xfe) { /* EOF */
		end_response(my, out);
	} else {
		n = my_lenenc(body, &columns);
		my->left = (uint32_t)columns;
		/* MariaDB: definitions that the client has already are left out */
		if (n && len == n + 1 && body.n > n && body.p[n] == 0)
			my->left = 0;
		my->expect = my->left ? MY_EXPECT_COLUMNS : MY_EXPECT_ROWS;
		my->is_between = my->left == 0;
	}
}

static void definition(struct mysql *my, struct slice body, size_t len, struct msg *out)
{
	bool more, is_eof = len == EOF_LEN && my_is_last(body.p, len, &more);

	if (my->expect == MY_EXPECT_PREPARED) {
		if ((!is_eof || my->has_eof) && --my->left == 0)
			end_response(my, out);
	} else if (--my->left == 0) {
		my->expect = MY_EXPECT_ROWS;
		my->is_between = true;
	}
}

/* The server speaks first: version 10, its name, a connection number, capabilities. */
static bool greeting(struct mysql *my, struct slice body)
{
	const uint8_t *end = body.n ? memchr(body.p, 0, body.n) : NULL;
	size_t at;

	if (!end || body.p[0] != 10)
		return false;
	my->is_mariadb = memmem(body.p, (size_t)(end - body.p), "MariaDB", 7) != NULL;
	at = (size_t)(end - body.p) + 1 + 4 + 8 + 1;
	if (body.n >= at + 7)
		my->caps = body.p[at] | (uint32_t)body.p[at + 1] << 8 |
			   (uint32_t)body.p[at + 5] << 16 | (uint32_t)body.p[at + 6] << 24;
	my->is_authenticating = true;
	return true;
}

/* Challenges go to and fro until OK or an error. */
static ssize_t authentication(struct mysql *my, struct slice in, size_t len, struct msg *out)
{
	size_t want = len < 256 ? len : 256;

	if (in.n < MY_HEADER + want)
		return 0;
	if (in.p[3] == 0 && !my->is_authenticating) {
		/* an error unasked: idle for too long, or the server goes */
		if (!(want && in.p[MY_HEADER] == 0xff) &&
		    !greeting(my, (struct slice){ in.p + MY_HEADER, want }))
			return -EBADMSG;
	} else if (want && (in.p[MY_HEADER] == 0 || in.p[MY_HEADER] == 0xff)) {
		my->is_authenticating = false;
	}
	my->is_orphan = false;
	out->skip = len - want;
	return (ssize_t)(MY_HEADER + want);
}

/* Behind a hole in rows: their end is what the last bytes say, if they say so. */
static ssize_t blind(struct mysql *my, struct slice in, struct msg *out)
{
	static const size_t lengths[] = { EOF_LEN, OK_LEN };
	bool more = true;

	if (my->n > 1)
		return -EBADMSG;
	for (size_t i = 0; i < 2; i++) {
		const uint8_t *p;

		if (in.n < lengths[i] + MY_HEADER)
			continue;
		p = in.p + in.n - lengths[i] - MY_HEADER;
		if (my_u24(p) != lengths[i] || !my_is_last(p + MY_HEADER, lengths[i], &more))
			continue;
		if (more)
			return -EBADMSG;
		end_response(my, out);
		return (ssize_t)in.n;
	}
	return in.n >= OK_LEN + MY_HEADER ? (ssize_t)(in.n - OK_LEN - MY_HEADER + 1) : 0;
}

/* The numbers of packets go on from those of the command. */
static bool may_begin(const struct mysql *my, uint8_t number)
{
	return number == 1 ||
	       (my->n && !my->is_orphan && number == my->packets[my->first % MY_COMMANDS]);
}

static void packet(struct mysql *my, struct slice body, size_t len, struct msg *out)
{
	switch ((enum my_expect)my->expect) {
	case MY_EXPECT_FILE:
	case MY_EXPECT_FIRST: first_packet(my, body, len, out); return;
	case MY_EXPECT_COLUMNS:
	case MY_EXPECT_PREPARED: definition(my, body, len, out); return;
	case MY_EXPECT_ROWS: row_packet(my, body, len, out); return;
	}
}

ssize_t my_response(struct mysql *my, struct slice in, struct msg *out)
{
	size_t len, want;
	bool more;

	if (my->is_blind)
		return blind(my, in, out);
	if (in.n < MY_HEADER)
		return 0;
	len = my_u24(in.p);
	if (my->is_authenticating || (in.p[3] == 0 && !my->is_responding && !my->n))
		return authentication(my, in, len, out);
	if (my->is_compressed) {
		out->flags = MSG_COMPRESSED;
		return 1;
	}
	want = len < MY_LOOK ? len : MY_LOOK;
	if (in.n < MY_HEADER + want)
		return 0;
	if (!my->is_responding && !may_begin(my, in.p[3])) {
		/* the EOF behind the definitions of a prepared statement: nobody's answer */
		if (len != EOF_LEN || !my_is_last(in.p + MY_HEADER, len, &more))
			return -EBADMSG;
		my->is_orphan = false;
		return (ssize_t)(MY_HEADER + want);
	}
	if (!my->is_continued) {
		my->is_orphan = my->is_orphan || (!my->is_responding && !my->n);
		packet(my, (struct slice){ in.p + MY_HEADER, want }, len, out);
	}
	my->is_continued = len == MY_LONGEST && my->is_responding;
	out->skip = len - want;
	return (ssize_t)(MY_HEADER + want);
}

bool my_is_response(struct slice in)
{
	bool is_error = in.n > MY_HEADER && in.p[MY_HEADER] == 0xff;

	if (in.n < MY_HEADER + 1 || in.p[3] != 1 || my_u24(in.p) == 0)
		return false;
	for (size_t n = 1; in.n >= MY_HEADER; n++) {
		size_t whole = MY_HEADER + my_u24(in.p);

		if (in.p[3] != (uint8_t)n)
			return false;
		if (whole > in.n)
			return n > 1 || is_error;
		in.p += whole;
		in.n -= whole;
	}
	return true;
}
