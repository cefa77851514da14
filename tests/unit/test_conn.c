// SPDX-License-Identifier: Apache-2.0
/* Connections: how they end, which protocol they speak, and that the table stays small. */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "sim_fixture.h"

#define HALF "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nonly a part"

static void run_all(void)
{
	sim_play(&play, &sim, 0, sim.n);
}

static void assert_one(const char *what)
{
	if (play.n_txns != 1 || !strstr(play.out, what))
		fail_msg("not one transaction with \"%s\": %s", what, play.out);
	assert_int_equal(all_losses(), 0);
}

static void assert_no_error(void)
{
	assert_null(strstr(play.out, "error="));
}

/* --- ends --- */

static void test_idle_close_is_nothing(void **state)
{
	sim_open(&sim, 1, SONDE_ROLE_SERVER);
	sim_request(&sim, 1, GET);
	sim_response(&sim, 1, OK);
	sim_close(&sim, 1, SONDE_CLOSE_PEER, 0);
	sim_eof(&sim, 1);
	sim_close(&sim, 1, SONDE_CLOSE_LOCAL, 0);
	sim_close(&sim, 1, SONDE_CLOSE_DONE, 0);
	run_all();
	assert_one("GET /a 200 ");
	assert_no_error();
	assert_int_equal(conns_stats(play.conns)->open, 0);
}

static void test_server_reset_before_answer(void **state)
{
	sim_open(&sim, 1, SONDE_ROLE_SERVER);
	sim_request(&sim, 1, GET);
	sim_close(&sim, 1, SONDE_CLOSE_RESET, ECONNRESET);
	run_all();
	assert_one("GET /a 0 28/0 0/0 1000199300+100700 first 0 error=connection_reset");
}

static void test_server_reset_in_answer(void **state)
{
	sim_open(&sim, 1, SONDE_ROLE_SERVER);
	sim_request(&sim, 1, GET);
	sim_response(&sim, 1, HALF);
	sim_close(&sim, 1, SONDE_CLOSE_RESET, EPIPE);
	run_all();
	assert_one("GET /a 200 28/0 50/11 ");
	assert_non_null(strstr(play.out, " error=connection_reset"));
}

static void test_server_gives_up(void **state)
{
	sim_open(&sim, 1, SONDE_ROLE_SERVER);
	sim_request(&sim, 1, GET);
	sim_close(&sim, 1, SONDE_CLOSE_LOCAL, 0);
	sim_wait(&sim, 1000000);
	sim_close(&sim, 1, SONDE_CLOSE_DONE, 0);
	run_all();
	assert_one("GET /a 0 28/0 0/0 1000199300+100700 first 0 error=connection_reset");
}

static void test_client_closed_on_server(void **state)
{
	sim_open(&sim, 1, SONDE_ROLE_SERVER);
	sim_request(&sim, 1, GET);
	sim_close(&sim, 1, SONDE_CLOSE_PEER, 0);
	sim_close(&sim, 1, SONDE_CLOSE_LOCAL, 0);
	sim_close(&sim, 1, SONDE_CLOSE_DONE, 0);
	run_all();
	assert_one("GET /a 0 28/0 0/0 1000199300+200700 first 0 error=client_closed");
}

/* A half-closed client may still be answered. */
static void test_half_close_is_answered(void **state)
{
	sim_open(&sim, 1, SONDE_ROLE_SERVER);
	sim_request(&sim, 1, GET);
	sim_close(&sim, 1, SONDE_CLOSE_PEER, 0);
	sim_eof(&sim, 1);
	sim_response(&sim, 1, OK);
	sim_close(&sim, 1, SONDE_CLOSE_LOCAL, 0);
	sim_close(&sim, 1, SONDE_CLOSE_DONE, 0);
	run_all();
	assert_one("GET /a 200 28/0 40/2 ");
	assert_no_error();
}

/* Two requests sent ahead of an answer, and who closes behind that one does not wait for the
 * other's end. */
static void answered_once(enum sonde_role role, const char *answer)
{
	teardown(NULL);
	setup(NULL);
	sim_open(&sim, 1, role);
	sim_request(&sim, 1, GET GET);
	sim_response(&sim, 1, answer);
	if (role == SONDE_ROLE_SERVER)
		sim_close(&sim, 1, SONDE_CLOSE_PEER, 0);
	sim_close(&sim, 1, SONDE_CLOSE_LOCAL, 0);
	sim_close(&sim, 1, SONDE_CLOSE_DONE, 0);
	run_all();
	assert_int_equal(play.n_txns, 2);
	assert_int_equal(all_losses(), 0);
}

/* RFC 9112, 9.6: what was sent behind the request that "close" answers is not processed; both ends
 * call that the same, whichever of them closes first. */
static void test_the_last_answer(void **state)
{
	static const char last[] = "HTTP/1.1 200 OK\r\nConnection: close\r\n"
				   "Content-Length: 2\r\n\r\nok";

	answered_once(SONDE_ROLE_SERVER, last);
	assert_non_null(strstr(play.out, "GET /a 0 "));
	assert_non_null(strstr(strstr(play.out, "GET /a 0 "), "error=connection_reset"));
	answered_once(SONDE_ROLE_CLIENT, last);
	assert_non_null(strstr(play.out, "GET /a 0 "));
	/* and it is lost when that answer has ended, long before anybody closes */
	assert_non_null(strstr(strstr(play.out, "GET /a 0 "), " 1000199100+100900 "));
	assert_non_null(strstr(strstr(play.out, "GET /a 0 "), "error=connection_reset"));
	answered_once(SONDE_ROLE_SERVER, OK);
	assert_non_null(strstr(play.out, "error=client_closed"));
	answered_once(SONDE_ROLE_CLIENT, OK);
	assert_no_error();
}

static void test_client_is_reset(void **state)
{
	sim_open(&sim, 1, SONDE_ROLE_CLIENT);
	sim_request(&sim, 1, GET);
	sim_response(&sim, 1, HALF);
	sim_close(&sim, 1, SONDE_CLOSE_RESET, ECONNRESET);
	sim_wait(&sim, 1000000000);
	run_all();
	assert_one("client 1.1 GET /a 200 28/0 50/11 ");
	assert_non_null(strstr(play.out, " error=connection_reset"));
}

static void test_client_times_out(void **state)
{
	sim_open(&sim, 1, SONDE_ROLE_CLIENT);
	sim_request(&sim, 1, GET);
	sim_close(&sim, 1, SONDE_CLOSE_RESET, ETIMEDOUT);
	sim_wait(&sim, 1000000000);
	run_all();
	assert_one("error=timeout");
}

static void test_peer_closes_without_answer(void **state)
{
	sim_open(&sim, 1, SONDE_ROLE_CLIENT);
	sim_request(&sim, 1, GET);
	sim_close(&sim, 1, SONDE_CLOSE_PEER, 0);
	sim_eof(&sim, 1);
	sim_close(&sim, 1, SONDE_CLOSE_LOCAL, 0);
	sim_close(&sim, 1, SONDE_CLOSE_DONE, 0);
	run_all();
	/* it ended when the peer's FIN came */
	assert_one("GET /a 0 28/0 0/0 1000199100+100900 first 0 error=connection_reset");
}

/* A send is seen when it is over, and then the reset that it brought about has been seen. */
static void test_reset_within_a_send(void **state)
{
	sim_open(&sim, 1, SONDE_ROLE_SERVER);
	sim_request(&sim, 1, GET);
	sim_response(&sim, 1, OK);
	sim_close(&sim, 1, SONDE_CLOSE_RESET, EPIPE);
	sim_swap(&sim, 2);
	sim_eof(&sim, 1);
	run_all();
	assert_one("GET /a 200 28/0 40/2 1000199300+100600 first 1000299100\n");
	assert_int_equal(conns_stats(play.conns)->open, 0);
}

/* Nor is a body that need not be read another connection, when its send is over that late. */
static void test_reset_within_a_body(void **state)
{
	sim_open(&sim, 1, SONDE_ROLE_SERVER);
	sim_request(&sim, 1, GET);
	sim_response(&sim, 1, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n");
	sim.flags = SONDE_F_NO_BYTES; /* sendfile(2) */
	sim_response(&sim, 1, "hello\n");
	sim.flags = 0;
	sim_close(&sim, 1, SONDE_CLOSE_RESET, EPIPE);
	sim_swap(&sim, 3);
	run_all();
	assert_one("GET /a 200 28/0 ");
	assert_no_error();
	assert_int_equal(conns_stats(play.conns)->open, 0);
}

/* What the peer sent before it reset the connection is still read. */
static void test_read_after_reset(void **state)
{
	sim_open(&sim, 1, SONDE_ROLE_CLIENT);
	sim_request(&sim, 1, GET);
	sim_close(&sim, 1, SONDE_CLOSE_PEER, 0);
	sim_close(&sim, 1, SONDE_CLOSE_RESET, EPIPE);
	sim_response(&sim, 1, OK);
	sim_eof(&sim, 1);
	run_all();
	assert_one("GET /a 200 28/0 40/2 ");
	assert_no_error();
	assert_int_equal(conns_stats(play.conns)->open, 0);
}

/* A client says all it has to say, and reads when its server has closed. */
static void test_read_when_all_is_over(void **state)
{
	sim_open(&sim, 1, SONDE_ROLE_CLIENT);
	sim_request(&sim, 1, GET);
	sim_close(&sim, 1, SONDE_CLOSE_LOCAL, 0);
	sim.close_flags = SONDE_F_UNREAD;
	sim_close(&sim, 1, SONDE_CLOSE_DONE, 0);
	sim_response(&sim, 1, OK);
	sim_eof(&sim, 1);
	run_all();
	assert_one("GET /a 200 28/0 40/2 ");
	assert_no_error();
	assert_int_equal(conns_stats(play.conns)->open, 0);
}

/* It may as well never read it. */
static void test_never_read(void **state)
{
	sim_open(&sim, 1, SONDE_ROLE_CLIENT);
	sim_request(&sim, 1, GET);
	sim_close(&sim, 1, SONDE_CLOSE_LOCAL, 0);
	sim.close_flags = SONDE_F_UNREAD;
	sim_close(&sim, 1, SONDE_CLOSE_DONE, 0);
	run_all();
	assert_int_equal(play.n_txns, 0);
	conns_tick(play.conns, sim.now_ns + 2000000000);
	assert_one("GET /a 0 28/0 0/0 ");
	assert_no_error();
	assert_int_equal(all_losses(), 0);
	assert_int_equal(conns_stats(play.conns)->open, 0);
}

/* Nothing comes any more: the time of the end is that of the reset, not that of giving up. */
static void test_nothing_after_reset(void **state)
{
	sim_open(&sim, 1, SONDE_ROLE_SERVER);
	sim_request(&sim, 1, GET);
	sim_response(&sim, 1, OK);
	sim_close(&sim, 1, SONDE_CLOSE_RESET, EPIPE);
	sim_remove(&sim, 2);
	sim_wait(&sim, 10000000);
	run_all();
	assert_int_equal(conns_stats(play.conns)->open, 1);
	conns_tick(play.conns, sim.now_ns + 1000000000);
	assert_int_equal(conns_stats(play.conns)->open, 0);
	assert_int_equal(play.n_txns, 0);
	assert_int_equal(loss(LOSS_STREAM_GAP), 1);
}

/* Nor does it when sonde ends: what a connection waits for is told of as it stands. */
static void test_end_of_the_run(void **state)
{
	sim_open(&sim, 1, SONDE_ROLE_SERVER);
	sim_request(&sim, 1, GET);
	sim_response(&sim, 1, OK);
	sim_request(&sim, 1, GET);
	sim_response(&sim, 1, OK);
	sim_close(&sim, 1, SONDE_CLOSE_RESET, EPIPE);
	sim_remove(&sim, 4); /* the second response */
	sim_open(&sim, 2, SONDE_ROLE_SERVER);
	sim_request(&sim, 2, GET); /* in flight */
	run_all();
	assert_int_equal(play.n_txns, 1);
	assert_int_equal(conns_stats(play.conns)->open, 2);
	conns_finish(play.conns);
	assert_int_equal(play.n_txns, 1);
	assert_int_equal(loss(LOSS_STREAM_GAP), 1);
	assert_int_equal(conns_stats(play.conns)->open, 1);
}

/* And a record that came too early is told of behind its hole. */
static void test_early_at_the_end_of_the_run(void **state)
{
	sim_open(&sim, 1, SONDE_ROLE_SERVER);
	sim_request(&sim, 1, GET);
	sim_response(&sim, 1, OK);
	sim_request(&sim, 1, GET);
	sim_response(&sim, 1, OK);
	sim_request(&sim, 1, GET);
	sim_response(&sim, 1, OK);
	sim_remove(&sim, 3);
	run_all();
	assert_int_equal(play.n_txns, 1);
	conns_finish(play.conns);
	assert_int_equal(play.n_txns, 2);
	assert_true(all_losses() > 0);
}

static void test_client_gives_up(void **state)
{
	sim_open(&sim, 1, SONDE_ROLE_CLIENT);
	sim_request(&sim, 1, GET);
	sim_close(&sim, 1, SONDE_CLOSE_LOCAL, 0);
	sim_close(&sim, 1, SONDE_CLOSE_RESET, ECONNRESET); /* its late bytes were refused */
	run_all();
	assert_one("GET /a 0 28/0 0/0 1000199100+100900 ");
	assert_no_error();
}

static void test_client_aborts(void **state)
{
	sim_open(&sim, 1, SONDE_ROLE_CLIENT);
	sim_request(&sim, 1, GET);
	sim_response(&sim, 1, HALF);
	sim_close(&sim, 1, SONDE_CLOSE_RESET, 0); /* closed with bytes unread */
	run_all();
	assert_one("GET /a 200 28/0 50/11 ");
	assert_no_error();
}

static void test_half_a_request_is_nothing(void **state)
{
	sim_open(&sim, 1, SONDE_ROLE_SERVER);
	sim_request(&sim, 1, "GET /a HTTP/1.1\r\nHost:");
	sim_close(&sim, 1, SONDE_CLOSE_PEER, 0);
	sim_close(&sim, 1, SONDE_CLOSE_DONE, 0);
	run_all();
	assert_int_equal(play.n_txns, 0);
	assert_int_equal(all_losses(), 0);
}

static void test_truncated_upload(void **state)
{
	sim_open(&sim, 1, SONDE_ROLE_SERVER);
	sim_request(&sim, 1, "POST /u HTTP/1.1\r\nContent-Length: 1000\r\n\r\nonly this");
	sim_close(&sim, 1, SONDE_CLOSE_PEER, 0);
	sim_eof(&sim, 1);
	sim_close(&sim, 1, SONDE_CLOSE_LOCAL, 0);
	sim_close(&sim, 1, SONDE_CLOSE_DONE, 0);
	run_all();
	assert_one("POST /u 0 51/9 0/0 ");
	assert_non_null(strstr(play.out, "error=client_closed"));
}

/* A status line names the highest version of the server, not that of the exchange. */
static void test_version_is_the_lower(void **state)
{
	sim_open(&sim, 1, SONDE_ROLE_SERVER);
	sim_request(&sim, 1, "GET /old HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
	sim_response(&sim, 1, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	sim_request(&sim, 1, "GET /new HTTP/1.1\r\n\r\n");
	sim_response(&sim, 1, "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n");
	run_all();
	assert_non_null(strstr(play.out, "server 1.0 GET /old 200 "));
	assert_non_null(strstr(play.out, "server 1.0 GET /new 200 "));
}

/* Two heads in a row, each longer than what is copied, the end of a body between them. */
static void test_cut_heads_in_a_row(void **state)
{
	char answer[4096];
	int head = snprintf(answer, sizeof(answer), "HTTP/1.1 200 OK\r\nX-Long: ");

	memset(answer + head, 'h', 3000);
	snprintf(answer + head + 3000, sizeof(answer) - (size_t)head - 3000,
		 "\r\nContent-Length: 30\r\n\r\n%030d", 0);
	sim_open(&sim, 1, SONDE_ROLE_SERVER);
	sim.copy_max = 1024;
	for (int i = 0; i < 4; i++) {
		sim_request(&sim, 1, "GET /h HTTP/1.1\r\nHost: a\r\n\r\n");
		sim_response(&sim, 1, i < 3 ? answer : "HTTP/1.1 204 No\r\n\r\n");
	}
	run_all();
	assert_int_equal(play.n_txns, 4);
}

/* A body that only the end ends must end in order. */
static void test_until_close_is_reset(void **state)
{
	for (uint64_t c = 1; c <= 2; c++) {
		sim_open(&sim, c, c == 1 ? SONDE_ROLE_SERVER : SONDE_ROLE_CLIENT);
		sim_request(&sim, c, "GET /c HTTP/1.0\r\n\r\n");
		sim_response(&sim, c, "HTTP/1.0 200 OK\r\n\r\nabc");
		sim_close(&sim, c, SONDE_CLOSE_RESET, ECONNRESET);
	}
	sim_wait(&sim, 1000000000);
	run_all();
	assert_int_equal(play.n_txns, 2);
	assert_non_null(strstr(play.out, "1 server 1.0 GET /c 200 19/0 22/3 "));
	assert_non_null(strstr(play.out, "2 client 1.0 GET /c 200 19/0 22/3 "));
	assert_non_null(
		strstr(strstr(play.out, "error=connection_reset") + 1, "error=connection_reset"));
}

/* A server that closes with a request's body unread aborts, and yet has answered. */
static void test_until_close_with_unread_bytes(void **state)
{
	sim_open(&sim, 1, SONDE_ROLE_SERVER);
	sim_request(&sim, 1, "POST /c HTTP/1.0\r\nContent-Length: 50000\r\n\r\n");
	sim_response(&sim, 1, "HTTP/1.0 413 No\r\n\r\nabc");
	sim_close(&sim, 1, SONDE_CLOSE_RESET, 0);
	run_all();
	assert_one("POST /c 413 43/0 22/3 ");
	assert_no_error();
}

static void test_lost_close(void **state)
{
	sim_open(&sim, 1, SONDE_ROLE_SERVER);
	sim_request(&sim, 1, GET);
	sim_sweep(&sim, 1);
	run_all();
	assert_int_equal(play.n_txns, 0);
	assert_int_equal(loss(LOSS_RESPONSE_MISSING), 1);
	assert_int_equal(conns_stats(play.conns)->open, 0);
}

/* No record tells the end of a unix socket: the sweep does. */
static void test_unix_socket(void **state)
{
	for (int role = SONDE_ROLE_CLIENT; role <= SONDE_ROLE_SERVER; role++) {
		uint64_t c = (uint64_t)role;

		sim_open_at(&sim, c, role, SONDE_FAMILY_UNIX, SONDE_F_FRESH, 0, 0);
		sim_request(&sim, c, GET);
		sim_response(&sim, c, OK);
		sim_request(&sim, c, "GET /c HTTP/1.0\r\n\r\n");
		sim_response(&sim, c, "HTTP/1.0 200 OK\r\n\r\nabc");
		if (role == SONDE_ROLE_CLIENT)
			sim_eof(&sim, c);
		sim_sweep(&sim, c);
	}
	run_all();
	assert_int_equal(play.n_txns, 4);
	assert_no_error();
	assert_non_null(strstr(play.out, "1 client 1.0 GET /c 200 19/0 22/3 "));
	assert_non_null(strstr(play.out, "2 server 1.0 GET /c 200 19/0 22/3 "));
	assert_int_equal(all_losses(), 0);
}

static void test_failed_connects(void **state)
{
	static const struct {
		uint32_t error;
		const char *line;
	} cases[] = {
		{ ECONNREFUSED, "client  connect  0 0/0 0/0 500+1000 first 0 error=refused" },
		{ ETIMEDOUT, "error=timeout" },
		{ ECONNRESET, "error=reset" },
		{ EHOSTUNREACH, "error=unreachable" },
		{ ENETUNREACH, "error=unreachable" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct sonde_ev_connect ev = {
			.h = { SONDE_EV_CONNECT, 0, sizeof(ev), 1500 },
			.connect_ns = 500,
			.error = cases[i].error,
			.family = SONDE_FAMILY_IPV4,
		};

		play.n_out = 0;
		conns_connect(play.conns, &ev);
		assert_non_null(strstr(play.out, cases[i].line));
	}
	assert_int_equal(conns_stats(play.conns)->connects_failed, 5);
}

/* --- detection --- */

static void test_joined_in_the_middle(void **state)
{
	/* a keep-alive connection between two exchanges, its ends not known */
	sim_open_at(&sim, 1, SONDE_ROLE_UNKNOWN, SONDE_FAMILY_IPV4, 0, 77, 88);
	sim_rx(&sim, 1, GET);
	sim_tx(&sim, 1, OK);
	sim_open_at(&sim, 2, SONDE_ROLE_UNKNOWN, SONDE_FAMILY_IPV4, 0, 77, 88);
	sim_tx(&sim, 2, GET);
	sim_rx(&sim, 2, OK);
	run_all();
	assert_int_equal(play.n_txns, 2);
	assert_non_null(strstr(play.out, "1 server 1.1 GET /a 200 28/0 40/2 "));
	assert_non_null(strstr(play.out, "2 client 1.1 GET /a 200 28/0 40/2 "));
	assert_int_equal(all_losses(), 0);
}

static void test_joined_within_an_exchange(void **state)
{
	sim_open_at(&sim, 1, SONDE_ROLE_UNKNOWN, SONDE_FAMILY_IPV4, 0, 77, 88);
	sim_tx(&sim, 1, OK);
	sim_rx(&sim, 1, GET);
	sim_tx(&sim, 1, OK);
	/* and one within bodies */
	sim_open_at(&sim, 2, SONDE_ROLE_UNKNOWN, SONDE_FAMILY_IPV4, 0, 77, 88);
	sim_rx(&sim, 2, "the rest of an upload");
	sim_tx(&sim, 2, "the rest of a download");
	sim_rx(&sim, 2, GET);
	sim_tx(&sim, 2, OK);
	run_all();
	assert_int_equal(play.n_txns, 2);
	assert_non_null(strstr(play.out, "1 server 1.1 GET /a 200 28/0 40/2 "));
	assert_non_null(strstr(play.out, "2 server 1.1 GET /a 200 28/0 40/2 "));
	assert_int_equal(loss(LOSS_JOINED_MIDDLE), 1);
	assert_int_equal(all_losses(), 1);
}

static void test_open_was_lost(void **state)
{
	sim_open(&sim, 1, SONDE_ROLE_SERVER);
	sim_request(&sim, 1, GET);
	sim_response(&sim, 1, OK);
	sim_remove(&sim, 0);
	run_all();
	assert_one("1 server 1.1 GET /a 200 28/0 40/2 ");
}

static void test_open_comes_twice_and_late(void **state)
{
	sim_open(&sim, 1, SONDE_ROLE_SERVER);
	sim_request(&sim, 1, GET);
	sim_swap(&sim, 0);
	sim_duplicate(&sim, 1);
	sim_response(&sim, 1, OK);
	run_all();
	assert_one("1 server 1.1 GET /a 200 28/0 40/2 ");
}

static void test_encrypted(void **state)
{
	static const uint8_t hello[] = { 0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc };
	static const uint8_t data[] = { 0x17, 3, 3, 0, 0x20, 9, 9, 9 };
	static const uint8_t alert[] = { 0x15, 3, 3, 0, 2, 2, 40 };

	sim_open(&sim, 1, SONDE_ROLE_CLIENT);
	sim_op(&sim, 1, SONDE_TX, (struct slice){ hello, sizeof(hello) });
	/* as long as there is a handshake to follow, all is wanted */
	sim_op(&sim, 1, SONDE_RX, (struct slice){ alert, sizeof(alert) });
	sim_open_at(&sim, 2, SONDE_ROLE_UNKNOWN, SONDE_FAMILY_IPV4, 0, 1, 1);
	sim_op(&sim, 2, SONDE_RX, (struct slice){ data, sizeof(data) });
	sim_open(&sim, 3, SONDE_ROLE_SERVER); /* one byte at a time */
	for (size_t i = 0; i < sizeof(hello); i++)
		sim_op(&sim, 3, SONDE_RX, (struct slice){ hello + i, 1 });
	run_all();
	assert_int_equal(conns_stats(play.conns)->encrypted, 3);
	/* nothing is wanted of them for a long while, either way */
	for (int d = SONDE_TX; d <= SONDE_RX; d++)
		assert_true(play.verdicts[1].until[d] & SONDE_UNTIL);
	assert_int_equal((uint32_t)play.verdicts[1].until[SONDE_TX],
			 1000 + sizeof(hello) + (16 << 20));
	assert_int_equal(all_losses(), 0);
}

static void test_unknown(void **state)
{
	sim_open(&sim, 1, SONDE_ROLE_SERVER);
	sim_rx(&sim, 1, "@1\r\n$4\r\nPING\r\n");
	sim_open(&sim, 2, SONDE_ROLE_SERVER); /* the server speaks first */
	sim_tx(&sim, 2, "220 mail.example ESMTP\r\n");
	run_all();
	assert_int_equal(conns_stats(play.conns)->unknown, 2);
	assert_int_equal(conns_stats(play.conns)->bytes_observed[PROTO_UNKNOWN], 14 + 24);
	assert_int_equal(all_losses(), 0);
}

/* A verdict in the far is renewed when it is reached. */
static void test_unknown_stays_cheap(void **state)
{
	size_t records;

	play.obeys = true;
	sim_open(&sim, 1, SONDE_ROLE_SERVER);
	sim_rx(&sim, 1, "@1\r\n$4\r\nPING\r\n");
	sim_repeat(&sim, 1, SONDE_TX, 'x', 100 << 20, 1 << 18);
	sim_close(&sim, 1, SONDE_CLOSE_DONE, 0);
	records = sim.n;
	run_all();
	assert_true(records > 400);
	assert_true(play.left_out > records - 16);
	assert_int_equal(conns_stats(play.conns)->bytes_observed[PROTO_UNKNOWN], (100 << 20) + 14);
}

static void test_upgraded_stays_cheap(void **state)
{
	play.obeys = true;
	sim_open(&sim, 1, SONDE_ROLE_SERVER);
	sim_rx(&sim, 1, "GET /ws HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
	sim_tx(&sim, 1, "HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n");
	sim_repeat(&sim, 1, SONDE_TX, 'x', 1 << 20, 1 << 10);
	sim_close(&sim, 1, SONDE_CLOSE_DONE, 0);
	run_all();
	assert_one("GET /ws 101 ");
	assert_true(play.left_out >= 1024);
	assert_int_equal(conns_stats(play.conns)->bytes_observed[PROTO_HTTP1],
			 conns_stats(play.conns)->bytes_attributed[PROTO_HTTP1]);
}

/* What is copied of responses follows the longest head. */
static void test_copy_caps(void **state)
{
	char text[2500];

	sim_open(&sim, 1, SONDE_ROLE_SERVER);
	sim_request(&sim, 1, GET);
	run_all();
	assert_int_equal(play.verdicts[1].copy[SONDE_TX], 0);
	sim_response(&sim, 1, OK);
	sim_play(&play, &sim, sim.n - 1, sim.n);
	assert_int_equal(play.verdicts[1].copy[SONDE_TX], 2048);
	assert_int_equal(play.verdicts[1].copy[SONDE_RX], 0);
	sim_request(&sim, 1, GET);
	snprintf(text, sizeof(text), "HTTP/1.1 204 No\r\nX: %02000d\r\n\r\n", 0);
	sim_response(&sim, 1, text);
	sim_play(&play, &sim, sim.n - 2, sim.n);
	assert_int_equal(play.verdicts[1].copy[SONDE_TX], 4096);
	sim_request(&sim, 1, GET);
	sim_response(&sim, 1, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n");
	sim_play(&play, &sim, sim.n - 2, sim.n);
	assert_int_equal(play.verdicts[1].copy[SONDE_TX], 0);
}

/* The answers to pipelined requests may be read in one operation: all of it is wanted. */
static void test_pipelined_is_copied_whole(void **state)
{
	sim_open(&sim, 1, SONDE_ROLE_CLIENT);
	sim_request(&sim, 1, GET GET GET);
	sim_response(&sim, 1, OK);
	run_all();
	assert_int_equal(play.n_txns, 1);
	assert_int_equal(play.verdicts[1].copy[SONDE_RX], 0);
	sim_response(&sim, 1, OK OK);
	sim_play(&play, &sim, sim.n - 1, sim.n);
	assert_int_equal(play.n_txns, 3);
	assert_int_equal(play.verdicts[1].copy[SONDE_RX], 0);
}

/* --- the table --- */

static void test_eviction(void **state)
{
	sim_play_free(&play);
	play = (struct sim_play){ .opts = { .max = 10 } };
	sim_play_init(&play);
	for (uint64_t c = 1; c <= 30; c++) {
		sim_open(&sim, c, SONDE_ROLE_SERVER);
		sim_request(&sim, c, GET);
		if (c % 3)
			sim_response(&sim, c, OK);
	}
	run_all();
	assert_int_equal(conns_stats(play.conns)->open, 10);
	assert_int_equal(conns_stats(play.conns)->evicted, 20);
	assert_int_equal(loss(LOSS_CONNECTIONS_FULL), 6); /* of the first 20 every third */
	assert_int_equal(play.n_txns, 20);
}

static void test_least_recently_used_goes(void **state)
{
	uint64_t cookies[4];

	sim_play_free(&play);
	play = (struct sim_play){ .opts = { .max = 3 } };
	sim_play_init(&play);
	for (uint64_t c = 1; c <= 3; c++)
		sim_open(&sim, c, SONDE_ROLE_SERVER);
	sim_request(&sim, 1, GET);
	sim_open(&sim, 4, SONDE_ROLE_SERVER);
	run_all();
	assert_int_equal(conns_cookies(play.conns, cookies, 4), 3);
	assert_int_equal(cookies[0], 3);
	assert_int_equal(cookies[1], 1);
	assert_int_equal(cookies[2], 4);
}

static void on_inflight(void *ctx, const struct conn_inflight *r)
{
	++*(int *)ctx;
	assert_int_equal(r->role, SONDE_ROLE_SERVER);
	assert_string_equal(r->method, "GET");
}

static void test_inflight(void **state)
{
	int n = 0;

	sim_open(&sim, 1, SONDE_ROLE_SERVER);
	sim_request(&sim, 1, GET);
	sim_response(&sim, 1, HALF);
	sim_open(&sim, 2, SONDE_ROLE_SERVER);
	sim_request(&sim, 2, GET GET);
	sim_open(&sim, 3, SONDE_ROLE_SERVER);
	sim_request(&sim, 3, GET);
	sim_response(&sim, 3, OK);
	run_all();
	conns_each_inflight(play.conns, on_inflight, &n);
	assert_int_equal(n, 3);
}

struct so_far {
	char text[512];
	size_t n;
};

static void on_oldest(void *ctx, struct txn *t)
{
	uint64_t queued = t->waits.receive_queue_ns;
	struct so_far *s = ctx;

	assert_null(t->unit);
	assert_string_equal(t->error_type, "");
	assert_int_equal(queued == TXN_WAIT_UNKNOWN, t->role == SONDE_ROLE_CLIENT);
	assert_int_equal((queued == TXN_WAIT_UNKNOWN ? 0 : queued) + t->waits.unknown_ns,
			 txn_duration_ns(t));
	s->n += (size_t)snprintf(s->text + s->n, sizeof(s->text) - s->n, "%s %s %d %s; ", t->method,
				 t->target, t->status, t->first_response_ns ? "begun" : "silent");
}

/* A request that is stuck is there while it is, the oldest first, whatever came meanwhile. */
static void test_oldest_inflight(void **state)
{
	struct so_far all = { 0 }, two = { 0 };

	sim_open(&sim, 1, SONDE_ROLE_SERVER);
	sim_open(&sim, 2, SONDE_ROLE_SERVER);
	sim_open(&sim, 3, SONDE_ROLE_CLIENT);
	sim_request(&sim, 2, "GET /stuck HTTP/1.1\r\nHost: h\r\n\r\n");
	sim_wait(&sim, 40 * 1000000000ULL);
	sim_request(&sim, 1, GET);
	sim_response(&sim, 1, HALF);
	sim_request(&sim, 3, "PUT /c HTTP/1.1\r\nHost: h\r\n\r\n");
	run_all();
	assert_int_equal(conns_each_oldest(play.conns, 9, sim.now_ns, on_oldest, &all), 3);
	assert_string_equal(all.text, "GET /stuck 0 silent; GET /a 200 begun; PUT /c 0 silent; ");
	assert_int_equal(conns_each_oldest(play.conns, 2, sim.now_ns, on_oldest, &two), 2);
	assert_string_equal(two.text, "GET /stuck 0 silent; GET /a 200 begun; ");
	assert_int_equal(conns_each_oldest(play.conns, 0, sim.now_ns, on_oldest, &two), 0);
}

/* 10,000 idle keep-alive connections, each after an exchange. */
static void test_memory(void **state)
{
	enum { CONNS = 10000 };
	struct mallinfo2 before, after;
	size_t each;

	sim_open(&sim, 1, SONDE_ROLE_SERVER);
	sim_request(&sim, 1, GET);
	sim_response(&sim, 1, OK);
	before = mallinfo2();
	for (uint64_t c = 1; c <= CONNS; c++) {
		for (size_t i = 0; i < sim.n; i++) {
			/* the cookie is where the kinds all have it */
			((struct sonde_ev_open *)sim.recs[i])->cookie = c;
			sim_play(&play, &sim, i, i + 1);
		}
		play.n_out = 0;
	}
	after = mallinfo2();
	each = (after.uordblks + after.hblkhd - before.uordblks - before.hblkhd) / CONNS;
	if (each > 1024)
		fail_msg("%zu bytes for each idle connection", each);
	assert_int_equal(play.n_txns, CONNS);
	assert_int_equal(conns_stats(play.conns)->parsed, CONNS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_idle_close_is_nothing),
		TEST(test_server_reset_before_answer),
		TEST(test_server_reset_in_answer),
		TEST(test_server_gives_up),
		TEST(test_client_closed_on_server),
		TEST(test_half_close_is_answered),
		TEST(test_the_last_answer),
		TEST(test_client_is_reset),
		TEST(test_client_times_out),
		TEST(test_peer_closes_without_answer),
		TEST(test_reset_within_a_send),
		TEST(test_reset_within_a_body),
		TEST(test_read_after_reset),
		TEST(test_read_when_all_is_over),
		TEST(test_never_read),
		TEST(test_nothing_after_reset),
		TEST(test_end_of_the_run),
		TEST(test_early_at_the_end_of_the_run),
		TEST(test_client_gives_up),
		TEST(test_client_aborts),
		TEST(test_half_a_request_is_nothing),
		TEST(test_truncated_upload),
		TEST(test_version_is_the_lower),
		TEST(test_cut_heads_in_a_row),
		TEST(test_until_close_is_reset),
		TEST(test_until_close_with_unread_bytes),
		TEST(test_lost_close),
		TEST(test_unix_socket),
		TEST(test_failed_connects),
		TEST(test_joined_in_the_middle),
		TEST(test_joined_within_an_exchange),
		TEST(test_open_was_lost),
		TEST(test_open_comes_twice_and_late),
		TEST(test_encrypted),
		TEST(test_unknown),
		TEST(test_unknown_stays_cheap),
		TEST(test_upgraded_stays_cheap),
		TEST(test_copy_caps),
		TEST(test_pipelined_is_copied_whole),
		TEST(test_eviction),
		TEST(test_least_recently_used_goes),
		TEST(test_inflight),
		TEST(test_oldest_inflight),
		TEST(test_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
