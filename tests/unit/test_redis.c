/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include "holes.h"
#include "sim.h"

static const struct proto_case redis_cases[] = {
#include "redis_cases.def"
};

static int setup(void **state)
{
	static struct cases cs = { .v = redis_cases,
				   .n = sizeof(redis_cases) / sizeof(redis_cases[0]) };

	cs.proto = proto_get(PROTO_REDIS);
	*state = &cs;
	return 0;
}

static void tells_redis_from_others(void **state)
{
	static const struct {
		const char *first;
		int request;
	} t[] = {
		{ "", 0 },
		{ "*", 0 },
		{ "*1\r\n$4\r\nPI", 0 },
		{ "*1\r\n$4\r\nPING\r\n", 1 },
		{ "*2\r\n$3\r\nGET\r\n$100\r\nx", 1 },
		{ "*0\r\n", -1 },
		{ "*a\r\n", -1 },
		{ "*1\r\n$4\r\nP\x01NG\r\n", -1 },
		{ "*1\r\n:4\r\n", -1 },
		{ "*1\n$4\nPING\n", -1 },
		{ "**bold** and more", -1 },
		{ "PING\r\n", -1 },
		{ "GET / HTTP/1.1\r\n", -1 },
		{ "get a\r\n", -1 },
		{ "HTTP/1.1 200 OK\r\n", -1 },
		{ "+OK\r\n", -1 },
		{ "\x16\x03\x01", -1 },
	};
	const struct proto *p = proto_get(PROTO_REDIS);
	struct guard g = guard_new(4096);

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct slice s = guard_put(&g, slice_str(t[i].first));

		if (p->detect(s, PROTO_REQUEST) != t[i].request)
			fail_msg("%s", t[i].first);
		assert_int_not_equal(p->detect(s, PROTO_RESPONSE), 1);
	}
	assert_int_equal(p->detect(guard_put(&g, (struct slice){ (const uint8_t *)"\0", 1 }),
				   PROTO_RESPONSE),
			 -1);
	guard_free(&g);
}

/* A value of a megabyte is passed over, not asked for. */
static void long_values_are_skipped(void **state)
{
	const struct proto *p = proto_get(PROTO_REDIS);
	void *st = calloc(1, p->state_size);
	struct slice set = SLICE("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1000000\r\nabc");
	struct slice get = SLICE("$1000000\r\nabc");
	struct msg m;

	msg_clear(&m);
	assert_int_equal(p->parse(st, PROTO_REQUEST, set, &m), set.n);
	assert_int_equal(m.flags, MSG_BEGIN | MSG_END);
	assert_int_equal(m.skip, 1000002 - 3);
	msg_clear(&m);
	assert_int_equal(p->parse(st, PROTO_RESPONSE, get, &m), get.n);
	assert_int_equal(m.flags, MSG_BEGIN | MSG_END);
	assert_int_equal(m.skip, 1000002 - 3);
	free(st);
}

static void nesting_is_bounded(void **state)
{
	const struct proto *p = proto_get(PROTO_REDIS);
	void *st = calloc(1, p->state_size);
	char deep[200] = "";
	struct msg m;

	for (int i = 0; i < 40; i++)
		strcat(deep, "*1\r\n");
	struct slice in = slice_str(deep);
	ssize_t n;

	msg_clear(&m);
	while ((n = p->parse(st, PROTO_RESPONSE, in, &m)) > 0)
		in = (struct slice){ in.p + n, in.n - (size_t)n };
	assert_true(n < 0);
	assert_true(p->state_size <= 256);
	free(st);
}

/* Joined in the middle, the database is not known until a SELECT tells it. */
static void never_guesses_the_database(void **state)
{
	const struct proto *p = proto_get(PROTO_REDIS);
	void *st = calloc(1, p->state_size);
	struct slice ping = SLICE("*1\r\n$4\r\nPING\r\n");
	struct slice chosen = SLICE("*2\r\n$6\r\nSELECT\r\n$2\r\n12\r\n");
	struct msg m;

	p->joined(st);
	msg_clear(&m);
	p->parse(st, PROTO_REQUEST, ping, &m);
	assert_int_equal(m.name_space.n, 0);
	p->parse(st, PROTO_REQUEST, chosen, &m);
	msg_clear(&m);
	p->parse(st, PROTO_REQUEST, ping, &m);
	assert_true(slice_eq(m.name_space, SLICE("12")));
	/* a SELECT may have failed where nobody saw */
	p->drop_requests(st, 2);
	msg_clear(&m);
	p->parse(st, PROTO_REQUEST, ping, &m);
	assert_int_equal(m.name_space.n, 0);
	free(st);
}

/* A SELECT that was refused changes nothing. */
static void a_refused_select_is_taken_back(void **state)
{
	struct feed *f = feed_new(proto_get(PROTO_REDIS));

	feed_bytes(f, PROTO_REQUEST, SLICE("*2\r\n$6\r\nSELECT\r\n$2\r\n99\r\n"));
	feed_bytes(f, PROTO_RESPONSE, SLICE("-ERR DB index is out of range\r\n"));
	feed_bytes(f, PROTO_REQUEST, SLICE("*1\r\n$4\r\nPING\r\n"));
	assert_non_null(strstr(feed_log(f, PROTO_REQUEST), "op=PING ns=0"));
	feed_free(f);
}

/* CLIENT REPLY ON is answered, so the error behind its answer is the next command's. */
static void a_select_behind_replies_on(void **state)
{
	struct feed *f = feed_new(proto_get(PROTO_REDIS));

	feed_bytes(f, PROTO_REQUEST,
		   SLICE("*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$2\r\nON\r\n"
			 "*2\r\n$6\r\nSELECT\r\n$2\r\n99\r\n"));
	feed_bytes(f, PROTO_RESPONSE, SLICE("+OK\r\n-ERR DB index is out of range\r\n"));
	feed_bytes(f, PROTO_REQUEST, SLICE("*1\r\n$4\r\nPING\r\n"));
	assert_non_null(strstr(feed_log(f, PROTO_REQUEST), "op=PING ns=0"));
	feed_free(f);
}

/* One that a hole cut behind its name may be told as begun. */
static void ten_commands(void **state)
{
	static struct holes h = { .mark = "op=", .more = 1 };
	size_t n = 0;

	h.proto = proto_get(PROTO_REDIS);
	for (int i = 0; i < HOLES_MESSAGES; i++) {
		n += (size_t)sprintf((char *)h.bytes + n, "*2\r\n$4\r\nGET%c\r\n$6\r\nkey%03d\r\n",
				     'A' + i, i);
		h.end[i] = n;
		sprintf(h.want[i], "op=GET%c ", 'A' + i);
	}
	holes_cost_only_what_they_touch(&h);
}

#define PING  "*1\r\n$4\r\nPING\r\n"
#define GET_K "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"
#define LIST  "*4\r\n$6\r\nLRANGE\r\n$1\r\nl\r\n$1\r\n0\r\n$2\r\n-1\r\n"

enum { LIST_VALUES = 5000 };

/* A reply within which any line could begin another: of the `ops` operations that bring it, those
 * from `first` on and before `end`. */
static void list(struct sim *s, enum sonde_dir dir, size_t ops, size_t first, size_t end)
{
	static char reply[LIST_VALUES * 16];
	size_t n = (size_t)sprintf(reply, "*%d\r\n", LIST_VALUES), each;

	for (int i = 0; i < LIST_VALUES; i++)
		n += (size_t)sprintf(reply + n, "$5\r\n$%03d\n\r\n", i % 1000);
	each = n / ops + 7; /* ends amid a value */
	for (size_t i = first; i < end; i++)
		sim_op(s, 1, dir,
		       (struct slice){ (uint8_t *)reply + i * each,
				       i + 1 < ops ? each : n - i * each });
}

/* Lists first, between and last, each followed by what could be taken for a part of it. */
static struct sim lists(enum sonde_role role, uint32_t copy_max)
{
	enum sonde_dir dir = role == SONDE_ROLE_SERVER ? SONDE_TX : SONDE_RX;
	struct sim s;

	sim_init(&s);
	s.copy_max = copy_max;
	sim_open(&s, 1, role);
	for (size_t ops = 3; ops < 7; ops++) {
		sim_request(&s, 1, LIST);
		list(&s, dir, ops, 0, ops);
		sim_wait(&s, 2000000000);
		sim_request(&s, 1, GET_K);
		sim_response(&s, 1, "$1\r\nv\r\n");
	}
	sim_request(&s, 1, PING);
	sim_response(&s, 1, "+PONG\r\n");
	sim_request(&s, 1, LIST);
	list(&s, dir, 4, 0, 4);
	sim_wait(&s, 2000000000);
	sim_close(&s, 1, SONDE_CLOSE_DONE, 0);
	return s;
}

/* As much is told of a list that was copied in part as of one that was copied whole. */
static void a_list_ends_before_the_next_command(void **state)
{
	for (int role = SONDE_ROLE_CLIENT; role <= SONDE_ROLE_SERVER; role++) {
		for (uint32_t copy_max = 256; copy_max <= 4096; copy_max += 1280) {
			struct sim whole = lists(role, 0), part = lists(role, copy_max);
			struct sim_play play = { 0 };
			char *want = sim_run(&whole);

			sim_play_init(&play);
			sim_play(&play, &part, 0, part.n);
			assert_string_equal(play.out, want);
			assert_int_equal(play.n_txns, 10);
			for (int l = 0; l < LOSS_MAX; l++)
				assert_int_equal(conns_stats(play.conns)->losses.n[l], 0);
			assert_int_equal(play.verdicts[1].copy[role == SONDE_ROLE_CLIENT],
					 SONDE_COPY_WHOLE);
			sim_play_free(&play);
			sim_free(&whole);
			sim_free(&part);
			free(want);
		}
	}
}

/* Who sends the next command before the end of such a list is not understood until later; what is
 * not told by then is counted. */
static void a_list_that_the_next_command_overtakes(void **state)
{
	for (int role = SONDE_ROLE_CLIENT; role <= SONDE_ROLE_SERVER; role++) {
		enum sonde_dir dir = role == SONDE_ROLE_SERVER ? SONDE_TX : SONDE_RX;
		struct sim_play play = { 0 };
		struct sim sim;
		size_t told = 0;
		uint64_t lost = 0;

		sim_init(&sim);
		sim.copy_max = 512;
		sim_open(&sim, 1, role);
		sim_request(&sim, 1, LIST);
		list(&sim, dir, 5, 0, 3);
		sim_request(&sim, 1, PING);
		list(&sim, dir, 5, 3, 5);
		sim_response(&sim, 1, "+PONG\r\n");
		for (int i = 0; i < 10; i++) {
			sim_wait(&sim, 2000000000);
			sim_request(&sim, 1, GET_K);
			sim_response(&sim, 1, "$1\r\nv\r\n");
		}
		sim_close(&sim, 1, SONDE_CLOSE_DONE, 0);
		sim_play_init(&play);
		sim_play(&play, &sim, 0, sim.n);
		for (const char *at = play.out; (at = strstr(at, " GET ")); at++)
			told++;
		for (const char *at = play.out; (at = strstr(at, " GET  0 20/0 7/0 ")); at++)
			told--;
		assert_int_equal(told, 0);
		for (int l = 0; l < LOSS_MAX; l++)
			lost += conns_stats(play.conns)->losses.n[l];
		assert_int_equal(play.n_txns, 11);
		assert_int_equal(lost, 1);
		sim_play_free(&play);
		sim_free(&sim);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASES_TESTS,
		cmocka_unit_test(tells_redis_from_others),
		cmocka_unit_test(long_values_are_skipped),
		cmocka_unit_test(nesting_is_bounded),
		cmocka_unit_test(never_guesses_the_database),
		cmocka_unit_test(a_refused_select_is_taken_back),
		cmocka_unit_test(a_select_behind_replies_on),
		cmocka_unit_test(a_list_ends_before_the_next_command),
		cmocka_unit_test(a_list_that_the_next_command_overtakes),
		cmocka_unit_test(holes_invent_no_request),
		cmocka_unit_test(ten_commands),
	};

	return cmocka_run_group_tests_name("redis", tests, setup, NULL);
}
