// SPDX-License-Identifier: Apache-2.0
/* Exact or counted: whatever finds no room in the ring, what was sent is what is counted and what
 * is known to be lost. */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "sim.h"

#define GET "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
#define OK  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

/* Deterministic, so that what fails once fails again. */
static uint32_t rnd(uint32_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 17;
	*x ^= *x << 5;
	return *x;
}

static uint64_t loss(const struct sim_play *p, enum loss l)
{
	return conns_stats(p->conns)->losses.n[l];
}

/* Request i, and a response that cannot be mistaken for another's. */
static void request(struct sim *s, uint64_t cookie, int i)
{
	char text[128];

	snprintf(text, sizeof(text), "GET /r%d HTTP/1.1\r\nX-Request-ID: %d\r\n\r\n", i, i);
	sim_request(s, cookie, text);
}

static void response(struct sim *s, uint64_t cookie, int i)
{
	char text[128];

	snprintf(text, sizeof(text),
		 "HTTP/1.1 200 OK\r\nX-Request-ID: %d\r\nContent-Length: %d\r\n\r\n%.*s", i, i % 7,
		 i % 7, "0123456");
	sim_response(s, cookie, text);
}

static void exchange(struct sim *s, uint64_t cookie, int i)
{
	request(s, cookie, i);
	response(s, cookie, i);
}

/* Requests on several connections, one operation each way, turn by turn. */
static size_t workload(struct sim *s, enum sonde_role role, uint32_t *seed)
{
	size_t sent = 0;

	sim_init(s);
	for (uint64_t c = 1; c <= 8; c++)
		sim_open(s, c, role);
	for (int i = 0; i < 200; i++) {
		exchange(s, 1 + rnd(seed) % 8, i);
		sent++;
	}
	for (uint64_t c = 1; c <= 8; c++)
		sim_close(s, c, SONDE_CLOSE_DONE, 0);
	sim_wait(s, 20000000000ULL);
	return sent;
}

static bool is_request(const struct sim *s, size_t i)
{
	const struct sonde_ev_data *ev = (const void *)s->recs[i];

	return (ev->dir == SONDE_RX) == (s->conns[0].role == SONDE_ROLE_SERVER);
}

/* Each transaction's request and response must be of the same exchange. */
static void assert_pairs(const char *out)
{
	for (const char *line = out; *line; line = strchr(line, '\n') + 1) {
		int target, id, status, request, response, body;

		assert_int_equal(sscanf(line, "%*d %*s %*s GET /r%d id=%d %d %d/%*d %d/%d", &target,
					&id, &status, &request, &response, &body),
				 6);
		assert_int_equal(target, id);
		assert_int_equal(body, target % 7);
	}
}

static void test_ring_full(void **state)
{
	uint32_t seed = 42;

	for (int round = 0; round < 400; round++) {
		enum sonde_role role = round % 2 ? SONDE_ROLE_SERVER : SONDE_ROLE_CLIENT;
		size_t sent, ring_full = 0, i = 0;
		uint32_t percent = rnd(&seed) % 60;
		struct sim_play p = { 0 };
		struct sim s;

		sent = workload(&s, role, &seed);
		while (i < s.n) {
			if (s.recs[i]->kind != SONDE_EV_DATA || rnd(&seed) % 100 >= percent) {
				i++;
				continue;
			}
			ring_full += is_request(&s, i); /* those the kernel counts */
			sim_lose(&s, i);
		}
		sim_play_init(&p);
		sim_play(&p, &s, 0, s.n);
		assert_pairs(p.out);
		assert_int_equal(p.n_txns + ring_full + loss(&p, LOSS_RESPONSE_MISSING), sent);
		assert_int_equal(loss(&p, LOSS_STREAM_GAP), 0);
		assert_int_equal(loss(&p, LOSS_PARSE_ERROR), 0);
		sim_play_free(&p);
		sim_free(&s);
	}
}

/* The same when whole stretches find no room, opens and closes among them. */
static void test_ring_full_for_long(void **state)
{
	uint32_t seed = 7;

	for (int round = 0; round < 300; round++) {
		enum sonde_role role = round % 2 ? SONDE_ROLE_SERVER : SONDE_ROLE_CLIENT;
		size_t sent, ring_full = 0, from, to;
		struct sim_play p = { 0 };
		struct sim s;

		sent = workload(&s, role, &seed);
		from = 8 + rnd(&seed) % (s.n - 20);
		to = from + rnd(&seed) % (s.n - 12 - from);
		for (size_t i = to; i-- > from;) {
			if (s.recs[i]->kind != SONDE_EV_DATA)
				continue;
			ring_full += is_request(&s, i);
			sim_lose(&s, i);
		}
		sim_play_init(&p);
		sim_play(&p, &s, 0, s.n);
		assert_pairs(p.out);
		assert_int_equal(p.n_txns + ring_full + loss(&p, LOSS_RESPONSE_MISSING), sent);
		sim_play_free(&p);
		sim_free(&s);
	}
}

/* Records that nobody speaks of: counted as gaps, and never a wrong pair. */
static void test_unseen(void **state)
{
	uint32_t seed = 3;

	for (int round = 0; round < 300; round++) {
		enum sonde_role role = round % 2 ? SONDE_ROLE_SERVER : SONDE_ROLE_CLIENT;
		struct sim_play p = { 0 };
		size_t sent, removed = 0, i = 0;
		struct sim s;

		sent = workload(&s, role, &seed);
		while (i < s.n) {
			if (s.recs[i]->kind != SONDE_EV_DATA || rnd(&seed) % 10) {
				i++;
				continue;
			}
			sim_remove(&s, i);
			removed++;
		}
		sim_play_init(&p);
		for (size_t k = 0; k < s.n; k++) { /* a tick now and then */
			sim_play(&p, &s, k, k + 1);
			if (k % 50 == 49)
				conns_tick(p.conns, s.recs[k]->ts_ns + 30000000);
		}
		assert_int_equal(conns_stats(p.conns)->open, 0);
		assert_pairs(p.out);
		assert_true(p.n_txns + removed >= sent);
		assert_true(p.n_txns < sent);
		assert_true(loss(&p, LOSS_STREAM_GAP) > 0);
		assert_true(loss(&p, LOSS_STREAM_GAP) <= removed);
		sim_play_free(&p);
		sim_free(&s);
	}
}

static void of_one_thread(struct sim *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->recs[i]->kind == SONDE_EV_DATA)
			s->recs[i]->flags |= SONDE_F_ALONE;
}

/* The same of programs of one thread: what is missing is known to be at once, without a tick. */
static void test_unseen_of_one_thread(void **state)
{
	uint32_t seed = 11;

	for (int round = 0; round < 300; round++) {
		enum sonde_role role = round % 2 ? SONDE_ROLE_SERVER : SONDE_ROLE_CLIENT;
		struct sim_play p = { 0 };
		size_t sent, removed = 0, i = 0;
		struct sim s;

		sent = workload(&s, role, &seed);
		of_one_thread(&s);
		while (i < s.n) {
			if (s.recs[i]->kind != SONDE_EV_DATA || rnd(&seed) % 10) {
				i++;
				continue;
			}
			sim_remove(&s, i);
			removed++;
		}
		sim_play_init(&p);
		sim_play(&p, &s, 0, s.n);
		assert_pairs(p.out);
		assert_true(p.n_txns + removed >= sent);
		assert_true(loss(&p, LOSS_STREAM_GAP) > 0);
		assert_true(loss(&p, LOSS_STREAM_GAP) <= removed);
		sim_play_free(&p);
		sim_free(&s);
	}
}

/* One record that nobody speaks of costs one exchange, and all others go on. */
static void test_one_unseen(void **state)
{
	enum { EXCHANGES = 6 };

	for (size_t unseen = 0; unseen < 4 * EXCHANGES; unseen++) {
		enum sonde_role role = unseen % 2 ? SONDE_ROLE_SERVER : SONDE_ROLE_CLIENT;
		struct sim_play p = { 0 };
		struct sim s;

		sim_init(&s);
		sim_open(&s, 1, role);
		for (int i = 0; i < EXCHANGES; i++)
			exchange(&s, 1, i);
		of_one_thread(&s);
		sim_remove(&s, 1 + unseen / 2);
		sim_close(&s, 1, SONDE_CLOSE_DONE, 0);
		sim_wait(&s, 20000000000ULL);
		sim_play_init(&p);
		sim_play(&p, &s, 0, s.n);
		assert_pairs(p.out);
		assert_int_equal(p.n_txns, EXCHANGES - 1);
		assert_int_equal(loss(&p, LOSS_STREAM_GAP), 1);
		sim_play_free(&p);
		sim_free(&s);
	}
}

/* An answer that is read before the requests, the one before it being lost: it is not the first's. */
static void test_hole_before_requests(void **state)
{
	for (int i = 0; i < 2; i++) {
		enum sonde_role role = i ? SONDE_ROLE_SERVER : SONDE_ROLE_CLIENT;
		struct sim_play p = { 0 };
		struct sim s;

		sim_init(&s);
		sim_open(&s, 1, role);
		for (int k = 0; k < 3; k++)
			exchange(&s, 1, k);
		sim_remove(&s, 4);
		sim_swap(&s, 4);
		sim_swap(&s, 3);
		sim_play_init(&p);
		sim_play(&p, &s, 0, 4);
		for (int k = 1; k <= 3; k++)
			conns_tick(p.conns, s.recs[3]->ts_ns + k * 1100000000ULL);
		sim_play(&p, &s, 4, s.n);
		assert_pairs(p.out);
		assert_int_equal(p.n_txns, 2);
		assert_int_equal(loss(&p, LOSS_STREAM_GAP), 1);
		sim_play_free(&p);
		sim_free(&s);
	}
}

/* With several requests under way, a hole leaves nobody able to tell whose the answers are. */
static void test_pipelined_hole(void **state)
{
	for (size_t lost = 1; lost < 13; lost++) {
		struct sim_play p = { 0 };
		struct sim s;

		sim_init(&s);
		sim_open(&s, 1, SONDE_ROLE_SERVER);
		for (int i = 0; i < 6; i++)
			request(&s, 1, i);
		for (int i = 0; i < 6; i++)
			response(&s, 1, i);
		sim_close(&s, 1, SONDE_CLOSE_DONE, 0);
		sim_lose(&s, lost);
		sim_play_init(&p);
		sim_play(&p, &s, 0, s.n);
		assert_pairs(p.out);
		if (lost >
		    6) /* a response: those before it are sure, it and those behind are not */
			assert_int_equal(p.n_txns, lost - 7);
		sim_play_free(&p);
		sim_free(&s);
	}
}

/* Holes in a body are no matter: its length is known. */
static void test_hole_in_body(void **state)
{
	for (int kind = 0; kind < 3; kind++) {
		struct sim_play p = { 0 };
		struct sim s;

		sim_init(&s);
		sim_open(&s, 1, SONDE_ROLE_SERVER);
		sim_request(&s, 1, GET);
		sim_response(&s, 1, "HTTP/1.1 200 OK\r\nContent-Length: 30000\r\n\r\n");
		sim_repeat(&s, 1, SONDE_TX, 'x', 30000, 10000);
		exchange(&s, 1, 3);
		sim_close(&s, 1, SONDE_CLOSE_DONE, 0);
		if (kind == 1)
			sim_lose(&s, 4);
		else if (kind == 2)
			sim_remove(&s, 4); /* spliced: no hook sees it */
		sim_play_init(&p);
		sim_play(&p, &s, 0, s.n);
		assert_int_equal(p.n_txns, 2);
		assert_non_null(strstr(p.out, "GET /a 200 28/0 30042/30000 "));
		for (int l = 0; l < LOSS_MAX; l++)
			assert_int_equal(loss(&p, l), 0);
		sim_play_free(&p);
		sim_free(&s);
	}
}

/* The end of a body lost: when it was is not known, so the transaction is counted as lost. */
static void test_lost_end_of_body(void **state)
{
	struct sim_play p = { 0 };
	struct sim s;

	sim_init(&s);
	sim_open(&s, 1, SONDE_ROLE_SERVER);
	sim_request(&s, 1, GET);
	sim_response(&s, 1, "HTTP/1.1 200 OK\r\nContent-Length: 30000\r\n\r\n");
	sim_repeat(&s, 1, SONDE_TX, 'x', 30000, 10000);
	exchange(&s, 1, 3);
	sim_close(&s, 1, SONDE_CLOSE_DONE, 0);
	sim_lose(&s, 5);
	sim_play_init(&p);
	sim_play(&p, &s, 0, s.n);
	assert_int_equal(p.n_txns, 1);
	assert_int_equal(loss(&p, LOSS_RESPONSE_MISSING), 1);
	sim_play_free(&p);
	sim_free(&s);
}

/* Bodies sent without bytes (sendfile): their length is enough. */
static void test_sendfile(void **state)
{
	struct sim_play p = { 0 };
	struct sim s;

	sim_init(&s);
	sim_open(&s, 1, SONDE_ROLE_SERVER);
	for (int i = 0; i < 3; i++) {
		sim_request(&s, 1, GET);
		sim_response(&s, 1, "HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n");
		s.flags = SONDE_F_NO_BYTES;
		sim_repeat(&s, 1, SONDE_TX, 'x', 5000000, 1 << 20);
		s.flags = 0;
	}
	sim_play_init(&p);
	sim_play(&p, &s, 0, s.n);
	assert_int_equal(p.n_txns, 3);
	for (int l = 0; l < LOSS_MAX; l++)
		assert_int_equal(loss(&p, l), 0);
	sim_play_free(&p);
	sim_free(&s);
}

/* Operations without bytes where bytes were needed: counted as not seen, and nothing is wrong. */
static void test_no_bytes(void **state)
{
	struct sim_play p = { 0 };
	struct sim s;

	sim_init(&s);
	sim_open(&s, 1, SONDE_ROLE_SERVER);
	exchange(&s, 1, 1);
	s.flags = SONDE_F_NO_BYTES;
	exchange(&s, 1, 2);
	sim_response(&s, 1, "not an answer");
	s.flags = 0;
	exchange(&s, 1, 3);
	s.flags = SONDE_F_NO_BYTES;
	sim_open(&s, 2, SONDE_ROLE_SERVER);
	exchange(&s, 2, 4);
	sim_play_init(&p);
	sim_play(&p, &s, 0, s.n);
	assert_pairs(p.out);
	assert_int_equal(p.n_txns, 2);
	assert_int_equal(loss(&p, LOSS_UNKNOWN_CALL), 3);
	sim_play_free(&p);
	sim_free(&s);
}

/* A head longer than what is copied: named as far as it goes, or counted. */
static void test_truncated_head(void **state)
{
	char big[3000], text[4000];

	for (uint32_t copy = 1; copy < 2900; copy += 7) {
		struct sim_play p = { 0 };
		struct sim s;

		memset(big, 'x', sizeof(big) - 1);
		big[sizeof(big) - 1] = '\0';
		sim_init(&s);
		sim_open(&s, 1, SONDE_ROLE_SERVER);
		exchange(&s, 1, 1);
		request(&s, 1, 2);
		s.copy_max = copy;
		snprintf(text, sizeof(text),
			 "HTTP/1.1 200 OK\r\nX-Big: %s\r\nContent-Length: 2\r\n\r\nok", big);
		sim_response(&s, 1, text);
		s.copy_max = 0;
		exchange(&s, 1, 3);
		sim_play_init(&p);
		sim_play(&p, &s, 0, s.n);
		assert_int_equal(p.n_txns + loss(&p, LOSS_TRUNCATED), 3);
		if (copy > 20)
			assert_int_equal(p.n_txns, 3);
		/* where it ended, the next request tells */
		if (copy > 20)
			assert_non_null(strstr(p.out, "GET /r2 id=2 200 37/0 3048/"));
		sim_play_free(&p);
		sim_free(&s);
	}
}

static void test_truncated_request(void **state)
{
	char big[3000], text[4000];

	for (uint32_t copy = 1; copy < 2900; copy += 7) {
		struct sim_play p = { 0 };
		struct sim s;

		memset(big, 'x', sizeof(big) - 1);
		big[sizeof(big) - 1] = '\0';
		sim_init(&s);
		sim_open(&s, 1, SONDE_ROLE_CLIENT);
		exchange(&s, 1, 1);
		s.copy_max = copy;
		snprintf(text, sizeof(text),
			 "GET /r2 HTTP/1.1\r\nX-Request-ID: 2\r\nCookie: %s\r\n\r\n", big);
		sim_request(&s, 1, text);
		s.copy_max = 0;
		sim_response(&s, 1, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
		exchange(&s, 1, 3);
		sim_play_init(&p);
		sim_play(&p, &s, 0, s.n);
		assert_int_equal(p.n_txns + loss(&p, LOSS_TRUNCATED), 3);
		if (copy > 40)
			assert_pairs(p.out);
		sim_play_free(&p);
		sim_free(&s);
	}
}

/* A chunked body copied in part: its end is in the last bytes of the operation. */
static void test_chunked_in_part(void **state)
{
	for (uint32_t copy = 60; copy < 2000; copy += 11) {
		struct sim_play p = { 0 };
		struct sim s;
		char body[1001], text[2000];

		memset(body, 'c', 1000);
		body[1000] = '\0';
		snprintf(text, sizeof(text),
			 "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
			 "1f4\r\n%.500s\r\n3e8\r\n%s\r\n0\r\n\r\n",
			 body, body);
		sim_init(&s);
		sim_open(&s, 1, SONDE_ROLE_SERVER);
		sim_request(&s, 1, GET);
		s.copy_max = copy;
		sim_response(&s, 1, text);
		s.copy_max = 0;
		exchange(&s, 1, 3);
		sim_play_init(&p);
		sim_play(&p, &s, 0, s.n);
		assert_int_equal(p.n_txns, 2);
		snprintf(text, sizeof(text), "GET /a 200 28/0 %d/", 47 + 5 + 502 + 5 + 1002 + 5);
		assert_non_null(strstr(p.out, text));
		sim_play_free(&p);
		sim_free(&s);
	}
}

/* Bytes that are no HTTP in the middle of it: counted, and then on. */
static void test_garbage(void **state)
{
	struct sim_play p = { 0 };
	struct sim s;

	sim_init(&s);
	sim_open(&s, 1, SONDE_ROLE_SERVER);
	exchange(&s, 1, 1);
	sim_request(&s, 1, "\x01\x02 this is no request\r\n\r\n");
	sim_response(&s, 1, "HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n");
	exchange(&s, 1, 3);
	request(&s, 1, 4);
	sim_response(&s, 1, "\x01\x02 this is no response\r\n\r\n");
	exchange(&s, 1, 5);
	sim_play_init(&p);
	sim_play(&p, &s, 0, s.n);
	assert_pairs(p.out);
	assert_int_equal(p.n_txns, 3);
	assert_int_equal(loss(&p, LOSS_PARSE_ERROR), 2);
	sim_play_free(&p);
	sim_free(&s);
}

/* A head that never ends is given up, and what follows it is found again. */
static void test_buffer_full(void **state)
{
	struct sim_play p = { .opts = { .max_buffer = 4096 } };
	struct sim s;

	sim_init(&s);
	sim_open(&s, 1, SONDE_ROLE_SERVER);
	exchange(&s, 1, 1);
	sim_request(&s, 1, "GET /r2 HTTP/1.1\r\nX: ");
	sim_repeat(&s, 1, SONDE_RX, 'x', 10000, 1000);
	sim_request(&s, 1, "\r\n\r\n");
	sim_response(&s, 1, "HTTP/1.1 431 Too Large\r\nContent-Length: 0\r\n\r\n");
	exchange(&s, 1, 3);
	sim_play_init(&p);
	sim_play(&p, &s, 0, s.n);
	assert_pairs(p.out);
	assert_int_equal(p.n_txns, 2);
	assert_int_equal(loss(&p, LOSS_BUFFER_FULL), 1);
	sim_play_free(&p);
	sim_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ring_full),
		cmocka_unit_test(test_ring_full_for_long),
		cmocka_unit_test(test_unseen),
		cmocka_unit_test(test_unseen_of_one_thread),
		cmocka_unit_test(test_one_unseen),
		cmocka_unit_test(test_hole_before_requests),
		cmocka_unit_test(test_pipelined_hole),
		cmocka_unit_test(test_hole_in_body),
		cmocka_unit_test(test_lost_end_of_body),
		cmocka_unit_test(test_sendfile),
		cmocka_unit_test(test_no_bytes),
		cmocka_unit_test(test_truncated_head),
		cmocka_unit_test(test_truncated_request),
		cmocka_unit_test(test_chunked_in_part),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_buffer_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
