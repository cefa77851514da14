/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include "holes.h"
#include "script.h"
#include "sim.h"

static const struct script all[] = {
#include "data/mysql_cases.def"
};

/* Number of the packet and behind a space its body, where ^ is a byte of value 10. */
static uint8_t *put_line(uint8_t *p, const char *line, size_t n)
{
	size_t body = n > 2 ? n - 2 : 0;

	*p++ = (uint8_t)body;
	*p++ = (uint8_t)(body >> 8);
	*p++ = 0;
	*p++ = (uint8_t)(line[0] - '0');
	for (size_t i = 2; i < n; i++)
		*p++ = line[i] == '^' ? 10 : script_byte(line[i]);
	return p;
}

static struct scripts scripts = {
	.id = PROTO_MYSQL, .put_line = put_line, .v = all, .n = sizeof(all) / sizeof(all[0])
};

static int setup(void **state)
{
	scripts_setup(&scripts);
	*state = &scripts.cases;
	return 0;
}

static int teardown(void **state)
{
	scripts_teardown(&scripts);
	return 0;
}

static void is_known_by_its_greeting(void **state)
{
	const char *greeting = "0 "
			       "^8.0.30~abcd12345678~\xff\xff\xff\x02~\xff\xff~~~~~~~~~~~~~~~~~~~~~"
			       "~~~~~~~~~~~~~~~~~~~~~~~~~~~~";

	assert_int_equal(script_detect(&scripts, PROTO_RESPONSE, greeting, 0), 1);
	for (size_t cut = 1; cut < 30; cut++)
		assert_true(script_detect(&scripts, PROTO_RESPONSE, greeting, cut) >= 0);
	assert_int_equal(
		script_detect(&scripts, PROTO_RESPONSE,
			      "0 "
			      "^x.0.30~abcd12345678~\xff\xff~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~"
			      "~~~~~~~~~~~~~~~~",
			      0),
		-1);
	assert_int_equal(
		script_detect(&scripts, PROTO_RESPONSE,
			      "1 "
			      "^8.0.30~abcd12345678~\xff\xff~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~"
			      "~~~~~~~~~~~~~~~~",
			      0),
		-1);
}

static void is_known_in_the_middle(void **state)
{
	assert_int_equal(script_detect(&scripts, PROTO_REQUEST, "0 \x03SELECT 1", 0), 1);
	assert_int_equal(script_detect(&scripts, PROTO_REQUEST, "0 \x03SELECT 1", 1), 0);
	assert_int_equal(script_detect(&scripts, PROTO_REQUEST, "1 \x03SELECT 1", 0), -1);
	assert_int_equal(script_detect(&scripts, PROTO_REQUEST, "0 \x03SEL~CT 1", 0), -1);
	assert_int_equal(script_detect(&scripts, PROTO_REQUEST, "0 \x17#~~~~#~~~", 0), 1);
	assert_int_equal(script_detect(&scripts, PROTO_REQUEST, "0 \x0e", 0), -1);
}

struct turn {
	enum proto_dir dir;
	const char *script;
};

static const struct turn turns[] = {
	{ PROTO_RESPONSE, "0 ^5.5.5-10.11.6-MariaDB~abcd12345678~\xff\xff\xff\x02~\xff\xff~~~~~~" },
	{ PROTO_REQUEST, "1 \x08\x82~~~~~#!~~~~~~~~~~~~~~~~~~~~~~~bob~\x02zzshop~" },
	{ PROTO_RESPONSE, "2 \xfemysql_native_password~secret" },
	{ PROTO_REQUEST, "3 secret" },
	{ PROTO_RESPONSE, "4 ~~~\x02~~~" },
	{ PROTO_REQUEST, "0 \x16SELECT a FROM t WHERE b = ?" },
	{ PROTO_RESPONSE, "1 ~\x07~~~#~#~~~~\n2 \x03"
			  "def\n3 \xfe~~\x02~\n4 \x03"
			  "def\n5 \xfe~~\x02~" },
	{ PROTO_REQUEST, "0 \x17\x07~~~~#~~~" },
	{ PROTO_RESPONSE, "1 #\n2 \x03"
			  "def\n3 \xfe~~\x02~\n4 ~~x\n5 \xfe~~\x02~" },
	{ PROTO_REQUEST, "0 \x03USE `other`" },
	{ PROTO_RESPONSE, "1 ~~~\x02~~~" },
	{ PROTO_REQUEST, "0 \x03SELECT 'x'" },
	{ PROTO_RESPONSE, "1 #\n2 \x03"
			  "def\n3 #x\n4 \xfe~~\x02~~~" },
	{ PROTO_REQUEST, "0 \x19\x07~~~\n0 \x17\x07~~~~#~~~" },
	{ PROTO_RESPONSE, "1 \xff\xdb\x04#HY000" },
};

/* From the greeting on: who the server is, the database, what was prepared. */
static void turn_by_turn(void **state)
{
	feed_reset(scripts.feed);
	for (size_t i = 0; i < sizeof(turns) / sizeof(turns[0]); i++)
		script_feed(&scripts, turns[i].dir, turns[i].script);
	assert_string_equal(
		feed_log(scripts.feed, PROTO_REQUEST),
		" sys=mariadb op=PREPARE ns=shop q=SELECT a FROM t WHERE b = ? sum=PREPARE SELECT "
		"t "
		"w32 b0|"
		" sys=mariadb op=SELECT ns=shop q=SELECT a FROM t WHERE b = ? sum=SELECT t w14 b0|"
		" sys=mariadb op=USE ns=shop q=USE `other` sum=USE `other` w16 b0|"
		" sys=mariadb op=SELECT ns=other q=SELECT ? sum=SELECT w15 b0|"
		" sys=mariadb ns=other w14 b0");
	assert_string_equal(feed_log(scripts.feed, PROTO_RESPONSE),
			    "0 w50 b0|0 rows=1 w38 b0|0 rows=0 w11 b0|0 rows=1 w30 b0|"
			    "0 error st=1243 w13 b0");
	assert_int_equal(scripts.feed->errors, 0);
}

/* The end of rows that were not copied is told by the last bytes. */
static void a_hole_in_rows(void **state)
{
	feed_reset(scripts.feed);
	script_feed(&scripts, PROTO_REQUEST, "0 \x03SELECT 1");
	script_feed(&scripts, PROTO_RESPONSE,
		    "1 #\n2 \x03"
		    "def\n3 \xfe~~\x02~\n4 #x");
	feed_hole(scripts.feed, PROTO_RESPONSE, 100000);
	script_feed(&scripts, PROTO_RESPONSE, "9 \xfe~~\x02~");
	script_feed(&scripts, PROTO_REQUEST, "0 \x03SELECT 2");
	script_feed(&scripts, PROTO_RESPONSE, "1 ~\x05~\x02~~~");
	assert_string_equal(feed_log(scripts.feed, PROTO_RESPONSE), "0 w37 b0|0 rows=5 w11 b0");
	assert_int_equal(scripts.feed->errors, 0);
}

/* The file's end is where the server answers. */
static void a_hole_in_a_file(void **state)
{
	feed_reset(scripts.feed);
	script_feed(&scripts, PROTO_REQUEST, "0 \x03LOAD DATA LOCAL INFILE 'x' INTO TABLE t");
	script_feed(&scripts, PROTO_RESPONSE, "1 \xfbx");
	script_feed(&scripts, PROTO_REQUEST, "2 1,2");
	feed_hole(scripts.feed, PROTO_REQUEST, 100000);
	script_feed(&scripts, PROTO_REQUEST, "0 \x03SELECT 2\n9");
	script_feed(&scripts, PROTO_RESPONSE, "4 ~#~\x02~~~");
	script_feed(&scripts, PROTO_REQUEST, "0 \x03SELECT 1");
	script_feed(&scripts, PROTO_RESPONSE, "1 ~~~\x02~~~");
	assert_string_equal(
		feed_log(scripts.feed, PROTO_REQUEST),
		" sys=mysql op=LOAD q=LOAD DATA LOCAL INFILE ? INTO TABLE t sum=LOAD w44 b0|"
		" sys=mysql op=SELECT q=SELECT ? sum=SELECT w13 b0");
	assert_string_equal(feed_log(scripts.feed, PROTO_RESPONSE),
			    "0 rows=1 w17 b0|0 rows=0 w11 b0");
	assert_int_equal(scripts.feed->errors, 0);
}

/* Each command in one operation, as clients write it and servers read it: the header by itself. */
static void ten_commands(void **state)
{
	static struct holes h = { .mark = "sys=", .is_by_message = true };
	size_t n = 0;

	h.proto = proto_get(PROTO_MYSQL);
	for (int i = 0; i < HOLES_MESSAGES; i++) {
		char line[64];
		struct slice s;

		sprintf(line, "0 \x03SELECT %.*s FROM t%d", i, "aaaaaaaaaa", i);
		s = script_build(&scripts, line);
		memcpy(h.bytes + n, s.p, s.n);
		free((void *)s.p);
		h.end[i] = n += s.n;
		sprintf(h.want[i], "FROM t%d sum=", i);
	}
	holes_cost_only_what_they_touch(&h);
}

static void op(struct sim *s, enum sonde_dir dir, const char *script)
{
	struct slice bytes = script_build(&scripts, script);

	sim_op(s, 1, dir, bytes);
	free((void *)bytes.p);
}

/* A server reads the header, then the rest. */
static void read_by_server(struct sim *s, const char *script)
{
	struct slice bytes = script_build(&scripts, script);

	sim_op(s, 1, SONDE_RX, (struct slice){ bytes.p, 4 });
	sim_op(s, 1, SONDE_RX, (struct slice){ bytes.p + 4, bytes.n - 4 });
	free((void *)bytes.p);
}

static void plays(const struct sim *sim, const char *const *words)
{
	struct sim_play play = { 0 };
	const char *at;

	sim_play_init(&play);
	sim_play(&play, sim, 0, sim->n);
	at = play.out ? play.out : "";
	for (; *words; words++) {
		at = strstr(at, *words);
		if (!at)
			fail_msg("no %s in %s", *words, play.out);
	}
	assert_null(strstr(at + 1, "mysql"));
	for (int l = 0; l < LOSS_MAX; l++)
		assert_int_equal(conns_stats(play.conns)->losses.n[l], 0);
	sim_play_free(&play);
}

#define GREETING \
	"0 ^8.0.30~abcd12345678~\xff\xff\xff\x02~\xff\xff~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~"
#define HANDSHAKE "1 \x08\x82~~~~~#!~~~~~~~~~~~~~~~~~~~~~~~bob~\x02zzshop~"
#define PREPARED                     \
	"1 ~\x07~~~#~#~~~~\n2 \x03"  \
	"def\n3 \xfe~~\x02~\n4 \x03" \
	"def\n5 \xfe~~\x02~"

/* The EOF behind the definitions of a statement is part of them where the handshake says that there
 * is one, and nobody's answer where it was not seen. */
static void definitions_end_with_eof(void **state)
{
	static const char *const words[] = { "PREPARE", "SELECT", "SELECT", NULL };

	for (int is_seen = 0; is_seen < 2; is_seen++) {
		struct sim sim;

		sim_init(&sim);
		sim_open_at(&sim, 1, SONDE_ROLE_CLIENT, SONDE_FAMILY_IPV4,
			    is_seen ? SONDE_F_FRESH : 0, 1000, 5000);
		if (is_seen) {
			op(&sim, SONDE_RX, GREETING);
			op(&sim, SONDE_TX, HANDSHAKE);
			op(&sim, SONDE_RX, "2 ~~~\x02~~~");
		}
		op(&sim, SONDE_TX, "0 \x16SELECT a FROM t WHERE b = ?");
		op(&sim, SONDE_RX, PREPARED);
		for (int i = 0; i < 2; i++) {
			op(&sim, SONDE_TX, "0 \x17\x07~~~~#~~~");
			op(&sim, SONDE_RX,
			   "1 #\n2 \x03"
			   "def\n3 \xfe~~\x02~\n4 ~~x\n5 \xfe~~\x02~");
		}
		plays(&sim, words);
		sim_free(&sim);
	}
}

/* Another user, whose database is another; refused, everything stays as it was. */
static void changes_of_user(void **state)
{
	feed_reset(scripts.feed);
	script_feed(&scripts, PROTO_RESPONSE, GREETING);
	script_feed(&scripts, PROTO_REQUEST, HANDSHAKE);
	script_feed(&scripts, PROTO_RESPONSE, "2 ~~~\x02~~~");
	script_feed(&scripts, PROTO_REQUEST,
		    "0 \x11"
		    "eve~\x02zzstore~-~");
	script_feed(&scripts, PROTO_RESPONSE, "1 \xfemysql_native_password~secret");
	script_feed(&scripts, PROTO_REQUEST, "2 secret");
	script_feed(&scripts, PROTO_RESPONSE, "3 \x01\x03\n4 ~~~\x02~~~");
	script_feed(&scripts, PROTO_REQUEST, "0 \x03SELECT 1");
	script_feed(&scripts, PROTO_RESPONSE, "1 ~\x05~\x02~~~");
	script_feed(&scripts, PROTO_REQUEST,
		    "0 \x11"
		    "bob~\x02zznope~-~");
	script_feed(&scripts, PROTO_RESPONSE, "1 \xff\x19\x04#42000no");
	script_feed(&scripts, PROTO_REQUEST, "0 \x03SELECT 1");
	script_feed(&scripts, PROTO_RESPONSE, "1 ~\x05~\x02~~~");
	assert_string_equal(feed_log(scripts.feed, PROTO_REQUEST),
			    " sys=mysql op=CHANGE_USER ns=shop sum=CHANGE_USER w20 b0|"
			    " sys=mysql op=SELECT ns=store q=SELECT ? sum=SELECT w13 b0|"
			    " sys=mysql op=CHANGE_USER ns=store sum=CHANGE_USER w19 b0|"
			    " sys=mysql op=SELECT ns=store q=SELECT ? sum=SELECT w13 b0");
	assert_string_equal(
		feed_log(scripts.feed, PROTO_RESPONSE),
		"0 rows=0 w50 b0|0 rows=5 w11 b0|0 error st=1049 w15 b0|0 rows=5 w11 b0");
	assert_int_equal(scripts.feed->errors, 0);
}

/* A cursor that has no more rows ends at once; its rows are counted from the first. */
static void rows_are_fetched(void **state)
{
	feed_reset(scripts.feed);
	script_feed(&scripts, PROTO_REQUEST, "0 \x1c\x07~~~\x02~~~");
	script_feed(&scripts, PROTO_RESPONSE, "1 ~~#~~~\n2 ~~\x02~~~\n3 \xfe~~\x42~");
	script_feed(&scripts, PROTO_REQUEST, "0 \x1c\x07~~~\x02~~~");
	script_feed(&scripts, PROTO_RESPONSE, "1 \xfe~~\xc2~");
	script_feed(&scripts, PROTO_REQUEST, "0 \x03SELECT 1");
	script_feed(&scripts, PROTO_RESPONSE, "1 ~\x05~\x02~~~");
	assert_string_equal(feed_log(scripts.feed, PROTO_RESPONSE),
			    "0 rows=2 w29 b0|0 rows=0 w9 b0|0 rows=5 w11 b0");
	assert_int_equal(scripts.feed->errors, 0);
}

/* A replica is sent events as long as it stays: no answers, and nothing that is lost. */
static void a_replica_is_left_alone(void **state)
{
	feed_reset(scripts.feed);
	script_feed(&scripts, PROTO_REQUEST, "0 \x1e~~#~~~");
	script_feed(&scripts, PROTO_RESPONSE, "1 ~\xfe\xfe\xfe\xfe\xfe\xfe\n2 ~xx\n3 ~\xff");
	assert_string_equal(feed_log(scripts.feed, PROTO_REQUEST),
			    " sys=mysql op=BINLOG_DUMP_GTID sum=BINLOG_DUMP_GTID w11 b0");
	assert_string_equal(feed_log(scripts.feed, PROTO_RESPONSE), "0 upgrade w11 b0");
	assert_int_equal(scripts.feed->errors, 0);
	feed_reset(scripts.feed);
	script_feed(&scripts, PROTO_REQUEST, "0 \x12~~~~~~");
	script_feed(&scripts, PROTO_RESPONSE, "1 \xff\xd4\x04#HY000no");
	assert_string_equal(feed_log(scripts.feed, PROTO_RESPONSE), "0 error st=1236 w15 b0");
}

/* What stands before the text since MySQL 8.0.23: none, and one of each kind of value. */
static void attributes_are_no_text(void **state)
{
#define TRACEPARENT "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	const char *none = "0 \x03~#SELECT 1";
	const char *five = "0 \x03\x05#\x02#"
			   "\x08~\x01n"
			   "\x03~\x01z"
			   "\x0c~\x01t"
			   "\xfe~\x0btraceparent"
			   "\x02\x80\x01s"
			   "\x02~~~~~~~"    /* longlong */
			   "\x04\xe5\x07#~" /* a date */
			   "\x37" TRACEPARENT "\x07~"
			   "SELECT b FROM t WHERE c = 'x'";
	const char *torn = "0 \x03#\x01~#\xfe~\x7fn";

	char trace_id[33];
	struct slice bytes;
	struct msg m;

	assert_int_equal(script_detect(&scripts, PROTO_REQUEST, none, 0), 1);
	assert_int_equal(script_detect(&scripts, PROTO_REQUEST, five, 0), 1);
	for (size_t cut = 1; cut < 100; cut++)
		assert_int_equal(script_detect(&scripts, PROTO_REQUEST, five, cut), 0);
	assert_int_equal(script_detect(&scripts, PROTO_REQUEST, torn, 0), -1);
	feed_reset(scripts.feed);
	script_feed(&scripts, PROTO_REQUEST, none);
	script_feed(&scripts, PROTO_REQUEST, five);
	script_feed(&scripts, PROTO_REQUEST, torn);
	assert_string_equal(
		feed_log(scripts.feed, PROTO_REQUEST),
		" sys=mysql op=SELECT q=SELECT ? sum=SELECT w15 b0|"
		" sys=mysql op=SELECT q=SELECT b FROM t WHERE c = ? sum=SELECT t w139 b0|"
		" sys=mysql w13 b0");
	assert_int_equal(scripts.feed->errors, 0);
	bytes = script_build(&scripts, five);
	msg_clear(&m);
	feed_reset(scripts.feed);
	assert_int_equal(
		proto_get(PROTO_MYSQL)->parse(scripts.feed->state, PROTO_REQUEST, bytes, &m),
		bytes.n);
	context_hex(m.context.trace_id, sizeof(m.context.trace_id), trace_id);
	assert_string_equal(trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
	free((void *)bytes.p);
}

/* MariaDB's connector executes what it has not been told the number of yet. */
static void the_last_prepared_is_executed(void **state)
{
	feed_reset(scripts.feed);
	script_feed(&scripts, PROTO_REQUEST, "0 \x16SELECT a FROM t\n0 \x17\xff\xff\xff\xff~#~~~");
	assert_string_equal(feed_log(scripts.feed, PROTO_REQUEST),
			    " sys=mysql op=PREPARE q=SELECT a FROM t sum=PREPARE SELECT t w20 b0|"
			    " sys=mysql op=SELECT q=SELECT a FROM t sum=SELECT t w14 b0");
}

/* A command of more than 16 MiB is several packets, behind which the answer's are counted. */
static void an_answer_counts_on(void **state)
{
	static const uint8_t head[] = { 0xff, 0xff, 0xff, 0, 3 };
	char *text = malloc(0xffffff);

	memset(text, 'x', 0xffffff);
	memcpy(text, "INSERT ", 7);
	feed_reset(scripts.feed);
	feed_bytes(scripts.feed, PROTO_REQUEST, (struct slice){ head, sizeof(head) });
	for (size_t at = 0, n; at < 0xffffff - 1; at += n) {
		n = 0xffffff - 1 - at < 65536 ? 0xffffff - 1 - at : 65536;
		feed_bytes(scripts.feed, PROTO_REQUEST, (struct slice){ (uint8_t *)text + at, n });
	}
	script_feed(&scripts, PROTO_REQUEST, "1 xyz");
	script_feed(&scripts, PROTO_RESPONSE, "2 ~#~\x02~~~");
	script_feed(&scripts, PROTO_REQUEST, "0 \x03SELECT 1");
	script_feed(&scripts, PROTO_RESPONSE, "1 ~\x05~\x02~~~");
	assert_string_equal(feed_log(scripts.feed, PROTO_RESPONSE),
			    "0 rows=1 w11 b0|0 rows=5 w11 b0");
	assert_int_equal(scripts.feed->errors, 0);
	free(text);
}

/* Behind TLS a connection's first words are the answer to a greeting that was in the clear. */
static void is_known_behind_tls(void **state)
{
#define ANSWER "2 \x09\x8a~\x01~~~~!~~~~~~~~~~~~~~~~~~~~~~~bob~\x02zzshop~"
	struct slice bytes;

	assert_int_equal(script_detect(&scripts, PROTO_REQUEST, ANSWER, 0), 1);
	for (size_t cut = 1; cut < 40; cut++)
		assert_true(script_detect(&scripts, PROTO_REQUEST, ANSWER, cut) >= 0);
	assert_int_equal(script_detect(&scripts, PROTO_REQUEST, "3" ANSWER, 0), -1);
	feed_reset(scripts.feed);
	bytes = script_build(&scripts, ANSWER); /* as servers read it */
	feed_bytes(scripts.feed, PROTO_REQUEST, (struct slice){ bytes.p, 4 });
	feed_bytes(scripts.feed, PROTO_REQUEST, (struct slice){ bytes.p + 4, bytes.n - 4 });
	free((void *)bytes.p);
	script_feed(&scripts, PROTO_RESPONSE, "3 \x01\x03\n4 ~~~\x02~~~");
	script_feed(&scripts, PROTO_REQUEST, "0 \x03SELECT 1");
	script_feed(&scripts, PROTO_RESPONSE, "1 ~\x05~\x02~~~");
	assert_string_equal(feed_log(scripts.feed, PROTO_REQUEST),
			    " sys=mysql op=SELECT ns=shop q=SELECT ? sum=SELECT w13 b0");
	assert_string_equal(feed_log(scripts.feed, PROTO_RESPONSE), "0 rows=5 w11 b0");
	assert_int_equal(scripts.feed->errors, 0);
}

/* Sent away for being idle: an error that answers nobody. */
static void sent_away(void **state)
{
	feed_reset(scripts.feed);
	script_feed(&scripts, PROTO_RESPONSE, GREETING);
	script_feed(&scripts, PROTO_REQUEST, HANDSHAKE);
	script_feed(&scripts, PROTO_RESPONSE, "2 ~~~\x02~~~\n0 \xff\xbf\x0f#HY000");
	assert_string_equal(feed_log(scripts.feed, PROTO_RESPONSE), "");
	assert_int_equal(scripts.feed->errors, 0);
}

/* Nobody reads what is compressed or encrypted: neither as commands nor as bytes understood. */
static void what_is_hidden_is_said(void **state)
{
	static const struct {
		const char *handshake, *ok, *hidden;
		uint32_t unknown, encrypted;
	} cases[] = {
		{ "1 \x28\x82~~~~~#!~~~~~~~~~~~~~~~~~~~~~~~bob~\x02zzshop~", "2 ~~~\x02~~~",
		  "0 ~~~\x03SELECT 1", 1, 0 },
		{ "1 \x08\x8a~~~~~#!~~~~~~~~~~~~~~~~~~~~~~~", NULL, "HELLO", 0, 1 },
	};
	static const uint8_t hello[200] = { 0x16, 3, 1, 0, 195, 1, 0, 0, 191, 3, 3 };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct conns_stats *stats;
		struct sim_play play = { 0 };
		struct sim sim;

		sim_init(&sim);
		sim_open_at(&sim, 1, SONDE_ROLE_SERVER, SONDE_FAMILY_IPV4, SONDE_F_FRESH, 1000,
			    5000);
		op(&sim, SONDE_TX, GREETING);
		read_by_server(&sim, cases[i].handshake);
		if (cases[i].ok) {
			op(&sim, SONDE_TX, cases[i].ok);
			op(&sim, SONDE_RX, cases[i].hidden);
			op(&sim, SONDE_TX, "0 ~~~\x01#");
		} else {
			sim_op(&sim, 1, SONDE_RX, (struct slice){ hello, sizeof(hello) });
		}
		sim_play_init(&play);
		sim_play(&play, &sim, 0, sim.n);
		stats = conns_stats(play.conns);
		assert_int_equal(play.out ? strlen(play.out) : 0, 0);
		assert_int_equal(stats->unknown, cases[i].unknown);
		assert_int_equal(stats->encrypted, cases[i].encrypted);
		assert_int_equal(stats->parsed, 0);
		for (int l = 0; l < LOSS_MAX; l++)
			assert_int_equal(stats->losses.n[l], 0);
		sim_play_free(&play);
		sim_free(&sim);
	}
}

/* Unix sockets do not say that they are new; the greeting does. */
static void a_server_at_a_unix_socket(void **state)
{
	static const char *const words[] = { "UPDATE", "UPDATE", NULL };
	struct sim sim;

	sim_init(&sim);
	sim_open_at(&sim, 1, SONDE_ROLE_SERVER, SONDE_FAMILY_UNIX, 0, 0, 0);
	op(&sim, SONDE_TX, GREETING);
	read_by_server(&sim, HANDSHAKE);
	op(&sim, SONDE_TX, "2 ~~~\x02~~~");
	for (int i = 0; i < 2; i++) {
		read_by_server(&sim, "0 \x03UPDATE t SET a = 1");
		op(&sim, SONDE_TX, "1 ~\x05~\x02~~~");
	}
	plays(&sim, words);
	sim_free(&sim);
}

/* And without it: in the middle of a connection a header that stands by itself begins a command. */
static void a_server_joined_in_the_middle(void **state)
{
	static const char *const words[] = { "UPDATE", "UPDATE", NULL };
	struct sim sim;

	sim_init(&sim);
	sim_open_at(&sim, 1, SONDE_ROLE_SERVER, SONDE_FAMILY_IPV4, 0, 1000, 5000);
	sim_rx(&sim, 1, "the end of a command");
	op(&sim, SONDE_TX, "1 ~\x05~\x02~~~");
	for (int i = 0; i < 2; i++) {
		read_by_server(&sim, "0 \x03UPDATE t SET a = 1");
		op(&sim, SONDE_TX, "1 ~\x05~\x02~~~");
	}
	plays(&sim, words);
	sim_free(&sim);
}

/* Packets are numbered modulo 256: what is found again may have more of them. */
static void an_answer_of_many_packets(void **state)
{
	enum { N = 255, EACH = 5 };
	const struct proto *proto = proto_get(PROTO_MYSQL);
	struct guard guard = guard_new(N * EACH);
	uint8_t *p = guard.end - N * EACH + 1; /* of the last one its header alone */
	void *my = calloc(1, proto->state_size);

	assert_non_null(my);
	for (size_t i = 0; i < N; i++) {
		const uint8_t packet[EACH] = { 1, 0, 0, (uint8_t)(i + 1), 1 };

		memcpy(p + i * EACH, packet, i < N - 1 ? EACH : EACH - 1);
	}
	assert_int_equal(proto->resync(my, PROTO_RESPONSE, (struct slice){ p, N * EACH - 1 }), 0);
	free(my);
	guard_free(&guard);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASES_TESTS,
		cmocka_unit_test(turn_by_turn),
		cmocka_unit_test(holes_invent_no_request),
		cmocka_unit_test(holes_invent_no_response),
		cmocka_unit_test(is_known_by_its_greeting),
		cmocka_unit_test(is_known_in_the_middle),
		cmocka_unit_test(a_hole_in_rows),
		cmocka_unit_test(a_hole_in_a_file),
		cmocka_unit_test(ten_commands),
		cmocka_unit_test(definitions_end_with_eof),
		cmocka_unit_test(rows_are_fetched),
		cmocka_unit_test(a_replica_is_left_alone),
		cmocka_unit_test(attributes_are_no_text),
		cmocka_unit_test(the_last_prepared_is_executed),
		cmocka_unit_test(an_answer_counts_on),
		cmocka_unit_test(is_known_behind_tls),
		cmocka_unit_test(sent_away),
		cmocka_unit_test(changes_of_user),
		cmocka_unit_test(what_is_hidden_is_said),
		cmocka_unit_test(a_server_at_a_unix_socket),
		cmocka_unit_test(a_server_joined_in_the_middle),
		cmocka_unit_test(an_answer_of_many_packets),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
