/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include "holes.h"
#include "sim.h"

static const struct proto_case cases[] = {
#include "memcached_cases.def"
};

enum { N_CASES = sizeof(cases) / sizeof(cases[0]) };

static struct feed *feed;

static int setup(void **state)
{
	static struct cases cs = { .v = cases, .n = N_CASES };

	cs.proto = proto_get(PROTO_MEMCACHED);
	*state = &cs;
	feed = feed_new(proto_get(PROTO_MEMCACHED));
	return 0;
}

static int teardown(void **state)
{
	feed_free(feed);
	return 0;
}

static void tells_memcached_from_others(void **state)
{
	static const struct first_bytes t[] = {
		FIRST("", 0, 0),
		FIRST("g", 0, -1),
		FIRST("get", 0, -1),
		FIRST("gets a", 0, -1),
		FIRST("gets a\r\n", 0, -1),
		FIRST("get a\r\n", 0, -1),   /* also Redis, inline: the answer tells */
		FIRST("get a b\r\n", 0, -1), /* and what people write */

		FIRST("set k 0 0 5\r\nhello\r\n", 1, -1),
		FIRST("set k v\r\n", -1, -1), /* Redis, inline */
		FIRST("incr k\r\n", -1, -1),
		FIRST("incr k 1\r\n", 0, -1),
		FIRST("touch k 5\r\n", 0, -1),
		FIRST("mg k v\r\n", 1, -1),
		FIRST("mn\r\n", 1, -1),
		FIRST("version\r\n", 1, -1),
		FIRST("get /x HTTP/1.1\r\n", -1, -1),
		FIRST("GET k\r\n", -1, -1),
		FIRST("PING\r\n", -1, -1),
		FIRST("*1\r\n$4\r\nPING\r\n", -1, -1),
		FIRST("GET / HTTP/1.1\r\n", -1, -1),
		FIRST("VALUE k 0 5\r\n", -1, 1),
		FIRST("VALUE k is 5\r\n", -1, -1),
		FIRST("END\r\n", -1, 1),
		FIRST("STORED\r\n", -1, 1),
		FIRST("STO", -1, 0),
		FIRST("OK\r\n", -1, 0),
		FIRST("+OK\r\n", -1, -1),
		FIRST("-ERR\r\n", -1, -1),
		FIRST("$1\r\nx\r\n", -1, -1),
		FIRST("HTTP/1.1 200 OK\r\n", -1, -1),
		FIRST("HELO me\r\n", -1, -1),
		FIRST("220 mail\r\n", -1, -1),
		FIRST("SSH-2.0-x\r\n", -1, -1),
		FIRST("\x16\x03\x01\x02\x00\x01", -1, -1),
		FIRST("\x00\x1d\x12\x34\x01\x00\x00\x01", -1, -1), /* DNS over TCP */
		FIRST("\x00\x00\x00\x08\x04\xd2\x16\x2f", -1, -1), /* PostgreSQL */
		FIRST("\x4a\x00\x00\x00\x0a\x38.0.0", -1, -1),	   /* MySQL */
		FIRST("\x80", 0, -1),
		FIRST("\x80\x0a\0\0\0\0\0\0\0\0\0\0\0\0\0\5\0\0\0\0\0\0\0\0", 1, -1),
		FIRST("\x80\x0a\0\0\0\0\0\1\0\0\0\0\0\0\0\5\0\0\0\0\0\0\0\0", -1, -1),
		FIRST("\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10\x01\x00\x80\x03\x00"
		      "\x80\x07\x00\xc0\x06\x00\x40\x02",
		      -1, -1), /* SSL 2 */
		FIRST("\x81\x0a\0\0\0\0\0\0\0\0\0\0\0\0\0\5\0\0\0\0\0\0\0\0", -1, 1),
	};

	cases_detect(proto_get(PROTO_MEMCACHED), t, sizeof(t) / sizeof(t[0]));
}

/* One more may be told: a set of which the value alone was touched. */
static void ten_commands(void **state)
{
	static struct holes h = { .mark = "sys=", .more = 1 };
	size_t n = 0;

	h.proto = proto_get(PROTO_MEMCACHED);
	for (int i = 0; i < HOLES_MESSAGES; i++) {
		size_t begin = n;

		n += (size_t)sprintf((char *)h.bytes + n,
				     i % 2 ? "gets %.*s\r\n" : "set %.*s 0 0 4\r\na\r\nb\r\n",
				     i + 1, "KKKKKKKKKKKK");
		h.end[i] = n;
		sprintf(h.want[i], "sum=%s w%zu b%d", i % 2 ? "gets" : "set", n - begin,
			i % 2 ? 0 : 4);
	}
	holes_cost_only_what_they_touch(&h);
}

/* Many requests nobody answers to fill the memory of those outstanding. */
static void bounds_what_is_outstanding(void **state)
{
	feed_reset(feed);
	for (int i = 0; i < 1024; i++)
		feed_bytes(feed, PROTO_REQUEST, SLICE("get k\r\n"));
	assert_int_equal(feed->errors, 0);
	feed_bytes(feed, PROTO_REQUEST, SLICE("get k\r\n"));
	assert_int_equal(feed->errors, 1);
}

/* A line of a megabyte is looked at once, however it comes. */
static void searches_each_byte_once(void **state)
{
	char keys[4096];

	memset(keys, 'k', sizeof(keys));
	feed_reset(feed);
	feed_bytes(feed, PROTO_REQUEST, SLICE("get "));
	for (int i = 0; i < 15; i++)
		feed_bytes(feed, PROTO_REQUEST, (struct slice){ (void *)keys, sizeof(keys) });
	assert_int_equal(feed->errors, 0);
	feed_bytes(feed, PROTO_REQUEST, (struct slice){ (void *)keys, sizeof(keys) });
	assert_int_equal(feed->errors, 1);
}

static size_t count(const char *text, const char *word)
{
	size_t n = 0;

	for (; (text = strstr(text, word)); text++)
		n++;
	return n;
}

static void plays(const struct sim *sim, size_t n, const char *word, size_t words)
{
	struct sim_play play = { 0 };

	sim_play_init(&play);
	sim_play(&play, sim, 0, sim->n);
	assert_int_equal(play.n_txns, n);
	assert_int_equal(count(play.out, word), words);
	for (int l = 0; l < LOSS_MAX; l++)
		assert_int_equal(conns_stats(play.conns)->losses.n[l], 0);
	/* commands are copied whole; answers as the kernel sees fit, and no less for their heads */
	assert_true(play.verdicts[1].copy[0] + play.verdicts[1].copy[1] >= SONDE_COPY_MAX);
	sim_play_free(&play);
}

/* They are done when they end, take no answer from anybody, and are nobody's answer. */
static void what_nothing_answers_is_done_when_it_ends(void **state)
{
	for (enum sonde_role role = SONDE_ROLE_CLIENT; role <= SONDE_ROLE_SERVER; role++) {
		struct sim sim, cut;

		sim_init(&sim);
		sim_open(&sim, 1, role);
		sim_request(&sim, 1, "get a\r\nset k 0 0 2 noreply\r\nxy\r\n");
		sim_response(&sim, 1, "END\r\n");
		sim_request(&sim, 1, "delete k noreply\r\n");
		sim_request(&sim, 1, "get k\r\n");
		sim_response(&sim, 1, "END\r\n");
		plays(&sim, 4, "noreply", 0);
		plays(&sim, 4, "delete", 1);
		cut = sim_recut(&sim, 3);
		plays(&cut, 4, " get ", 2);
		sim_free(&cut);
		sim_free(&sim);
	}
}

static void silence_answers_what_is_quiet(void **state)
{
	struct sim sim, cut;

	sim_init(&sim);
	sim_open(&sim, 1, SONDE_ROLE_CLIENT);
	sim_request(&sim, 1, "mg a v k q\r\nmg b v k q\r\nms c 1 q\r\nx\r\n");
	sim_request(&sim, 1, "mn\r\n");
	sim_response(&sim, 1, "VA 1 kb\r\nx\r\nMN\r\n");
	sim_request(&sim, 1, "get k\r\n");
	sim_response(&sim, 1, "END\r\n");
	plays(&sim, 5, " mg ", 2);
	plays(&sim, 5, " ms ", 1);
	cut = sim_recut(&sim, 1);
	plays(&cut, 5, " mn ", 1);
	sim_free(&cut);
	sim_free(&sim);
}

/* A reply of several values that is cut off is counted; the next one is copied whole. */
static void what_was_cut_off_is_asked_for_whole(void **state)
{
	static char reply[100 * 1024];
	struct sim sim;
	struct sim_play play = { 0 };
	size_t n = 0;

	while (n < sizeof(reply) - 64)
		n += (size_t)sprintf(reply + n, "VALUE k 0 20\r\nxxxxxxxxxxxxxxxxxxxx\r\n");
	n += (size_t)sprintf(reply + n, "END\r\n");
	sim_init(&sim);
	sim_open(&sim, 1, SONDE_ROLE_SERVER);
	sim_request(&sim, 1, "set k 0 0 1\r\nx\r\n");
	sim_response(&sim, 1, "STORED\r\n");
	sim_request(&sim, 1, "get a b c\r\n");
	sim_op(&sim, 1, SONDE_TX, (struct slice){ (uint8_t *)reply, n });
	sim_request(&sim, 1, "get k\r\n");
	sim_response(&sim, 1, "END\r\n");
	sim_play_init(&play);
	sim_play(&play, &sim, 0, sim.n);
	assert_int_equal(play.n_txns, 2);
	assert_int_equal(conns_stats(play.conns)->losses.n[LOSS_TRUNCATED], 1);
	assert_int_equal(play.verdicts[1].copy[SONDE_TX], SONDE_COPY_WHOLE);
	assert_int_equal(play.verdicts[1].copy[SONDE_RX], SONDE_COPY_MAX);
	sim_play_free(&play);
	sim_free(&sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASES_TESTS,
		cmocka_unit_test(tells_memcached_from_others),
		cmocka_unit_test(holes_invent_no_request),
		cmocka_unit_test(ten_commands),
		cmocka_unit_test(bounds_what_is_outstanding),
		cmocka_unit_test(searches_each_byte_once),
		cmocka_unit_test(what_nothing_answers_is_done_when_it_ends),
		cmocka_unit_test(silence_answers_what_is_quiet),
		cmocka_unit_test(what_was_cut_off_is_asked_for_whole),
	};

	return cmocka_run_group_tests_name("memcached", tests, setup, teardown);
}
