// SPDX-License-Identifier: Apache-2.0
#include <errno.h>

#include "proto/mysql_parts.h"

/* Capability flags */
enum {
	CAP_MYSQL = 1 << 0, /* MariaDB's connector does not say so to its own server */
	CAP_WITH_DB = 1 << 3,
	CAP_COMPRESS = 1 << 5,
	CAP_PROTOCOL_41 = 1 << 9,
	CAP_SSL = 1 << 11,
	CAP_SECURE = 1 << 15,
	CAP_LENENC_AUTH = 1 << 21,
	CAP_DEPRECATE_EOF = 1 << 24,
	CAP_ZSTD = 1 << 26,
};

static size_t at_most(size_t n, size_t max)
{
	return n < max ? n : max;
}

static struct slice rest_of(struct slice s, size_t n)
{
	n = at_most(n, s.n);
	return (struct slice){ s.p + n, s.n - n };
}

static struct slice string_of(struct slice s)
{
	const uint8_t *end = s.n ? memchr(s.p, 0, s.n) : NULL;

	return (struct slice){ s.p, end ? (size_t)(end - s.p) : s.n };
}

static uint8_t copy_name(char out[MY_DATABASE_MAX], struct slice name)
{
	size_t n = at_most(name.n, MY_DATABASE_MAX);

	if (n)
		memcpy(out, name.p, n);
	return (uint8_t)n;
}

/* HandshakeResponse41: capabilities, size, character set, 23 zeros, user, answer, database. An
 * SSLRequest is its first 32 bytes alone. */
static void handshake(struct mysql *my, struct slice body, struct msg *out)
{
	uint32_t caps;
	struct slice s;

	if (body.n < 32)
		return;
	caps = my_u32(body.p) & my->caps;
	if (caps & CAP_SSL && body.n == 32) {
		out->flags = MSG_TLS;
		return;
	}
	my->has_eof = !(caps & CAP_DEPRECATE_EOF);
	my->is_compressed = (caps & (CAP_COMPRESS | CAP_ZSTD)) != 0;
	s = rest_of(body, 32);
	s = rest_of(s, string_of(s).n + 1);
	if (caps & (CAP_LENENC_AUTH | CAP_SECURE))
		s = rest_of(s, s.n ? s.p[0] + 1u : 0);
	else
		s = rest_of(s, string_of(s).n + 1);
	if (caps & CAP_WITH_DB)
		my->database_len = copy_name(my->database, string_of(s));
}

static void tell(const struct mysql *my, const struct sql *sql, struct msg *out)
{
	out->system = my->is_mariadb ? SLICE("mariadb") : SLICE("mysql");
	out->name_space = (struct slice){ (const uint8_t *)my->database, my->database_len };
	out->query = sql->text;
	out->summary = sql->summary;
	out->operation = sql->operation;
	out->context = sql->context;
}

static void read_sql(struct slice text, bool is_whole, struct msg *out, struct sql *sql)
{
	struct sql_source source = { .text = text, .dialect = SQL_MYSQL, .is_cut = !is_whole };

	sql_describe(&source, out->room, sql);
}

/* USE name: the database is another one if it succeeds. */
static void expect_database(struct mysql *my, struct slice name)
{
	if (name.n >= 2 && name.p[0] == '`')
		name = (struct slice){ name.p + 1, name.n - 2 };
	my->next_len = copy_name(my->next, name);
}

static void query(struct mysql *my, struct slice text, bool is_whole, struct msg *out)
{
	struct sql sql = { 0 };
	struct context context = { 0 };

	if (my_attributes(&text, &context))
		read_sql(text, is_whole, out, &sql);
	if (context.is_known)
		sql.context = context;
	tell(my, &sql, out);
	if (slice_ieq(sql.operation, SLICE("use")) && !memchr(sql.summary.p, ';', sql.summary.n))
		expect_database(my, rest_of(sql.summary, sql.operation.n + 1));
}

static void prepare(struct mysql *my, struct slice text, bool is_whole, struct msg *out)
{
	static const char word[] = "PREPARE ";
	char *summary = out->room + SQL_ROOM;
	struct sql sql;

	read_sql(text, is_whole, out, &sql);
	memcpy(my->prepared, sql.text.p, sql.text.n);
	memcpy(my->prepared + sql.text.n, sql.summary.p, sql.summary.n);
	my->text_len = (uint16_t)sql.text.n;
	my->summary_len = (uint8_t)sql.summary.n;
	my->operation_len = (uint8_t)sql.operation.n;
	my->is_preparing = true;
	memcpy(summary, word, sizeof(word) - 1);
	memcpy(summary + sizeof(word) - 1, sql.summary.p, sql.summary.n);
	if (sizeof(word) - 1 + sql.summary.n <= SQL_SUMMARY_MAX)
		sql.summary =
			(struct slice){ (uint8_t *)summary, sizeof(word) - 1 + sql.summary.n };
	sql.operation = SLICE("PREPARE");
	tell(my, &sql, out);
}

static void execute(struct mysql *my, struct slice body, struct msg *out)
{
	struct sql sql = { 0 };

	uint32_t number = body.n >= 4 ? my_u32(body.p) : 0;

	if (number == UINT32_MAX) /* MariaDB: what was prepared last, before it had a number */
		sql = my_prepared(my);
	else
		statements_get(&my->statements, number, &sql);
	tell(my, &sql, out);
}

/* What has no text is named by its command. */
static void other(const struct mysql *my, uint8_t command, struct msg *out)
{
	static const char *const names[] = {
		[MY_INIT_DB] = "INIT_DB",
		[MY_FIELD_LIST] = "FIELD_LIST",
		[0x05] = "CREATE_DB",
		[0x06] = "DROP_DB",
		[0x07] = "REFRESH",
		[0x08] = "SHUTDOWN",
		[MY_STATISTICS] = "STATISTICS",
		[0x0a] = "PROCESS_INFO",
		[0x0c] = "PROCESS_KILL",
		[0x0d] = "DEBUG",
		[0x0e] = "PING",
		[MY_CHANGE_USER] = "CHANGE_USER",
		[MY_BINLOG_DUMP] = "BINLOG_DUMP",
		[0x15] = "REGISTER_SLAVE",
		[0x1a] = "STMT_RESET",
		[0x1b] = "SET_OPTION",
		[MY_FETCH] = "STMT_FETCH",
		[MY_BINLOG_DUMP_GTID] = "BINLOG_DUMP_GTID",
		[0x1f] = "RESET_CONNECTION",
	};
	const char *name = command < sizeof(names) / sizeof(names[0]) ? names[command] : NULL;
	struct slice s = slice_str(name ? name : "UNKNOWN");
	struct sql sql = { .summary = s, .operation = s };

	tell(my, &sql, out);
}

/* user, answer to the challenge, database */
static void change_user(struct mysql *my, struct slice s)
{
	s = rest_of(s, string_of(s).n + 1);
	s = rest_of(s, s.n ? s.p[0] + 1u : 0);
	expect_database(my, string_of(s));
}

static void command(struct mysql *my, uint8_t code, struct slice body, bool is_whole,
		    struct msg *out)
{
	my->next_len = 0;
	switch (code) {
	case MY_QUERY: query(my, body, is_whole, out); break;
	case MY_PREPARE: prepare(my, body, is_whole, out); break;
	case MY_EXECUTE:
	case MY_BULK_EXECUTE: execute(my, body, out); break;
	case MY_INIT_DB:
		expect_database(my, body);
		other(my, code, out);
		break;
	case MY_CHANGE_USER:
		change_user(my, body);
		other(my, code, out);
		break;
	default: other(my, code, out);
	}
	my->commands[(my->first + my->n) % MY_COMMANDS] = code;
	my->packets[(my->first + my->n++) % MY_COMMANDS] = 1;
	out->flags |= MSG_BEGIN | MSG_END;
}

/* Commands that nothing answers are none of our exchanges. */
static bool is_answered(uint8_t code)
{
	return code != MY_QUIT && code != MY_LONG_DATA && code != MY_CLOSE;
}

static size_t wanted(uint8_t code, size_t len)
{
	bool is_text = code == MY_QUERY || code == MY_PREPARE;

	return at_most(len, is_text ? 1 + SQL_SCAN_MAX : code == MY_CHANGE_USER ? 512 : 128);
}

/* A packet that is no command: answers to challenges, a file, the rest of a long command. */
static ssize_t no_command(struct mysql *my, struct slice in, size_t len, struct msg *out)
{
	bool is_answer = my->is_authenticating && in.p[3] == (my->is_behind_tls ? 2 : 1);
	size_t want = is_answer ? at_most(len, 1024) : 0;

	if (in.n < MY_HEADER + want)
		return 0;
	if (want && !my->database_len)
		handshake(my, (struct slice){ in.p + MY_HEADER, want }, out);
	if (my->is_request_continued && my->n)
		my->packets[(my->first + my->n - 1) % MY_COMMANDS]++;
	if (my->expect == MY_EXPECT_FILE && len == 0)
		my->expect = MY_EXPECT_FIRST;
	my->is_request_continued = len == MY_LONGEST;
	out->skip = len - want;
	return (ssize_t)(MY_HEADER + want);
}

int my_is_handshake(struct slice in)
{
	static const uint8_t zeros[19]; /* of 23: MariaDB has use for the others */
	const uint32_t all = CAP_PROTOCOL_41 | CAP_SSL;

	if (in.n >= MY_HEADER && (in.p[3] != 2 || my_u24(in.p) <= 32))
		return -1;
	if (in.n < MY_HEADER + 32)
		return 0;
	if ((my_u32(in.p + MY_HEADER) & all) != all)
		return -1;
	return memcmp(in.p + MY_HEADER + 9, zeros, sizeof(zeros)) == 0 ? 1 : -1;
}

static void begin_behind_tls(struct mysql *my, struct slice in)
{
	my->caps = my_u32(in.p + MY_HEADER);
	my->is_mariadb = !(my->caps & CAP_MYSQL);
	my->is_behind_tls = my->is_authenticating = true;
}

ssize_t my_request(struct mysql *my, struct slice in, struct msg *out)
{
	size_t len, want;
	uint8_t code;

	my->is_deaf = my->is_deaf && my->expect == MY_EXPECT_FILE;
	if (my->is_deaf)
		return (ssize_t)in.n;
	if (in.n < MY_HEADER)
		return 0;
	if (!my->caps && in.p[3] == 2) {
		int rc = my_is_handshake(in);

		if (rc == 0)
			return 0;
		if (rc > 0)
			begin_behind_tls(my, in);
	}
	if (in.p[3] == 0) /* its OK was in a hole */
		my->is_authenticating = false;
	if (my->is_compressed && !my->is_authenticating) {
		out->flags = MSG_COMPRESSED;
		return 1;
	}
	len = my_u24(in.p);
	if (my->is_authenticating || my->is_request_continued || in.p[3] ||
	    my->expect == MY_EXPECT_FILE)
		return no_command(my, in, len, out);
	if (len == 0)
		return -EBADMSG;
	if (in.n < MY_HEADER + 1 || my->n == MY_COMMANDS)
		return 0;
	code = in.p[MY_HEADER];
	if (code > 0x1f && code != MY_BULK_EXECUTE)
		return -EBADMSG;
	want = wanted(code, len);
	if (in.n < MY_HEADER + want)
		return 0;
	if (is_answered(code))
		command(my, code, (struct slice){ in.p + MY_HEADER + 1, want - 1 }, want == len,
			out);
	else if (code == MY_CLOSE && want >= 5)
		statements_remove(&my->statements, my_u32(in.p + MY_HEADER + 1));
	my->is_request_continued = len == MY_LONGEST;
	out->skip = len - want;
	return (ssize_t)(MY_HEADER + want);
}
