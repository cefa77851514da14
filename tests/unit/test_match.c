// SPDX-License-Identifier: Apache-2.0
/* Requests with responses, in whichever order they are seen. */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "sim_fixture.h"
#include "stream/exchange.h"
#include "stream/mask.h"

#define HEAD "HEAD /h HTTP/1.1\r\n\r\n"
#define NONE "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"

/* A blocking send is seen when it is over: its answer may be read before. */
static void test_response_first(void **state)
{
	sim_open(&sim, 1, SONDE_ROLE_CLIENT);
	sim_request(&sim, 1, GET);
	sim_response(&sim, 1, OK);
	sim_swap(&sim, 1);
	sim_request(&sim, 1, HEAD);
	sim_response(&sim, 1, NONE);
	sim_swap(&sim, 3);
	sim_request(&sim, 1, GET);
	sim_response(&sim, 1, OK);
	sim_play(&play, &sim, 0, 2);
	assert_int_equal(play.n_txns, 0); /* held: what it answers decides where it ends */
	sim_play(&play, &sim, 2, sim.n);
	assert_int_equal(play.n_txns, 3);
	assert_non_null(strstr(play.out, "HEAD /h 200 20/0 38/0 "));
	for (int l = 0; l < LOSS_MAX; l++)
		assert_int_equal(loss(l), 0);
}

static const char *line_of(const char *what, uint64_t start_ns)
{
	static char text[64];

	sprintf(text, "%s 200 ", what);
	assert_non_null(strstr(play.out, text));
	sprintf(text, " %llu+", (unsigned long long)start_ns);
	return strstr(strstr(play.out, what), text);
}

/* Read together, arrived one after the other: each begins when its own first byte was there. */
static void test_requests_read_together(void **state)
{
	uint32_t n = (uint32_t)strlen(GET);
	struct sonde_ev_data *ev;

	sim_open(&sim, 1, SONDE_ROLE_SERVER);
	sim_rx(&sim, 1, GET HEAD "GET /b HTTP/1.1\r\n\r\n");
	ev = (struct sonde_ev_data *)sim.recs[sim.n - 1];
	ev->late[0] = (struct sonde_late){ 100, ev->seq + n };
	/* within a head: it is that of the next message that begins */
	ev->late[1] = (struct sonde_late){ 200, ev->seq + n + 5 };
	sim_tx(&sim, 1, OK NONE OK);
	sim_play(&play, &sim, 0, sim.n);
	assert_int_equal(play.n_txns, 3);
	assert_non_null(line_of("GET /a", ev->arrival_ns));
	assert_non_null(line_of("HEAD /h", ev->arrival_ns + 100));
	assert_non_null(line_of("GET /b", ev->arrival_ns + 200));
}

/* The same, when the request takes seconds to be sent: 413 before the end of an upload. */
static void test_response_long_before(void **state)
{
	sim_open(&sim, 1, SONDE_ROLE_CLIENT);
	sim_request(&sim, 1, "POST /u HTTP/1.1\r\nContent-Length: 8\r\n\r\n12345678");
	sim_response(&sim, 1, "HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\nno");
	sim_swap(&sim, 1);
	sim_play(&play, &sim, 0, 2);
	conns_tick(play.conns, sim.now_ns + 500000000);
	conns_tick(play.conns, sim.now_ns + 1500000000);
	conns_tick(play.conns, sim.now_ns + 5000000000);
	assert_int_equal(play.n_txns, 0);
	sim_play(&play, &sim, 2, 3);
	assert_int_equal(play.n_txns, 1);
	assert_non_null(strstr(play.out, "POST /u 413 47/8 40/2 "));
	/* and what the parser knows of requests is in step again */
	sim_request(&sim, 1, HEAD);
	sim_response(&sim, 1, NONE);
	sim_request(&sim, 1, GET);
	sim_response(&sim, 1, OK);
	sim_play(&play, &sim, 3, sim.n);
	assert_int_equal(play.n_txns, 3);
}

/* A response that nothing asked for is forgotten, and does not answer what comes later. */
static void test_response_never_asked_for(void **state)
{
	sim_open(&sim, 1, SONDE_ROLE_CLIENT);
	sim_request(&sim, 1, GET);
	sim_response(&sim, 1, OK);
	sim_response(&sim, 1, "HTTP/1.1 408 Idle\r\nContent-Length: 0\r\n\r\n");
	sim_request(&sim, 1, HEAD);
	sim_response(&sim, 1, NONE);
	sim_play(&play, &sim, 0, sim.n);
	assert_int_equal(play.n_txns, 2);
	assert_non_null(strstr(play.out, "HEAD /h 200 20/0 38/0 "));
}

static void test_finished_ones_age_out(void **state)
{
	sim_open(&sim, 1, SONDE_ROLE_CLIENT);
	sim_request(&sim, 1, GET);
	sim_response(&sim, 1, OK);
	sim_swap(&sim, 1);
	sim_play(&play, &sim, 0, 2);
	conns_tick(play.conns, sim.now_ns + 2000000000ULL);
	conns_tick(play.conns, sim.now_ns + 20000000000ULL);
	sim_play(&play, &sim, 2, 3);
	assert_int_equal(play.n_txns, 0);
}

/* The head in one operation, the body in others, the answer before the last of them. */
static void test_early_answer_and_then_more(void **state)
{
	sim_open(&sim, 1, SONDE_ROLE_SERVER);
	sim_request(&sim, 1, "POST /u HTTP/1.1\r\nContent-Length: 30\r\n\r\n0123456789");
	sim_response(&sim, 1, "HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\nno");
	sim_request(&sim, 1, "01234567890123456789");
	sim_request(&sim, 1, GET);
	sim_response(&sim, 1, OK);
	sim_play(&play, &sim, 0, sim.n);
	assert_int_equal(play.n_txns, 2);
	assert_non_null(strstr(play.out, "POST /u 413 50/10 40/2 "));
	assert_non_null(strstr(play.out, "GET /a 200 28/0 40/2 "));
}

/* An upload whose pieces were left out by verdict: the answer's record tells how much was read. */
static void test_early_answer_with_verdict(void **state)
{
	play.obeys = true;
	sim_open(&sim, 1, SONDE_ROLE_SERVER);
	sim_request(&sim, 1, "POST /u HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n");
	sim_repeat(&sim, 1, SONDE_RX, 'x', 50000, 1000);
	sim_response(&sim, 1, "HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\nno");
	sim_play(&play, &sim, 0, sim.n);
	assert_int_equal(play.left_out, 50);
	assert_non_null(strstr(play.out, "POST /u 413 50045/50000 40/2 "));
}

static void test_deep_pipeline(void **state)
{
	enum { N = 2000 };

	sim_open(&sim, 1, SONDE_ROLE_SERVER);
	for (int i = 0; i < N; i++)
		sim_request(&sim, 1, GET);
	for (int i = 0; i < N; i++)
		sim_response(&sim, 1, OK);
	sim_play(&play, &sim, 0, sim.n);
	assert_int_equal(play.n_txns, N);
	for (int l = 0; l < LOSS_MAX; l++)
		assert_int_equal(loss(l), 0);
}

/* Deeper than what is kept: counted, and nothing after it is paired wrongly. */
static void test_too_deep_pipeline(void **state)
{
	enum { N = 20000 };
	size_t lost;

	sim_open(&sim, 1, SONDE_ROLE_SERVER);
	for (int i = 0; i < N; i++)
		sim_request(&sim, 1, GET);
	for (int i = 0; i < N; i++)
		sim_response(&sim, 1, OK);
	sim_play(&play, &sim, 0, sim.n);
	lost = loss(LOSS_PENDING_FULL);
	assert_true(lost > 0);
	assert_int_equal(conns_stats(play.conns)->unknown, 1);
	assert_int_equal(play.n_txns, 0);
}

/* Three exchanges; record `late` is in the ring `after_ns` behind the others, or behind the end. */
static void play_late(enum sonde_role role, size_t late, uint64_t after_ns, bool is_closed)
{
	sim_open(&sim, 1, role);
	for (int i = 0; i < 3; i++) {
		sim_request(&sim, 1, GET);
		sim_response(&sim, 1, OK);
	}
	if (is_closed)
		sim_close(&sim, 1, SONDE_CLOSE_DONE, 0);
	sim_wait(&sim, after_ns);
	sim_append(&sim, sim.recs[late], sim.recs[late]->size);
	sim_remove(&sim, late);
	if (!is_closed)
		sim_close(&sim, 1, SONDE_CLOSE_DONE, 0);
	sim_wait(&sim, 2000000000);
	sim_sweep(&sim, 1);
	sim_play(&play, &sim, 0, sim.n);
}

/* Later than anything is waited for: each exchange is told or lost, and none is both. */
static void test_far_too_late(void **state)
{
	for (int i = 0; i < 24; i++) {
		enum sonde_role role = i & 1 ? SONDE_ROLE_CLIENT : SONDE_ROLE_SERVER;

		teardown(state);
		setup(state);
		play_late(role, (size_t)i / 4 + 1, 5000000000, i & 2);
		if (play.n_txns + loss(LOSS_STREAM_GAP) != 3 || play.n_txns < 2)
			fail_msg("%d: %s", i, play.out);
		assert_int_equal(all_losses(), loss(LOSS_STREAM_GAP));
	}
}

/* A thread that had no CPU between its operation and the record of it, while time went on. */
static void test_late_by_a_tick(void **state)
{
	for (int i = 0; i < 24; i++) {
		enum sonde_role role = i & 1 ? SONDE_ROLE_CLIENT : SONDE_ROLE_SERVER;

		teardown(state);
		setup(state);
		play_late(role, (size_t)i / 4 + 1, 500000000, i & 2);
		if (play.n_txns != 3)
			fail_msg("%d: %s", i, play.out);
		assert_int_equal(all_losses(), 0);
	}
}

/* Two connections at once do not mix. */
static void test_interleaved(void **state)
{
	char text[100];

	for (uint64_t c = 1; c <= 20; c++)
		sim_open(&sim, c, c % 2 ? SONDE_ROLE_SERVER : SONDE_ROLE_CLIENT);
	for (int i = 0; i < 10; i++) {
		for (uint64_t c = 1; c <= 20; c++) {
			snprintf(text, sizeof(text), "GET /%d HTTP/1.1\r\n\r\n", (int)c);
			sim_request(&sim, c, text);
		}
		for (uint64_t c = 20; c >= 1; c--) {
			snprintf(text, sizeof(text),
				 "HTTP/1.1 2%02d OK\r\nContent-Length: 0\r\n\r\n", (int)c);
			sim_response(&sim, c, text);
		}
	}
	sim_play(&play, &sim, 0, sim.n);
	assert_int_equal(play.n_txns, 200);
	for (const char *line = play.out; *line; line = strchr(line, '\n') + 1) {
		int cookie, target, status;

		assert_int_equal(sscanf(line, "%d %*s %*s GET /%d %d", &cookie, &target, &status),
				 3);
		assert_int_equal(cookie, target);
		assert_int_equal(status, 200 + cookie);
	}
}

static void test_mask(void **state)
{
	static const char *const cases[][2] = {
		{ "/a", "/a" },
		{ "/a?", "/a?" },
		{ "/a?b=1&c", "/a?b=1&c" },
		{ "/a?token=x", "/a?token=***" },
		{ "/a?b=1&access_token=x&c=2#f", "/a?b=1&access_token=***&c=2#f" },
		{ "/a?api-key=x;apikey=y;API_KEY=z", "/a?api-key=***;apikey=***;API_KEY=***" },
		{ "/a?key=&password=", "/a?key=***&password=***" },
		{ "/a?%74oken=x&t%6Fken=y", "/a?%74oken=***&t%6Fken=***" },
		{ "/a?X-Amz-Signature=x&X-Amz-Credential=y&X-Amz-Date=d",
		  "/a?X-Amz-Signature=***&X-Amz-Credential=***&X-Amz-Date=d" },
		{ "/a?monkey=1&keyboard=2", "/a?monkey=1&keyboard=2" },
		{ "/a?token", "/a?token" },
		{ "/a;jsessionid=x/b;v=1;sid=y/key=1?b=2&token=z",
		  "/a;jsessionid=***/b;v=1;sid=***/key=***?b=2&token=***" },
		{ "/key=1/token=b?to=/c?token=x/y&d=1", "/key=1/token=b?to=/c?token=***&d=1" },
		{ "/a#access_token=x", "/a#access_token=***" },
		{ "/a?=x&&=&token=", "/a?=x&&=&token=***" },
		{ "http://user:secret@h:80/a?b", "http://***@h:80/a?b" },
		{ "http://h/a@b?sig=1", "http://h/a@b?sig=***" },
		{ "h:443", "h:443" },
		{ "*", "*" },
		{ "", "" },
	};
	char out[1025], longer[5000];

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		size_t n = mask_target(out, sizeof(out), slice_str(cases[i][0]));

		assert_string_equal(out, cases[i][1]);
		assert_int_equal(n, strlen(out));
	}
	memset(longer, 'x', sizeof(longer));
	memcpy(longer, "/?token=", 8);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(mask_target(out, sizeof(out), (struct slice){ 0 }), 0);
	assert_string_equal(out, "");
	assert_int_equal(mask_target(out, sizeof(out), slice_str(longer)), 11);
	longer[1] = 'y';
	assert_int_equal(mask_target(out, sizeof(out), slice_str(longer)), 1024);
}

/* A Host that no host can have names nobody, RFC 9110 7.2, RFC 3986 3.2.2. */
static void test_host(void **state)
{
	static const struct {
		const char *field, *name;
		uint16_t port;
	} cases[] = {
		{ "shop.example:81", "shop.example", 81 },
		{ "shop_1.example", "shop_1.example", 0 },
		{ "[::1]:80", "::1", 80 },
		{ "10.0.0.1", "10.0.0.1", 0 },
		{ "a%20b", "a%20b", 0 },
		{ "", "", 0 },
		{ "a b:80", "", 0 },
		{ "a\x01:80", "", 0 },
		{ "a\x1c", "", 0 },
		{ "\xff\xfe", "", 0 },
		{ "a/b\"c", "", 0 },
	};
	struct pools pools = { 0 };

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct msg msg = { .host = slice_str(cases[i].field) };
		struct request *r = request_new(&pools, &msg);
		struct slice name = request_text(r, REQUEST_HOST);

		assert_int_equal(name.n, strlen(cases[i].name));
		assert_memory_equal(name.p, cases[i].name, name.n);
		assert_int_equal(r->host_port, cases[i].port);
		request_free(&pools, r);
	}
	pools_free(&pools);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_response_first),
		TEST(test_requests_read_together),
		TEST(test_response_long_before),
		TEST(test_response_never_asked_for),
		TEST(test_finished_ones_age_out),
		TEST(test_early_answer_and_then_more),
		TEST(test_early_answer_with_verdict),
		TEST(test_deep_pipeline),
		TEST(test_too_deep_pipeline),
		TEST(test_interleaved),
		TEST(test_far_too_late),
		TEST(test_late_by_a_tick),
		TEST(test_mask),
		TEST(test_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
