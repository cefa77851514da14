/* SPDX-License-Identifier: Apache-2.0 */
/* Responses that go on after their transaction: how long they lived is told when they end. */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "sim.h"
#include "util/clock.h"

#define GET "GET /e HTTP/1.1\r\n\r\n"
#define SSE "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"

/* on_stream is called with the sim_play: what came is kept beside it. */
static struct txn_stream last;
static int n_streams;

static void on_stream(void *ctx, struct txn_stream *s)
{
	last = *s;
	n_streams++;
}

static void play(const struct sim *s, int streams, size_t txns)
{
	struct sim_play p = { .opts.on_stream = on_stream };

	n_streams = 0;
	sim_play_init(&p);
	sim_play(&p, s, 0, s->n);
	assert_int_equal(n_streams, streams);
	assert_int_equal(p.n_txns, txns);
	sim_play_free(&p);
}

static void assert_life(enum txn_stream_kind kind, enum sonde_role role, uint64_t seconds)
{
	assert_int_equal(last.kind, kind);
	assert_int_equal(last.role, role);
	assert_int_equal((last.end_ns - last.start_ns + NS_PER_S / 2) / NS_PER_S, seconds);
}

static void open_stream(struct sim *s, enum sonde_role role, const char *head)
{
	sim_init(s);
	sim_open(s, 1, role);
	sim_request(s, 1, GET);
	sim_response(s, 1, head);
}

static void test_events_until_the_last_chunk(void **state)
{
	for (enum sonde_role role = SONDE_ROLE_CLIENT; role <= SONDE_ROLE_SERVER; role++) {
		struct sim s;

		open_stream(&s, role, SSE "Transfer-Encoding: chunked\r\n\r\n");
		sim_wait(&s, 3 * NS_PER_S);
		sim_response(&s, 1, "5\r\nhello\r\n");
		play(&s, 0, 1); /* the transaction is there, the stream goes on */
		sim_wait(&s, 4 * NS_PER_S);
		sim_response(&s, 1, "0\r\n\r\n");
		play(&s, 1, 1);
		assert_life(TXN_STREAM_SSE, role, 7);
		/* the connection is free for others, whose end ends no stream */
		sim_request(&s, 1, GET);
		sim_response(&s, 1, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
		sim_close(&s, 1, SONDE_CLOSE_DONE, 0);
		play(&s, 1, 2);
		sim_free(&s);
	}
}

static void test_events_until_close(void **state)
{
	struct sim s;

	open_stream(&s, SONDE_ROLE_SERVER, SSE "\r\n");
	sim_response(&s, 1, "data: 1\n\n");
	sim_wait(&s, 5 * NS_PER_S);
	sim_response(&s, 1, "data: 2\n\n");
	sim_close(&s, 1, SONDE_CLOSE_LOCAL, 0);
	sim_close(&s, 1, SONDE_CLOSE_DONE, 0);
	play(&s, 1, 1);
	assert_life(TXN_STREAM_SSE, SONDE_ROLE_SERVER, 5);
	sim_free(&s);
}

static void test_events_cut_off(void **state)
{
	struct sim s;

	open_stream(&s, SONDE_ROLE_SERVER, SSE "Transfer-Encoding: chunked\r\n\r\n");
	sim_wait(&s, 2 * NS_PER_S);
	sim_close(&s, 1, SONDE_CLOSE_RESET, 104);
	play(&s, 1, 1);
	assert_life(TXN_STREAM_SSE, SONDE_ROLE_SERVER, 2);
	sim_free(&s);
}

static void test_websocket(void **state)
{
	struct sim s;

	sim_init(&s);
	sim_open(&s, 1, SONDE_ROLE_SERVER);
	sim_request(&s, 1, "GET /ws HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
	sim_response(&s, 1, "HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n");
	sim_wait(&s, 60 * NS_PER_S);
	sim_response(&s, 1, "\x81\x02hi");
	play(&s, 0, 1);
	sim_close(&s, 1, SONDE_CLOSE_LOCAL, 0);
	sim_close(&s, 1, SONDE_CLOSE_DONE, 0);
	play(&s, 1, 1);
	assert_life(TXN_STREAM_WEBSOCKET, SONDE_ROLE_SERVER, 60);
	sim_free(&s);
}

/* What is no WebSocket is not called one. */
static void test_other_upgrades(void **state)
{
	struct sim s;

	sim_init(&s);
	sim_open(&s, 1, SONDE_ROLE_SERVER);
	sim_request(&s, 1, "POST /attach HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n");
	sim_response(&s, 1, "HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n");
	sim_close(&s, 1, SONDE_CLOSE_DONE, 0);
	play(&s, 0, 1);
	sim_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_events_until_the_last_chunk),
		cmocka_unit_test(test_events_until_close),
		cmocka_unit_test(test_events_cut_off),
		cmocka_unit_test(test_websocket),
		cmocka_unit_test(test_other_upgrades),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
