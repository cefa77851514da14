/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include "feed.h"

enum { REQUEST = PROTO_REQUEST, RESPONSE = PROTO_RESPONSE, TEN = 10 };

static const struct {
	const char *name;
	enum proto_dir dir;
	struct slice before;
	uint64_t len;
	struct slice behind;
	const char *log;
} holes[] = {
#define HOLE(name, dir, before, len, behind, log)            \
	{ name,                                              \
	  (enum proto_dir)dir,                               \
	  { (const uint8_t *)(before), sizeof(before) - 1 }, \
	  len,                                               \
	  { (const uint8_t *)(behind), sizeof(behind) - 1 }, \
	  log },
#include "http1_holes.def"
#undef HOLE
};

enum { N_HOLES = sizeof(holes) / sizeof(holes[0]) };

static struct feed *feed;

static int setup(void **state)
{
	feed = feed_new(proto_get(PROTO_HTTP1));
	return 0;
}

static int teardown(void **state)
{
	feed_free(feed);
	return 0;
}

static void check(int i)
{
	const char *log = feed_log(feed, holes[i].dir);

	if (strcmp(log, holes[i].log) != 0)
		print_message("in: %s\n", holes[i].name);
	assert_string_equal(log, holes[i].log);
}

static void framing_goes_on_behind_a_hole(void **state)
{
	for (int i = 0; i < N_HOLES; i++) {
		feed_reset(feed);
		feed_bytes(feed, holes[i].dir, holes[i].before);
		feed_hole(feed, holes[i].dir, holes[i].len);
		feed_bytes(feed, holes[i].dir, holes[i].behind);
		check(i);
	}
}

static void bytes_behind_a_hole_may_dribble(void **state)
{
	for (int i = 0; i < N_HOLES; i++) {
		feed_reset(feed);
		feed_bytes(feed, holes[i].dir, holes[i].before);
		for (uint64_t k = 0; k < holes[i].len; k++) /* a long hole is many short ones */
			feed_hole(feed, holes[i].dir, 1);
		for (size_t k = 0; k < holes[i].behind.n; k++)
			feed_bytes(feed, holes[i].dir, (struct slice){ holes[i].behind.p + k, 1 });
		if (!strstr(holes[i].name, "what looks like an end"))
			check(i);
	}
}

/*
 * Ten requests, every possible hole over them: those before it and those behind it are found, each
 * once and as it is; the ones it touches are found as cut, or not at all.
 */
static void every_hole_costs_only_what_it_touches(void **state)
{
	static const char *const rests[] = { "|T /", "|ET /", "|ST /", "|OST /" };
	char text[1024], want[64];
	size_t begin[TEN + 1], n = 0;

	for (int i = 0; i < TEN; i++) {
		begin[i] = n;
		n += (size_t)sprintf(text + n, "%s /%d HTTP/1.1\r\nHost: h\r\n\r\n",
				     i % 2 ? "GET" : "POST", i);
	}
	begin[TEN] = n;
	for (size_t from = 0; from < n; from++) {
		for (size_t to = from + 1; to <= n; to++) {
			feed_reset(feed);
			feed_bytes(feed, PROTO_REQUEST, (struct slice){ (uint8_t *)text, from });
			feed_hole(feed, PROTO_REQUEST, to - from);
			feed_bytes(feed, PROTO_REQUEST,
				   (struct slice){ (uint8_t *)text + to, n - to });
			for (int i = 0; i < TEN; i++) {
				bool is_whole = begin[i + 1] <= from || begin[i] >= to;
				const char *log = feed->side[PROTO_REQUEST].log, *at;

				snprintf(want, sizeof(want), "%s /%d 1.1 host=h w",
					 i % 2 ? "GET" : "POST", i);
				at = strstr(log, want);
				if ((at != NULL) != is_whole)
					fail_msg("%zu-%zu: %s: %s", from, to, want, log);
				assert_null(at ? strstr(at + 1, want) : NULL);
			}
			for (size_t k = 0; k < sizeof(rests) / sizeof(rests[0]); k++)
				assert_null(strstr(feed->side[PROTO_REQUEST].log, rests[k]));
		}
	}
}

/* Ten responses with bodies in every framing: no hole may make up a status. */
static void no_hole_makes_up_a_response(void **state)
{
	char text[2048];
	size_t n = 0;

	for (int i = 0; i < 9; i++)
		n += (size_t)sprintf(
			text + n,
			i % 2 ? "HTTP/1.1 20%d OK\r\nContent-Length: 4\r\n\r\nab\r\n"
			      : "HTTP/1.1 20%d OK\r\nTransfer-Encoding: chunked\r\n\r\n"
				"3\r\na\r\n\r\n1\r\nx\r\n0\r\n\r\n",
			i);
	for (size_t from = 0; from < n; from++) {
		for (size_t to = from + 1; to <= n; to++) {
			int last = -1;

			feed_reset(feed);
			feed_bytes(feed, PROTO_RESPONSE, (struct slice){ (uint8_t *)text, from });
			feed_hole(feed, PROTO_RESPONSE, to - from);
			feed_bytes(feed, PROTO_RESPONSE,
				   (struct slice){ (uint8_t *)text + to, n - to });
			for (const char *p = feed_log(feed, PROTO_RESPONSE); *p; p++) {
				if (p > feed->side[1].log && p[-1] != '|' && p[-1] != '?')
					continue;
				if (*p == '?')
					continue;
				assert_memory_equal(p, "20", 2);
				assert_true(p[2] - '0' > last); /* in order, and none twice */
				last = p[2] - '0';
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(framing_goes_on_behind_a_hole),
		cmocka_unit_test(bytes_behind_a_hole_may_dribble),
		cmocka_unit_test(every_hole_costs_only_what_it_touches),
		cmocka_unit_test(no_hole_makes_up_a_response),
	};

	return cmocka_run_group_tests_name("http1 holes", tests, setup, teardown);
}
