/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include "cases.h"

/* Scripts: a line is a message, its type and behind a space its body, where ~ is a NUL and # one of
 * value 1. "=" is a startup message, "?" an SSLRequest, "!" a cancel request, "." bytes as they
 * are. */
struct pg_case {
	const char *name, *script[2], *log[2];
};

static const struct pg_case scripts[] = {
#define SCRIPT(name, request, response, requests, responses) \
	{ name, { request, response }, { requests, responses } },
#include "data/postgres_cases.def"
#undef SCRIPT
};

enum { N_CASES = sizeof(scripts) / sizeof(scripts[0]) };

static struct proto_case cases[N_CASES];
static struct feed *feed;

static uint8_t *put_u32(uint8_t *p, size_t n)
{
	p[0] = (uint8_t)(n >> 24);
	p[1] = (uint8_t)(n >> 16);
	p[2] = (uint8_t)(n >> 8);
	p[3] = (uint8_t)n;
	return p + 4;
}

static uint8_t byte_of(char c)
{
	return c == '~' ? 0 : c == '#' ? 1 : (uint8_t)c;
}

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

	feed = feed_new(proto_get(PROTO_POSTGRES));
	for (int i = 0; i < N_CASES; i++) {
		cases[i].name = scripts[i].name;
		for (int d = 0; d < 2; d++) {
			cases[i].bytes[d] = build(scripts[i].script[d]);
			cases[i].log[d] = scripts[i].log[d];
		}
	}
	all = (struct cases){ proto_get(PROTO_POSTGRES), cases, N_CASES };
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

/* At every length, and by nobody else. */
static void is_known_by_its_startup(void **state)
{
	for (int i = 0; i < N_CASES; i++) {
		struct slice s = cases[i].bytes[PROTO_REQUEST];

		if (!strchr("=!", scripts[i].script[0][0]))
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

static int detect(enum proto_dir dir, const char *script, size_t cut)
{
	struct slice s = build(script);
	int rc;

	s.n -= cut;
	rc = proto_get(PROTO_POSTGRES)->detect(s, dir);
	free((void *)s.p);
	return rc;
}

/* A whole operation, as where a connection is joined in the middle; less is not enough. */
static void is_known_in_the_middle(void **state)
{
	assert_int_equal(detect(PROTO_REQUEST, "Q SELECT 1~", 0), 1);
	assert_int_equal(detect(PROTO_REQUEST, "Q SELECT 1~", 1), 0);
	assert_int_equal(detect(PROTO_REQUEST, "Q SELECT 1", 0), -1);
	assert_int_equal(detect(PROTO_REQUEST, "B ~s1~~~~~~~\nE ~~~~~\nS", 0), 1);
	assert_int_equal(detect(PROTO_REQUEST, "B ~s1~~~~~~~\nE ~~~~~", 0), 0);
	assert_int_equal(detect(PROTO_REQUEST, "S", 0), 0);
	assert_int_equal(detect(PROTO_RESPONSE, "T ~#a~\nD ~#\nC SELECT 1~\nZ I", 0), 1);
	assert_int_equal(detect(PROTO_RESPONSE, "Z X", 0), -1);
	assert_int_equal(detect(PROTO_REQUEST, ". POST / HTTP/1.1\r\n", 0), -1);
	assert_int_equal(detect(PROTO_REQUEST, ". QUIT\r\n", 0), -1);
	assert_int_equal(detect(PROTO_RESPONSE, ". END\r\n", 0), -1);
	/* Kafka: length, API 3 (Metadata), version 0, correlation id */
	assert_int_equal(detect(PROTO_REQUEST, ". ~~~\x12~\x03~~~~~#~\x04test", 0), -1);
}

/* In the middle of an answer too large to be copied: its end is found by ReadyForQuery. */
static void a_hole_in_rows(void **state)
{
	struct slice q = build("Q SELECT 1~\nQ SELECT 2~"), r = build("T ~#a~\nD ~#xxxxxxxx"),
		     end = build("C SELECT 9~\nZ I"),
		     second = build("T ~#a~\nD ~#x\nC SELECT 1~\nZ I");

	feed_reset(feed);
	feed_bytes(feed, PROTO_REQUEST, (struct slice){ q.p, q.n / 2 });
	feed_bytes(feed, PROTO_RESPONSE, r);
	feed_hole(feed, PROTO_RESPONSE, 100000);
	feed_bytes(feed, PROTO_RESPONSE, (struct slice){ end.p + 4, end.n - 4 });
	feed_bytes(feed, PROTO_REQUEST, (struct slice){ q.p + q.n / 2, q.n / 2 });
	feed_bytes(feed, PROTO_RESPONSE, second);
	assert_string_equal(feed_log(feed, PROTO_RESPONSE), "0 w40 b0|0 rows=1 w37 b0");
	assert_int_equal(feed->errors, 0);
	free((void *)q.p);
	free((void *)r.p);
	free((void *)end.p);
	free((void *)second.p);
}

/* Many statements are prepared: those used least are forgotten, and said to be unknown. */
static void statements_are_forgotten(void **state)
{
	char script[200];
	const char *log;
	struct slice s;

	feed_reset(feed);
	for (int i = 0; i < 100; i++) {
		snprintf(script, sizeof(script), "P s%d~SELECT a FROM t%d~~~\nS", i, i);
		s = build(script);
		feed_bytes(feed, PROTO_REQUEST, s);
		free((void *)s.p);
		s = build("1\nZ I");
		feed_bytes(feed, PROTO_RESPONSE, s);
		free((void *)s.p);
		feed->side[PROTO_REQUEST].log_n = 0;
	}
	s = build("B ~s99~\nE ~\nS\nB ~s0~\nE ~\nS");
	feed_bytes(feed, PROTO_REQUEST, s);
	free((void *)s.p);
	log = feed_log(feed, PROTO_REQUEST);
	assert_non_null(strstr(log, "op=SELECT q=SELECT a FROM t99 sum=SELECT t99"));
	assert_non_null(strstr(log, "| sys=postgresql w"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASES_TESTS,
		cmocka_unit_test(holes_end),
		cmocka_unit_test(is_known_by_its_startup),
		cmocka_unit_test(is_known_in_the_middle),
		cmocka_unit_test(a_hole_in_rows),
		cmocka_unit_test(statements_are_forgotten),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
