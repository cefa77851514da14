/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include "cases.h"

/* Scripts: a line is a packet, its number and behind a space its body, where ~ is a byte of value
 * 0, # one of 1 and ^ one of 10. */
struct my_case {
	const char *name, *script[2], *log[2];
};

static const struct my_case scripts[] = {
#define SCRIPT(name, request, response, requests, responses) \
	{ name, { request, response }, { requests, responses } },
#include "data/mysql_cases.def"
#undef SCRIPT
};

enum { N_CASES = sizeof(scripts) / sizeof(scripts[0]) };

static struct proto_case cases[N_CASES];
static struct feed *feed;

static uint8_t byte_of(char c)
{
	return c == '~' ? 0 : c == '#' ? 1 : c == '^' ? 10 : (uint8_t)c;
}

static uint8_t *put_line(uint8_t *p, const char *line, size_t n)
{
	size_t body = n > 2 ? n - 2 : 0;

	*p++ = (uint8_t)body;
	*p++ = (uint8_t)(body >> 8);
	*p++ = 0;
	*p++ = (uint8_t)(line[0] - '0');
	for (size_t i = 2; i < n; i++)
		*p++ = byte_of(line[i]);
	return p;
}

static struct slice build(const char *script)
{
	uint8_t *bytes = malloc(4 * strlen(script) + 64), *p = bytes;

	while (*script) {
		size_t n = strcspn(script, "\n");

		if (n)
			p = put_line(p, script, n);
		script += n + (script[n] == '\n');
	}
	return (struct slice){ bytes, (size_t)(p - bytes) };
}

static int setup(void **state)
{
	static struct cases all;

	feed = feed_new(proto_get(PROTO_MYSQL));
	for (int i = 0; i < N_CASES; i++) {
		cases[i].name = scripts[i].name;
		for (int d = 0; d < 2; d++) {
			cases[i].bytes[d] = build(scripts[i].script[d]);
			cases[i].log[d] = scripts[i].log[d];
		}
	}
	all = (struct cases){ proto_get(PROTO_MYSQL), cases, N_CASES };
	*state = &all;
	return 0;
}

static int teardown(void **state)
{
	for (int i = 0; i < N_CASES; i++)
		for (int d = 0; d < 2; d++)
			free((void *)cases[i].bytes[d].p);
	feed_free(feed);
	return 0;
}

/* A hole of each length at each place: nothing is asked but that it ends. */
static void holes_end(void **state)
{
	for (size_t i = 0; i < 2 * N_CASES; i++) {
		const struct proto_case *c = &cases[i / 2];
		int d = i % 2;
		struct slice s = c->bytes[d];

		for (size_t at = 0; at < s.n; at++) {
			for (size_t len = 1; at + len <= s.n; len += len < 32 ? 1 : 13) {
				feed_reset(feed);
				if (d == PROTO_RESPONSE)
					feed_bytes(feed, !d, c->bytes[!d]);
				feed_bytes(feed, d, (struct slice){ s.p, at });
				feed_hole(feed, d, len);
				feed_bytes(feed, d,
					   (struct slice){ s.p + at + len, s.n - at - len });
			}
		}
	}
}

static int detect(enum proto_dir dir, const char *script, size_t cut)
{
	struct slice s = build(script);
	int rc;

	s.n -= cut;
	rc = proto_get(PROTO_MYSQL)->detect(s, dir);
	free((void *)s.p);
	return rc;
}

static void is_known_by_its_greeting(void **state)
{
	const char *greeting = "0 "
			       "^8.0.30~abcd12345678~\xff\xff\xff\x02~\xff\xff~~~~~~~~~~~~~~~~~~~~~"
			       "~~~~~~~~~~~~~~~~~~~~~~~~~~~~";

	assert_int_equal(detect(PROTO_RESPONSE, greeting, 0), 1);
	for (size_t cut = 1; cut < 30; cut++)
		assert_true(detect(PROTO_RESPONSE, greeting, cut) >= 0);
	assert_int_equal(detect(PROTO_RESPONSE,
				"0 "
				"^x.0.30~abcd12345678~\xff\xff~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~"
				"~~~~~~~~~~~~~~~~",
				0),
			 -1);
	assert_int_equal(detect(PROTO_RESPONSE,
				"1 "
				"^8.0.30~abcd12345678~\xff\xff~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~"
				"~~~~~~~~~~~~~~~~",
				0),
			 -1);
}

static void is_known_in_the_middle(void **state)
{
	assert_int_equal(detect(PROTO_REQUEST, "0 \x03SELECT 1", 0), 1);
	assert_int_equal(detect(PROTO_REQUEST, "0 \x03SELECT 1", 1), 0);
	assert_int_equal(detect(PROTO_REQUEST, "1 \x03SELECT 1", 0), -1);
	assert_int_equal(detect(PROTO_REQUEST, "0 \x03SEL~CT 1", 0), -1);
	assert_int_equal(detect(PROTO_REQUEST, "0 \x17#~~~~#~~~", 0), 1);
	assert_int_equal(detect(PROTO_REQUEST, "0 \x0e", 0), -1);
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
	feed_reset(feed);
	for (size_t i = 0; i < sizeof(turns) / sizeof(turns[0]); i++) {
		struct slice s = build(turns[i].script);

		feed_bytes(feed, turns[i].dir, s);
		free((void *)s.p);
	}
	assert_string_equal(
		feed_log(feed, PROTO_REQUEST),
		" sys=mariadb op=PREPARE ns=shop q=SELECT a FROM t WHERE b = ? sum=PREPARE SELECT "
		"t "
		"w32 b0|"
		" sys=mariadb op=SELECT ns=shop q=SELECT a FROM t WHERE b = ? sum=SELECT t w14 b0|"
		" sys=mariadb op=USE ns=shop q=USE `other` sum=USE `other` w16 b0|"
		" sys=mariadb op=SELECT ns=other q=SELECT ? sum=SELECT w15 b0|"
		" sys=mariadb ns=other w14 b0");
	assert_string_equal(feed_log(feed, PROTO_RESPONSE),
			    "0 w41 b0|0 rows=1 w38 b0|0 rows=0 w11 b0|0 rows=1 w30 b0|"
			    "0 error st=1243 w13 b0");
	assert_int_equal(feed->errors, 0);
}

/* The end of rows that were not copied is told by the last bytes. */
static void a_hole_in_rows(void **state)
{
	struct slice q = build("0 \x03SELECT 1\n0 \x03SELECT 2");
	struct slice r = build("1 #\n2 \x03"
			       "def\n3 \xfe~~\x02~\n4 #x");
	struct slice end = build("9 \xfe~~\x02~"), second = build("1 ~\x05~\x02~~~");

	feed_reset(feed);
	feed_bytes(feed, PROTO_REQUEST, (struct slice){ q.p, q.n / 2 });
	feed_bytes(feed, PROTO_RESPONSE, r);
	feed_hole(feed, PROTO_RESPONSE, 100000);
	feed_bytes(feed, PROTO_RESPONSE, end);
	feed_bytes(feed, PROTO_REQUEST, (struct slice){ q.p + q.n / 2, q.n / 2 });
	feed_bytes(feed, PROTO_RESPONSE, second);
	assert_string_equal(feed_log(feed, PROTO_RESPONSE), "0 w37 b0|0 rows=5 w11 b0");
	assert_int_equal(feed->errors, 0);
	free((void *)q.p);
	free((void *)r.p);
	free((void *)end.p);
	free((void *)second.p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASES_TESTS,
		cmocka_unit_test(turn_by_turn),
		cmocka_unit_test(holes_end),
		cmocka_unit_test(is_known_by_its_greeting),
		cmocka_unit_test(is_known_in_the_middle),
		cmocka_unit_test(a_hole_in_rows),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
