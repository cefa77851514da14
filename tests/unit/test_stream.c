// SPDX-License-Identifier: Apache-2.0
/* The same operations, however they are cut, ordered or repeated, are the same transactions. */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "sim.h"

#define GET	"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
#define OK	"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define POST	"POST /p HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"
#define CHUNKED "HTTP/1.1 201 Made\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"

/* What each scenario does on connection 1, in either role. */
struct scenario {
	const char *name;
	void (*play)(struct sim *s);
	size_t txns;
};

static void one(struct sim *s)
{
	sim_request(s, 1, GET);
	sim_response(s, 1, OK);
}

static void keep_alive(struct sim *s)
{
	one(s);
	sim_request(s, 1, POST);
	sim_response(s, 1, CHUNKED);
	sim_request(s, 1, "HEAD /h HTTP/1.1\r\n\r\n");
	sim_response(s, 1, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
	one(s);
}

static void pipelined(struct sim *s)
{
	sim_request(s, 1, GET POST "DELETE /d HTTP/1.1\r\n\r\n");
	sim_response(s, 1, OK CHUNKED);
	sim_response(s, 1, "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n");
}

static void interim(struct sim *s)
{
	sim_request(s, 1, "PUT /u HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
	sim_response(s, 1, "HTTP/1.1 100 Continue\r\n\r\n");
	sim_request(s, 1, "abc");
	sim_response(s, 1, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" OK);
	one(s);
}

static void until_close(struct sim *s)
{
	sim_request(s, 1, "GET /c HTTP/1.0\r\n\r\n");
	sim_response(s, 1, "HTTP/1.0 200 OK\r\n\r\nall the rest");
	sim_response(s, 1, "and some more");
	sim_eof(s, 1);
}

static void early_answer(struct sim *s)
{
	sim_request(s, 1, "POST /big HTTP/1.1\r\nContent-Length: 100000\r\n\r\nfirst");
	sim_response(s, 1, "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n");
}

/* Who asks whether to send a body and is told no goes on with the next request, or sends it all the
 * same (RFC 9110, 10.1.1). */
static void refused(struct sim *s)
{
	static const char no[] = "HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n";

	sim_request(s, 1, "PUT /r HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 64\r\n\r\n");
	sim_response(s, 1, no);
	sim_request(s, 1, POST);
	sim_response(s, 1, CHUNKED);
	sim_request(s, 1,
		    "PUT /c HTTP/1.1\r\nExpect: 100-continue\r\n"
		    "Transfer-Encoding: chunked\r\n\r\n");
	sim_response(s, 1, no);
	sim_request(s, 1, "PUT /s HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 6\r\n\r\n");
	sim_response(s, 1, no);
	sim_request(s, 1, "GET me");
	one(s);
}

/* A server that reads a body only after its answer asks for it too late. */
static void late_interim(struct sim *s)
{
	sim_request(s, 1, POST);
	sim_response(s, 1, OK "HTTP/1.1 100 Continue\r\n\r\n");
	sim_request(s, 1, "HEAD /h HTTP/1.1\r\n\r\n");
	sim_response(s, 1, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
	one(s);
}

static void websocket(struct sim *s)
{
	sim_request(s, 1, "GET /ws HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
	sim_response(s, 1,
		     "HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
	sim_request(s, 1, "GET / HTTP/1.1\r\n\r\n no more HTTP");
	sim_response(s, 1, "HTTP/1.1 200 OK\r\n\r\n neither");
}

static void events(struct sim *s)
{
	sim_request(s, 1, "GET /ev HTTP/1.1\r\n\r\n");
	sim_response(s, 1,
		     "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
		     "Transfer-Encoding: chunked\r\n\r\n");
	sim_response(s, 1, "9\r\ndata: 1\n\n\r\n");
	sim_response(s, 1, "9\r\ndata: 2\n\n\r\n0\r\n\r\n");
	one(s);
}

static void ids(struct sim *s)
{
	sim_request(s, 1, "GET /i HTTP/1.1\r\nX-Request-ID: r-1\r\n\r\n");
	sim_response(s, 1, "HTTP/1.1 500 No\r\nContent-Length: 0\r\nX-Request-ID: other\r\n\r\n");
	sim_request(s, 1, "GET /j?token=geheim HTTP/1.1\r\n\r\n");
	sim_response(s, 1, "HTTP/1.1 404 No\r\nContent-Length: 0\r\nX-Request-ID: r-2\r\n\r\n");
}

static const struct scenario scenarios[] = {
	{ "one", one, 1 },
	{ "keep-alive", keep_alive, 4 },
	{ "pipelined", pipelined, 3 },
	{ "interim", interim, 2 },
	{ "until close", until_close, 1 },
	{ "early answer", early_answer, 1 },
	{ "refused", refused, 5 },
	{ "late interim", late_interim, 3 },
	{ "websocket", websocket, 1 },
	{ "events", events, 2 },
	{ "ids", ids, 2 },
};

enum { N_SCENARIOS = sizeof(scenarios) / sizeof(scenarios[0]) };

static size_t count_lines(const char *s)
{
	size_t n = 0;

	for (; (s = strchr(s, '\n')); s++)
		n++;
	return n;
}

static struct sim play(const struct scenario *sc, enum sonde_role role, uint32_t tx, uint32_t rx)
{
	struct sim s;

	sim_init(&s);
	sim_open_at(&s, 1, role, SONDE_FAMILY_IPV4, SONDE_F_FRESH, tx, rx);
	sc->play(&s);
	if (role == SONDE_ROLE_SERVER)
		sim_close(&s, 1, SONDE_CLOSE_LOCAL, 0);
	sim_close(&s, 1, SONDE_CLOSE_DONE, 0);
	sim_wait(&s, 2000000000);
	return s;
}

/* Calls fn with each scenario in each role, and what it must come to. */
static void each_scenario(void (*fn)(const struct sim *s, const char *expected))
{
	for (int i = 0; i < N_SCENARIOS; i++) {
		for (int role = SONDE_ROLE_CLIENT; role <= SONDE_ROLE_SERVER; role++) {
			struct sim s = play(&scenarios[i], role, 1000, 5000);
			char *expected = sim_run(&s);

			if (count_lines(expected) != scenarios[i].txns)
				fail_msg("%s: %s", scenarios[i].name, expected);
			fn(&s, expected);
			free(expected);
			sim_free(&s);
		}
	}
}

static void assert_same(const struct sim *s, const char *expected)
{
	char *out = sim_run(s);

	assert_string_equal(out, expected);
	free(out);
}

static void recut_all(const struct sim *s, const char *expected)
{
	for (size_t n = 1; n < 40; n++) {
		struct sim t = sim_recut(s, n);

		assert_same(&t, expected);
		sim_free(&t);
	}
}

static void test_recut(void **state)
{
	each_scenario(recut_all);
}

static void cut_at_all(const struct sim *s, const char *expected)
{
	for (int dir = SONDE_TX; dir <= SONDE_RX; dir++) {
		uint32_t first = dir == SONDE_TX ? 1000 : 5000;

		for (uint32_t seq = first; seq != s->conns[0].seq[dir]; seq++) {
			struct sim t = sim_cut_at(s, 1, dir, seq);

			assert_same(&t, expected);
			sim_free(&t);
		}
	}
}

static void test_cut_at_each_byte(void **state)
{
	each_scenario(cut_at_all);
}

/* Records of operations only: a close is never before what it closes. */
static bool is_data(const struct sim *s, size_t i)
{
	return i < s->n && s->recs[i]->kind == SONDE_EV_DATA;
}

static uint8_t dir_of(const struct sim *s, size_t i)
{
	return ((const struct sonde_ev_data *)s->recs[i])->dir;
}

static void swap_all(const struct sim *s, const char *expected)
{
	for (size_t n = 7; n < 100; n += 9) {
		struct sim t = sim_recut(s, n);

		for (size_t i = 0; i + 1 < t.n; i++) {
			if (!is_data(&t, i) || !is_data(&t, i + 1))
				continue;
			if (dir_of(&t, i) != dir_of(&t, i + 1))
				continue;
			sim_swap(&t, i);
			assert_same(&t, expected);
			sim_swap(&t, i);
		}
		sim_free(&t);
	}
}

static void test_swapped_neighbours(void **state)
{
	each_scenario(swap_all);
}

static void shuffle_within(const struct sim *s, const char *expected)
{
	struct sim t = sim_recut(s, 11);

	/* each run of one direction backwards, as far as records are parked */
	for (size_t i = 0; i < t.n;) {
		size_t j = i + 1;

		if (is_data(&t, i))
			while (is_data(&t, j) && dir_of(&t, j) == dir_of(&t, i) && j - i < 16)
				j++;
		for (size_t a = i, b = j - 1; a < b; a++, b--) {
			struct sonde_ev_hdr *h = t.recs[a];

			t.recs[a] = t.recs[b];
			t.recs[b] = h;
		}
		i = j;
	}
	assert_same(&t, expected);
	sim_free(&t);
}

static void test_backwards(void **state)
{
	each_scenario(shuffle_within);
}

static void duplicate_all(const struct sim *s, const char *expected)
{
	struct sim t = sim_recut(s, 13);

	for (size_t i = t.n; i-- > 0;)
		if (is_data(&t, i))
			sim_duplicate(&t, i);
	assert_same(&t, expected);
	sim_free(&t);
}

static void test_duplicated(void **state)
{
	each_scenario(duplicate_all);
}

static void overlap_all(const struct sim *s, const char *expected)
{
	struct sim t = sim_copy(s), pieces = sim_recut(s, 9);

	/* pieces of 9 bytes first, then each operation as a whole over them */
	for (size_t n = 1; n < 30; n++) {
		struct sim u = sim_copy(&pieces);

		for (size_t i = 0; i < u.n; i++)
			if (is_data(&u, i) && i % (n + 1) == n)
				sim_duplicate(&u, i);
		assert_same(&u, expected);
		sim_free(&u);
	}
	sim_free(&t);
	sim_free(&pieces);
}

static void test_overlapping(void **state)
{
	each_scenario(overlap_all);
}

/* Sequence numbers wrap around at any byte of either stream. */
static void test_wrap_around(void **state)
{
	for (int i = 0; i < N_SCENARIOS; i++) {
		for (int role = SONDE_ROLE_CLIENT; role <= SONDE_ROLE_SERVER; role++) {
			struct sim s = play(&scenarios[i], role, 1000, 5000);
			char *expected = sim_run(&s);

			for (uint32_t back = 0; back < 300; back++) {
				struct sim w = play(&scenarios[i], role, 0u - back, 17u - back);
				char *out = sim_run(&w);

				assert_string_equal(out, expected);
				free(out);
				sim_free(&w);
			}
			free(expected);
			sim_free(&s);
		}
	}
}

/* A recording that ends at any record has the transactions that had ended by then. */
static void prefix_all(const struct sim *s, const char *expected)
{
	struct sim t = sim_recut(s, 5);

	for (size_t n = 0; n <= t.n; n++) {
		struct sim_play p = { 0 };

		sim_play_init(&p);
		sim_play(&p, &t, 0, n);
		assert_memory_equal(p.out, expected, p.n_out);
		sim_play_free(&p);
	}
	sim_free(&t);
}

static void test_prefix(void **state)
{
	each_scenario(prefix_all);
}

/* All that is copied is not needed: what the verdicts leave out changes nothing. */
static void obey_all(const struct sim *s, const char *expected)
{
	for (size_t n = 1; n < 60; n += 3) {
		struct sim t = sim_recut(s, n);
		struct sim_play p = { .obeys = true };

		sim_play_init(&p);
		sim_play(&p, &t, 0, t.n);
		assert_string_equal(p.out, expected);
		sim_play_free(&p);
		sim_free(&t);
	}
}

static void test_verdicts_small(void **state)
{
	each_scenario(obey_all);
}

static void big_bodies(struct sim *s, uint64_t cookie, size_t each)
{
	enum sonde_dir req = s->conns[0].role == SONDE_ROLE_SERVER ? SONDE_RX : SONDE_TX;

	sim_request(s, cookie, "POST /up HTTP/1.1\r\nContent-Length: 300000\r\n\r\n");
	sim_repeat(s, cookie, req, 'u', 300000, each);
	sim_response(s, cookie, "HTTP/1.1 200 OK\r\nContent-Length: 500000\r\n\r\n");
	sim_repeat(s, cookie, !req, 'd', 500000, each);
	sim_request(s, cookie, GET);
	sim_response(s, cookie, OK);
	sim_request(s, cookie, "GET /c HTTP/1.0\r\n\r\n");
	sim_response(s, cookie, "HTTP/1.0 200 OK\r\n\r\n");
	sim_repeat(s, cookie, !req, 'e', 400000, each);
	if (s->conns[0].role == SONDE_ROLE_CLIENT)
		sim_eof(s, cookie);
}

/* Bodies left out by verdict: same sizes, same times, and almost no records. */
static void test_verdicts_big(void **state)
{
	static const size_t eaches[] = { 1000, 1448, 4096, 16384, 30001 };

	for (size_t i = 0; i < sizeof(eaches) / sizeof(*eaches); i++) {
		for (int role = SONDE_ROLE_CLIENT; role <= SONDE_ROLE_SERVER; role++) {
			struct sim_play p = { .obeys = true };
			struct sim s;
			char *expected;

			sim_init(&s);
			sim_open(&s, 1, role);
			big_bodies(&s, 1, eaches[i]);
			if (role == SONDE_ROLE_SERVER)
				sim_close(&s, 1, SONDE_CLOSE_LOCAL, 0);
			expected = sim_run(&s);
			assert_int_equal(count_lines(expected), 3);
			sim_play_init(&p);
			sim_play(&p, &s, 0, s.n);
			assert_string_equal(p.out, expected);
			assert_true(p.left_out > s.n * 3 / 4);
			sim_play_free(&p);
			free(expected);
			sim_free(&s);
		}
	}
}

/* Every case of the parser's own tests as a connection, cut in every place. */
static const struct {
	const char *name;
	struct slice bytes[2];
	unsigned errors;
} cases[] = {
#define CASE(name, request, response, requests, responses, errors)   \
	{ name,                                                      \
	  { { (const uint8_t *)(request), sizeof(request) - 1 },     \
	    { (const uint8_t *)(response), sizeof(response) - 1 } }, \
	  errors },
#include "http1_cases.def"
#undef CASE
};

static void test_cases_recut(void **state)
{
	size_t txns = 0;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct sim s;
		char *expected;

		if (cases[i].errors || cases[i].bytes[0].n > 4096 || cases[i].bytes[1].n > 4096)
			continue;
		sim_init(&s);
		sim_open(&s, 1, SONDE_ROLE_SERVER);
		sim_op(&s, 1, SONDE_RX, cases[i].bytes[PROTO_REQUEST]);
		sim_op(&s, 1, SONDE_TX, cases[i].bytes[PROTO_RESPONSE]);
		sim_close(&s, 1, SONDE_CLOSE_LOCAL, 0);
		sim_close(&s, 1, SONDE_CLOSE_DONE, 0);
		expected = sim_run(&s);
		txns += count_lines(expected);
		recut_all(&s, expected);
		cut_at_all(&s, expected);
		free(expected);
		sim_free(&s);
	}
	assert_true(txns > 40);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_recut),	     cmocka_unit_test(test_cut_at_each_byte),
		cmocka_unit_test(test_cases_recut),  cmocka_unit_test(test_swapped_neighbours),
		cmocka_unit_test(test_backwards),    cmocka_unit_test(test_duplicated),
		cmocka_unit_test(test_overlapping),  cmocka_unit_test(test_wrap_around),
		cmocka_unit_test(test_prefix),	     cmocka_unit_test(test_verdicts_small),
		cmocka_unit_test(test_verdicts_big),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
