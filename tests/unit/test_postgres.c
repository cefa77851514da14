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
#include "data/postgres_cases.def"
};

static uint8_t *put_u32(uint8_t *p, size_t n)
{
	p[0] = (uint8_t)(n >> 24);
	p[1] = (uint8_t)(n >> 16);
	p[2] = (uint8_t)(n >> 8);
	p[3] = (uint8_t)n;
	return p + 4;
}

/* Type of the message and behind a space its body. "=" is a startup message, "?" an SSLRequest, "!"
 * a cancel request, "." bytes as they are. */
static uint8_t *put_line(uint8_t *p, const char *line, size_t n)
{
	size_t body = n > 2 ? n - 2 : 0;

	switch (line[0]) {
	case '=':
		p = put_u32(p, body + 8);
		p = put_u32(p, 3 << 16);
		break;
	case '?': return put_u32(put_u32(p, 8), 80877103);
	case '!': return put_u32(put_u32(put_u32(put_u32(p, 16), 80877102), 7), 9);
	case '.': break;
	default: *p++ = (uint8_t)line[0]; p = put_u32(p, body + 4);
	}
	for (size_t i = 2; i < n; i++)
		*p++ = script_byte(line[i]);
	return p;
}

static struct scripts scripts = {
	.id = PROTO_POSTGRES, .put_line = put_line, .v = all, .n = sizeof(all) / sizeof(all[0])
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

/* At every length, and by nobody else. */
static void is_known_by_its_startup(void **state)
{
	for (size_t i = 0; i < scripts.n; i++) {
		struct slice s = scripts.built[i].bytes[PROTO_REQUEST];

		if (!strchr("=!", all[i].side[0][0]))
			continue;
		for (size_t n = 1; n <= s.n; n++) {
			for (int id = PROTO_UNKNOWN + 1; id < PROTO_MAX; id++) {
				int rc = proto_get(id)->detect((struct slice){ s.p, n },
							       PROTO_REQUEST);

				assert_true(id == PROTO_POSTGRES ? rc >= 0 : rc <= 0);
			}
		}
	}
}

/* 3.9999, which libpq may ask for to learn whether servers refuse what is not there yet. */
static void is_known_whatever_its_minor_version(void **state)
{
	const char *startup = ". ~~~\x12~\x03\x27\x0fuser~bob~~";

	assert_int_equal(script_detect(&scripts, PROTO_REQUEST, startup, 0), 1);
}

/* A whole operation, as where a connection is joined in the middle; less is not enough. */
static void is_known_in_the_middle(void **state)
{
	assert_int_equal(script_detect(&scripts, PROTO_REQUEST, "Q SELECT 1~", 0), 1);
	assert_int_equal(script_detect(&scripts, PROTO_REQUEST, "Q SELECT 1~", 1), 0);
	assert_int_equal(script_detect(&scripts, PROTO_REQUEST, "Q SELECT 1", 0), -1);
	assert_int_equal(script_detect(&scripts, PROTO_REQUEST, "B ~s1~~~~~~~\nE ~~~~~\nS", 0), 1);
	assert_int_equal(script_detect(&scripts, PROTO_REQUEST, "B ~s1~~~~~~~\nE ~~~~~", 0), 0);
	assert_int_equal(script_detect(&scripts, PROTO_REQUEST, "S", 0), 0);
	assert_int_equal(
		script_detect(&scripts, PROTO_RESPONSE, "T ~#a~\nD ~#\nC SELECT 1~\nZ I", 0), 1);
	assert_int_equal(script_detect(&scripts, PROTO_RESPONSE, "Z X", 0), -1);
	assert_int_equal(script_detect(&scripts, PROTO_REQUEST, ". POST / HTTP/1.1\r\n", 0), -1);
	assert_int_equal(script_detect(&scripts, PROTO_REQUEST, ". QUIT\r\n", 0), -1);
	assert_int_equal(script_detect(&scripts, PROTO_RESPONSE, ". END\r\n", 0), -1);
	/* Kafka: length, API 3 (Metadata), version 0, correlation id */
	assert_int_equal(script_detect(&scripts, PROTO_REQUEST, ". ~~~\x12~\x03~~~~~#~\x04test", 0),
			 -1);
}

/* In the middle of an answer too large to be copied: its end is found by ReadyForQuery. */
static void a_hole_in_rows(void **state)
{
	feed_reset(scripts.feed);
	script_feed(&scripts, PROTO_REQUEST, "Q SELECT 1~");
	script_feed(&scripts, PROTO_RESPONSE, "T ~#a~\nD ~#xxxxxxxx");
	feed_hole(scripts.feed, PROTO_RESPONSE, 100000);
	script_feed(&scripts, PROTO_RESPONSE, ". the end of a row\nC SELECT 9~\nZ I");
	script_feed(&scripts, PROTO_REQUEST, "Q SELECT 2~");
	script_feed(&scripts, PROTO_RESPONSE, "T ~#a~\nD ~#x\nC SELECT 1~\nZ I");
	assert_string_equal(feed_log(scripts.feed, PROTO_RESPONSE), "0 w60 b0|0 rows=1 w37 b0");
	assert_int_equal(scripts.feed->errors, 0);
}

/* What is copied in has no end that could be found in it: the answer is the end. */
static void a_hole_in_what_is_copied(void **state)
{
	feed_reset(scripts.feed);
	script_feed(&scripts, PROTO_REQUEST, "Q COPY t FROM STDIN~");
	script_feed(&scripts, PROTO_RESPONSE, "G ~~~");
	script_feed(&scripts, PROTO_REQUEST, "d 1\td");
	feed_hole(scripts.feed, PROTO_REQUEST, 100000);
	script_feed(&scripts, PROTO_REQUEST, ". the end of a row\nQ DROP TABLE t~\nc");
	script_feed(&scripts, PROTO_RESPONSE, "C COPY 2~\nZ I");
	script_feed(&scripts, PROTO_REQUEST, "Q END;~");
	script_feed(&scripts, PROTO_RESPONSE, "C COMMIT~\nZ I");
	assert_string_equal(feed_log(scripts.feed, PROTO_REQUEST),
			    " sys=postgresql op=COPY q=COPY t FROM STDIN sum=COPY t w23 b0|"
			    " sys=postgresql op=END q=END; sum=END w10 b0");
	assert_string_equal(feed_log(scripts.feed, PROTO_RESPONSE), "0 rows=2 w26 b0|0 w18 b0");
	assert_int_equal(scripts.feed->errors, 0);
}

/* While the server takes what is copied in it passes over the Sync that was sent with the Execute;
 * or there is none yet. Told at once or late, the query behind it gets its own answer. */
static void a_sync_ahead_of_a_copy(void **state)
{
	static const char *const ahead[] = { "S", "H" };

	for (int is_late = 0; is_late < 2; is_late++)
		for (int i = 0; i < 2; i++) {
			feed_reset(scripts.feed);
			script_feed(&scripts, PROTO_REQUEST, "P ~COPY t FROM STDIN~~~\nB ~~\nE ~");
			script_feed(&scripts, PROTO_REQUEST, ahead[i]);
			if (!is_late)
				script_feed(&scripts, PROTO_RESPONSE, "1\n2\nG ~~~");
			script_feed(&scripts, PROTO_REQUEST, "d 1\td\nc\nS");
			if (is_late)
				script_feed(&scripts, PROTO_RESPONSE, "1\n2\nG ~~~");
			script_feed(&scripts, PROTO_RESPONSE, "C COPY 1~\nZ I");
			script_feed(&scripts, PROTO_REQUEST, "Q SELECT 1~");
			script_feed(&scripts, PROTO_RESPONSE, "T ~#a~\nD ~#x\nC SELECT 1~\nZ I");
			assert_string_equal(feed_log(scripts.feed, PROTO_RESPONSE),
					    "0 rows=1 w30 b0|0 rows=1 w37 b0");
			assert_int_equal(scripts.feed->errors, 0);
		}
}

/* What a replica is sent answers nothing. */
static void a_replica_is_left_alone(void **state)
{
	feed_reset(scripts.feed);
	script_feed(&scripts, PROTO_REQUEST, "Q START_REPLICATION SLOT a LOGICAL 0/1~");
	script_feed(&scripts, PROTO_RESPONSE, "W ~~~\nd wxyz\nd kabc");
	script_feed(&scripts, PROTO_REQUEST, "d rxyz");
	assert_string_equal(feed_log(scripts.feed, PROTO_RESPONSE), "0 upgrade w8 b0");
	assert_int_equal(scripts.feed->errors, 0);
}

/* Many statements are prepared: those used least are forgotten, and said to be unknown. */
static void statements_are_forgotten(void **state)
{
	char script[200];
	const char *log;

	feed_reset(scripts.feed);
	for (int i = 0; i < 100; i++) {
		snprintf(script, sizeof(script), "P s%d~SELECT a FROM t%d~~~\nS", i, i);
		script_feed(&scripts, PROTO_REQUEST, script);
		script_feed(&scripts, PROTO_RESPONSE, "1\nZ I");
		scripts.feed->side[PROTO_REQUEST].log_n = 0;
	}
	script_feed(&scripts, PROTO_REQUEST, "B ~s99~\nE ~\nS\nB ~s0~\nE ~\nS");
	log = feed_log(scripts.feed, PROTO_REQUEST);
	assert_non_null(strstr(log, "op=SELECT q=SELECT a FROM t99 sum=SELECT t99"));
	assert_non_null(strstr(log, "| sys=postgresql w"));
}

/* The unnamed statement may have been another one since; a named one has its text. */
static void a_hole_in_statements(void **state)
{
	feed_reset(scripts.feed);
	script_feed(&scripts, PROTO_REQUEST, "P s1~DELETE FROM t~~~\nP ~SELECT 1~~~\nB ~~\nE ~\nS");
	feed_hole(scripts.feed, PROTO_REQUEST, 100);
	script_feed(&scripts, PROTO_REQUEST, "B ~~\nE ~\nB ~s1~\nE ~\nS");
	assert_non_null(
		strstr(feed_log(scripts.feed, PROTO_REQUEST),
		       "| sys=postgresql w13 b0| sys=postgresql op=DELETE q=DELETE FROM t "));
}

static void op(struct sim *s, enum sonde_dir dir, const char *script)
{
	struct slice bytes = script_build(&scripts, script);

	sim_op(s, 1, dir, bytes);
	free((void *)bytes.p);
}

/* What was read before a query was made answers none, nor is the answer behind it another's. */
static void a_notification_before_a_query(void **state)
{
	struct sim sim;
	struct sim_play play = { 0 };

	sim_init(&sim);
	sim_open(&sim, 1, SONDE_ROLE_CLIENT);
	op(&sim, SONDE_TX, "= user~bob~~");
	op(&sim, SONDE_RX, "R ~~~~\nZ I");
	op(&sim, SONDE_RX, "A ~~~~a~~");
	op(&sim, SONDE_TX, "Q SELECT 1~");
	op(&sim, SONDE_RX, "T ~#a~\nC SELECT 1~\nZ I");
	op(&sim, SONDE_TX, "Q SELEC~");
	op(&sim, SONDE_RX, "E C42601~~\nZ I");
	sim_play_init(&play);
	sim_play(&play, &sim, 0, sim.n);
	assert_int_equal(play.n_txns, 2);
	assert_non_null(strstr(play.out, "client  SELEC "));
	assert_non_null(strstr(strstr(play.out, "client  SELEC "), "error=42601"));
	sim_play_free(&play);
	sim_free(&sim);
}

/* Each in one operation, as clients write them. */
/* No Sync ends what was only prepared: the answer to a query behind it is the query's. */
static void a_query_behind_a_flush(void **state)
{
	struct sim sim;
	char *out;

	sim_init(&sim);
	sim_open(&sim, 1, SONDE_ROLE_CLIENT);
	op(&sim, SONDE_TX, "= user~bob~~");
	op(&sim, SONDE_RX, "R ~~~~\nZ I");
	op(&sim, SONDE_TX, "P s1~SELECT 1~~~\nD Ss1~\nH");
	op(&sim, SONDE_RX, "1\nt ~~\nn");
	op(&sim, SONDE_TX, "Q BEGIN;~");
	op(&sim, SONDE_RX, "C BEGIN~\nZ T");
	op(&sim, SONDE_TX, "Q DROP TABLE t~");
	op(&sim, SONDE_RX, "E SERROR~C42P01~~\nZ E");
	op(&sim, SONDE_TX, "Q END;~");
	op(&sim, SONDE_RX, "C ROLLBACK~\nZ I");
	sim_close(&sim, 1, SONDE_CLOSE_DONE, 0);
	out = sim_run(&sim);
	assert_non_null(strstr(out, " BEGIN  0 45/0 34/0 "));
	assert_non_null(strstr(out, " DROP  0 18/0 26/0 "));
	assert_non_null(strstr(out, " END  0 10/0 20/0 "));
	assert_null(strstr(out, " SELECT "));
	free(out);
	sim_free(&sim);
}

static void ten_operations(void **state)
{
	static struct holes h = { .mark = "sys=", .is_by_message = true };
	size_t n = 0;

	h.proto = proto_get(PROTO_POSTGRES);
	for (int i = 0; i < HOLES_MESSAGES; i++) {
		char lines[128];
		struct slice s;

		sprintf(lines, "Q SELECT %.*s FROM t%d~", i, "aaaaaaaaaa", i);
		s = script_build(&scripts, lines);
		memcpy(h.bytes + n, s.p, s.n);
		free((void *)s.p);
		h.end[i] = n += s.n;
		sprintf(h.want[i], "FROM t%d sum=", i);
	}
	holes_cost_only_what_they_touch(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASES_TESTS,
		cmocka_unit_test(holes_invent_no_request),
		cmocka_unit_test(holes_invent_no_response),
		cmocka_unit_test(is_known_by_its_startup),
		cmocka_unit_test(is_known_whatever_its_minor_version),
		cmocka_unit_test(is_known_in_the_middle),
		cmocka_unit_test(a_hole_in_rows),
		cmocka_unit_test(a_hole_in_what_is_copied),
		cmocka_unit_test(a_notification_before_a_query),
		cmocka_unit_test(a_sync_ahead_of_a_copy),
		cmocka_unit_test(a_replica_is_left_alone),
		cmocka_unit_test(statements_are_forgotten),
		cmocka_unit_test(a_hole_in_statements),
		cmocka_unit_test(a_query_behind_a_flush),
		cmocka_unit_test(ten_operations),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
