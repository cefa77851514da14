// SPDX-License-Identifier: Apache-2.0
/* TCP in captures: packets as they come, and as they do not, into transactions. */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include "cap.h"
#include "capture/pcap_conns.h"

static struct cap cap;

static int setup(void **state)
{
	cap_init(&cap);
	return 0;
}

static int teardown(void **state)
{
	cap_free(&cap);
	return 0;
}

static void test_exchange(void **state)
{
	char *out;

	cap_syn(&cap);
	cap_exchange(&cap); /* at 3 and 4 ms */
	cap_fin(&cap);
	out = cap_run(&cap);
	/* the server's start is when the request passed, since when it was read is not known */
	assert_string_equal(out, "2 server 1.1 GET /a 200 28/0 40/2 1700000000003000000+1000000 "
				 "first 1700000000004000000 late\n"
				 "1 client 1.1 GET /a 200 28/0 40/2 1700000000003000000+1000000 "
				 "first 1700000000004000000\n");
	free(out);
	cap_expect_flaws(&cap, "");
}

static void test_kept_connection(void **state)
{
	cap_syn(&cap);
	for (int i = 0; i < 50; i++)
		cap_exchange(&cap);
	cap_expect(&cap, 50, "28/0 40/2");
}

static void test_many_connections(void **state)
{
	for (int i = 0; i < 100; i++) {
		cap.port = (uint16_t)(40000 + i);
		cap_syn(&cap);
	}
	for (int i = 0; i < 100; i++) {
		cap.port = (uint16_t)(40000 + i);
		cap.seq[0] = 1000, cap.seq[1] = 5000;
		cap_exchange(&cap);
	}
	cap_expect(&cap, 100, "28/0 40/2");
}

static void test_same_ports_again(void **state)
{
	for (int i = 0; i < 3; i++) {
		cap.seq[0] = 1000 + i * 77777, cap.seq[1] = 5000 - i * 88888;
		cap_syn(&cap);
		cap_exchange(&cap);
		if (i == 0) /* the second time without a goodbye */
			cap_fin(&cap);
		cap_ack(&cap, CAP_CLIENT);
	}
	cap_expect(&cap, 3, "28/0 40/2");
}

/* A response of five segments comes in every order there is. */
static void test_every_order(void **state)
{
	size_t len = strlen(cap_ok) / 5;

	for (int order = 0; order < 120; order++) {
		int left[5] = { 0, 1, 2, 3, 4 }, n = order;

		cap_free(&cap);
		cap_init(&cap);
		cap_syn(&cap);
		cap_exchange(&cap);
		cap_send(&cap, CAP_CLIENT, cap_get);
		for (int i = 5; i > 0; n /= i, i--) {
			int k = left[n % i];

			memmove(left + n % i, left + n % i + 1,
				(size_t)(i - 1 - n % i) * sizeof(left[0]));
			cap_raw(&cap, CAP_SERVER, TCP_ACK, cap.seq[1] + (uint32_t)(k * len),
				cap.seq[0], cap_ok + k * len, len);
		}
		cap.seq[1] += 5 * len;
		cap_exchange(&cap);
		cap_fin(&cap);
		cap_expect(&cap, 3, "28/0 40/2");
	}
	cap_expect_flaws(&cap, "");
}

/* The receiver can read no byte before the missing one has come. */
static void test_late_segment(void **state)
{
	char *out;

	cap_syn(&cap);
	cap_send(&cap, CAP_CLIENT, cap_get);
	cap_raw(&cap, CAP_SERVER, TCP_ACK, cap.seq[1] + 10, cap.seq[0], cap_ok + 10, 30);
	cap.now_ns += 200000000; /* and its retransmission takes its time */
	cap_raw(&cap, CAP_SERVER, TCP_ACK, cap.seq[1], cap.seq[0], cap_ok, 10);
	out = cap_run(&cap);
	assert_non_null(
		strstr(out, "client 1.1 GET /a 200 28/0 40/2 1700000000003000000+202000000"));
	free(out);
	cap_expect_flaws(&cap, "");
}

/* Whether it waits for what is before it or was handed out already. */
static void test_first_copy_counts(void **state)
{
	static const char other[] = "HTTP/1.1 500 NO\r\nContent-Length: 2\r\n\r\nno";

	cap_syn(&cap);
	cap_send(&cap, CAP_CLIENT, cap_get);
	cap_raw(&cap, CAP_SERVER, TCP_ACK, cap.seq[1] + 9, cap.seq[0], cap_ok + 9, 31);
	cap_raw(&cap, CAP_SERVER, TCP_ACK, cap.seq[1], cap.seq[0], other, 40);
	cap_raw(&cap, CAP_SERVER, TCP_ACK, cap.seq[1], cap.seq[0], other, 40);
	cap.seq[1] += 40;
	cap_exchange(&cap);
	cap_expect(&cap, 2, "28/0 40/2");
}

/* Rubbish on both sides of the last byte that is missing. */
static void test_overlap(void **state)
{
	static const char other[] = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";

	for (size_t at = 0; at < 40; at++) {
		cap_free(&cap);
		cap_init(&cap);
		cap_syn(&cap);
		cap_send(&cap, CAP_CLIENT, cap_get);
		cap_raw(&cap, CAP_SERVER, TCP_ACK, cap.seq[1], cap.seq[0], cap_ok, at);
		cap_raw(&cap, CAP_SERVER, TCP_ACK, cap.seq[1] + (uint32_t)at + 1, cap.seq[0],
			cap_ok + at + 1, 39 - at);
		cap_raw(&cap, CAP_SERVER, TCP_ACK, cap.seq[1], cap.seq[0], other, at);
		cap_raw(&cap, CAP_SERVER, TCP_ACK, cap.seq[1] + (uint32_t)at, cap.seq[0],
			cap_ok + at, 40 - at > 5 ? 5 : 40 - at);
		cap.seq[1] += 40;
		cap_exchange(&cap);
		cap_expect(&cap, 2, "28/0 40/2");
	}
}

static void test_keep_alive_probe(void **state)
{
	cap_syn(&cap);
	cap_exchange(&cap);
	for (int i = 0; i < 3; i++) { /* RFC 9293, 3.8.4: one byte of garbage before the window */
		cap_raw(&cap, CAP_CLIENT, TCP_ACK, cap.seq[0] - 1, cap.seq[1], "\0", 1);
		cap_ack(&cap, CAP_SERVER);
	}
	cap_exchange(&cap);
	cap_expect(&cap, 2, "28/0 40/2");
	cap_expect_flaws(&cap, "");
}

static void test_sequence_wraps(void **state)
{
	for (uint32_t before = 0; before < 200; before += 7) {
		cap_free(&cap);
		cap_init(&cap);
		cap.seq[0] = -before;
		cap.seq[1] = 100 - before;
		cap_syn(&cap);
		for (int i = 0; i < 4; i++)
			cap_exchange(&cap);
		cap_fin(&cap);
		cap_expect(&cap, 4, "28/0 40/2");
	}
}

/* Packets that the capture lacks: one request, one response, or the end of one. */
static void test_lost_packets(void **state)
{
	for (int lost = 0; lost < 6; lost++) {
		cap_free(&cap);
		cap_init(&cap);
		cap_syn(&cap);
		for (int i = 0; i < 6; i++) {
			size_t n = cap.n;

			cap_send(&cap, CAP_CLIENT, cap_get);
			if (i == lost && lost % 2 == 0)
				cap.n = n;
			n = cap.n;
			cap_send(&cap, CAP_SERVER, cap_ok);
			if (i == lost && lost % 2)
				cap.n = n;
		}
		cap_ack(&cap, CAP_CLIENT);
		cap_ack(&cap, CAP_SERVER);
		cap_fin(&cap);
		cap_expect(&cap, 5, "28/0 40/2");
		assert_int_equal(cap_lost(&cap), 2);
		cap_expect_flaws(&cap, lost % 2 ? "1 holes of 40 bytes that no packet has"
						: "1 holes of 28 bytes that no packet has");
	}
}

/* A body is not needed: what is missing of it is known by its length, and when it ended is not. */
static void test_lost_body(void **state)
{
	char *out;

	cap_syn(&cap);
	cap_send(&cap, CAP_CLIENT, cap_get);
	cap_send(&cap, CAP_SERVER, "HTTP/1.1 200 OK\r\nContent-Length: 3000\r\n\r\n");
	cap.seq[1] += 2000; /* lost */
	for (int i = 0; i < 100; i++)
		cap_send(&cap, CAP_SERVER, "0123456789");
	cap_ack(&cap, CAP_CLIENT);
	cap_exchange(&cap);
	out = cap_run(&cap);
	assert_int_equal(cap_count(out, "200 28/0 3041/3000"), 2);
	assert_int_equal(cap_count(out, "200 28/0 40/2"), 2);
	free(out);
	cap_expect_flaws(&cap, "1 holes of 2000 bytes that no packet has");
}

/* Its last byte is missing: when that was nobody knows, so there is no such transaction. */
static void test_lost_end(void **state)
{
	cap_syn(&cap);
	cap_send(&cap, CAP_CLIENT, cap_get);
	cap_send(&cap, CAP_SERVER, "HTTP/1.1 200 OK\r\nContent-Length: 3000\r\n\r\n");
	cap.seq[1] += 3000; /* lost */
	cap_ack(&cap, CAP_CLIENT);
	cap_exchange(&cap);
	cap_fin(&cap);
	cap_expect(&cap, 1, "28/0 40/2");
	assert_int_equal(cap_lost(&cap), 2);
}

static void test_joined_in_the_middle(void **state)
{
	cap_send(&cap, CAP_SERVER, "the end of a body\r\n");
	cap_exchange(&cap);
	cap_exchange(&cap);
	cap_expect(&cap, 2, "28/0 40/2");
	/* or with a request outstanding: its response has no request */
	cap_free(&cap);
	cap_init(&cap);
	cap_send(&cap, CAP_SERVER, cap_ok);
	cap_exchange(&cap);
	cap_expect(&cap, 1, "28/0 40/2");
}

static void test_half_a_handshake(void **state)
{
	size_t first, second;

	cap_syn(&cap);
	first = (cap.n - 24) / 3;
	second = 24 + first;
	cap_exchange(&cap);
	/* without the SYN: the answer to it tells as much */
	memmove(cap.bytes + 24, cap.bytes + second, cap.n - second);
	cap.n -= first;
	cap_expect(&cap, 1, "28/0 40/2");
	/* without both */
	memmove(cap.bytes + 24, cap.bytes + second, cap.n - second);
	cap.n -= first;
	cap_expect(&cap, 1, "28/0 40/2");
}

static void test_refused(void **state)
{
	char *out;

	cap_raw(&cap, CAP_CLIENT, TCP_SYN, 999, 0, NULL, 0);
	cap_raw(&cap, CAP_SERVER, TCP_RST | TCP_ACK, 0, 1000, NULL, 0);
	out = cap_run(&cap);
	assert_int_equal(cap_count(out, "\n"), 1);
	assert_non_null(strstr(out, "1 client  connect"));
	assert_non_null(strstr(out, "1700000000000000000+1000000"));
	assert_non_null(strstr(out, "error=refused"));
	free(out);
}

static void test_reset(void **state)
{
	char *out;

	cap_syn(&cap);
	cap_send(&cap, CAP_CLIENT, cap_get);
	cap_raw(&cap, CAP_SERVER, TCP_RST, cap.seq[1], 0, NULL, 0);
	out = cap_run(&cap);
	assert_int_equal(cap_count(out, "\n"), 2);
	assert_int_equal(cap_count(out, "error=connection_reset"), 2);
	free(out);
}

/* The client hangs up before the answer. */
static void test_hang_up(void **state)
{
	char *out;

	cap_syn(&cap);
	cap_send(&cap, CAP_CLIENT, cap_get);
	cap_fin(&cap);
	out = cap_run(&cap);
	assert_int_equal(cap_count(out, "server 1.1 GET /a 0"), 1);
	assert_int_equal(cap_count(out, "error=client_closed"), 1);
	free(out);
}

static void test_until_close(void **state)
{
	char *out;

	cap_syn(&cap);
	cap_send(&cap, CAP_CLIENT, cap_get);
	cap_send(&cap, CAP_SERVER, "HTTP/1.1 200 OK\r\n\r\nas long as it gets");
	cap_raw(&cap, CAP_SERVER, TCP_FIN | TCP_ACK, cap.seq[1]++, cap.seq[0], NULL, 0);
	cap_raw(&cap, CAP_CLIENT, TCP_FIN | TCP_ACK, cap.seq[0]++, cap.seq[1], NULL, 0);
	out = cap_run(&cap);
	assert_int_equal(cap_count(out, "200 28/0 37/18"), 2);
	free(out);
}

/* Nothing that comes after the end begins anything. */
static void test_after_the_end(void **state)
{
	struct sim s;
	char flaws[512];
	size_t opens = 0;

	cap_syn(&cap);
	cap_exchange(&cap);
	cap_fin(&cap);
	cap_raw(&cap, CAP_CLIENT, TCP_ACK, 1000, 5000, cap_get, 28);
	cap_raw(&cap, CAP_SERVER, TCP_FIN | TCP_ACK, cap.seq[1] - 1, cap.seq[0], NULL, 0);
	cap_raw(&cap, CAP_SERVER, TCP_RST, cap.seq[1], 0, NULL, 0);
	cap_raw(&cap, CAP_CLIENT, TCP_SYN, 999, 0, NULL, 0);
	sim_init(&s);
	cap_read(&cap, &s, flaws, sizeof(flaws));
	for (size_t i = 0; i < s.n; i++)
		opens += s.recs[i]->kind == SONDE_EV_OPEN;
	assert_int_equal(opens, 2);
	assert_int_equal(((const struct sonde_ev_close *)s.recs[s.n - 2])->how, SONDE_CLOSE_DONE);
	sim_free(&s);
	cap_expect(&cap, 1, "28/0 40/2");
}

/* RFC 7413: the SYN carries the request. */
static void test_fast_open(void **state)
{
	cap_raw(&cap, CAP_CLIENT, TCP_SYN, 999, 0, cap_get, 28);
	cap.seq[0] += 28;
	cap_raw(&cap, CAP_SERVER, TCP_SYN | TCP_ACK, 4999, cap.seq[0], NULL, 0);
	cap_send(&cap, CAP_SERVER, cap_ok);
	cap_exchange(&cap);
	cap_expect(&cap, 2, "28/0 40/2");
}

/* The whole answer is missing, and the end behind it is not. */
static void test_lost_before_the_end(void **state)
{
	for (int is_reset = 0; is_reset < 2; is_reset++) {
		cap_free(&cap);
		cap_init(&cap);
		cap_syn(&cap);
		cap_send(&cap, CAP_CLIENT, cap_get);
		cap.seq[1] += 40; /* lost */
		if (is_reset)
			cap_ack(&cap, CAP_CLIENT);
		cap_raw(&cap, CAP_SERVER, is_reset ? TCP_RST : TCP_FIN | TCP_ACK, cap.seq[1]++,
			cap.seq[0], NULL, 0);
		cap_ack(&cap, CAP_CLIENT);
		cap_expect(&cap, 0, "");
		cap_expect_flaws(&cap, "1 holes of 40 bytes that no packet has");
		assert_int_equal(cap_lost(&cap), 2);
	}
}

/* Gigabytes of a body are not in the capture, until sequence numbers have begun anew twice. */
static void test_lost_gigabytes(void **state)
{
	char *out;

	cap_syn(&cap);
	cap_send(&cap, CAP_CLIENT, "POST /b HTTP/1.1\r\nContent-Length: 10737418240\r\n\r\n");
	for (int i = 0; i < 40; i++) {
		cap.seq[0] += 0x10000000;
		cap_ack(&cap, CAP_SERVER);
	}
	cap_send(&cap, CAP_SERVER, cap_ok);
	cap_exchange(&cap);
	out = cap_run(&cap);
	assert_int_equal(cap_count(out, "POST /b 200 10737418289/10737418240 40/2"), 2);
	assert_int_equal(cap_count(out, "GET /a 200 28/0 40/2"), 2);
	free(out);
}

static void test_stray_acknowledgement(void **state)
{
	cap_syn(&cap);
	cap_exchange(&cap);
	cap_raw(&cap, CAP_SERVER, TCP_ACK, cap.seq[1], cap.seq[0] + 0x60000000, NULL, 0);
	cap_exchange(&cap);
	cap_expect(&cap, 2, "28/0 40/2");
	cap_expect_flaws(&cap, "");
}

/* Where the first FIN says that a stream ends, it does, and nothing is behind it. */
static void test_behind_the_end(void **state)
{
	char flaws[512], *out;
	size_t n = 0;
	struct sim s;

	cap_syn(&cap);
	cap_send(&cap, CAP_CLIENT, cap_get);
	cap_raw(&cap, CAP_SERVER, TCP_FIN | TCP_ACK, cap.seq[1] + 30, cap.seq[0], "0123456789", 10);
	cap_raw(&cap, CAP_SERVER, TCP_FIN | TCP_ACK, cap.seq[1] + 45, cap.seq[0], NULL, 0);
	cap_raw(&cap, CAP_SERVER, TCP_ACK, cap.seq[1], cap.seq[0],
		"HTTP/1.1 200 OK\r\n\r\nuntil the e", 30);
	cap_raw(&cap, CAP_SERVER, TCP_ACK, cap.seq[1] + 40, cap.seq[0], cap_ok, 40);
	out = cap_run(&cap);
	assert_int_equal(cap_count(out, "client 1.1 GET /a 200 28/0 40/21"), 1);
	free(out);
	sim_init(&s);
	cap_read(&cap, &s, flaws, sizeof(flaws));
	for (size_t k = 0; k < s.n; k++)
		n += s.recs[k]->kind == SONDE_EV_DATA;
	assert_int_equal(n, 2 + 2 + 2 + 1); /* the request, two pieces, at both ends; the end */
	sim_free(&s);
}

/* What is missing was never acknowledged, and more comes than may be held. */
static void test_held_bytes_are_bounded(void **state)
{
	char kib[1025], *out;

	memset(kib, 'x', 1024);
	kib[1024] = '\0';
	cap_syn(&cap);
	cap_send(&cap, CAP_CLIENT, cap_get);
	cap_send(&cap, CAP_SERVER, "HTTP/1.1 200 OK\r\nContent-Length: 2048000\r\n\r\n");
	cap.seq[1] += 1024; /* lost */
	for (int i = 1; i < 2000; i++)
		cap_send(&cap, CAP_SERVER, kib);
	cap_exchange(&cap);
	out = cap_run(&cap);
	assert_int_equal(cap_count(out, "200 28/0 2048044/2048000"), 2);
	assert_int_equal(cap_count(out, "200 28/0 40/2"), 2);
	free(out);
	cap_expect_flaws(&cap, "1 holes of 1024 bytes that no packet has");
}

/* A byte, a hole, a byte, a hole: few bytes, many pieces. */
static void test_held_pieces_are_bounded(void **state)
{
	char flaws[512];
	struct sim s;

	cap_syn(&cap);
	for (uint32_t i = 0; i < 3000; i++)
		cap_raw(&cap, CAP_CLIENT, TCP_ACK, cap.seq[0] + 2 * i + 1, cap.seq[1], "x", 1);
	sim_init(&s);
	cap_read(&cap, &s, flaws, sizeof(flaws));
	assert_string_equal(flaws, "1976 holes of 1976 bytes that no packet has");
	sim_free(&s);
}

static void test_far_segment(void **state)
{
	cap_syn(&cap);
	cap_exchange(&cap);
	cap_raw(&cap, CAP_CLIENT, TCP_ACK, cap.seq[0] + 0x50000000, cap.seq[1], "x", 1);
	cap_exchange(&cap);
	cap_expect(&cap, 2, "28/0 40/2");
	cap_expect_flaws(&cap, "1 segments far outside of any window");
}

static int on_record(void *ctx, const void *rec, size_t size)
{
	sim_append(ctx, rec, size);
	return 0;
}

/* The one that was silent longest goes; its end, which nobody saw, is told. */
static void test_connections_are_bounded(void **state)
{
	static struct pcap_records records = { .fn = on_record };
	struct pcap_segment seg = { .family = SONDE_FAMILY_IPV4,
				    .flags = TCP_ACK,
				    .payload = { (const uint8_t *)"x", 1 },
				    .len = 1 };
	static const uint16_t ports[] = { 1, 2, 3, 1, 4, 5 };
	struct pcap_conns *cs = pcap_conns_new(3);
	uint64_t gone[8];
	size_t n = 0;
	struct sim s;

	sim_init(&s);
	records.ctx = &s;
	for (size_t i = 0; i < 6; i++) {
		seg.from.port = ports[i];
		seg.seq = (uint32_t)i;
		assert_int_equal(pcap_conns_segment(cs, &records, &seg), 0);
	}
	for (size_t i = 0; i < s.n; i++)
		if (s.recs[i]->kind == SONDE_EV_SWEEP && n < 8)
			gone[n++] = ((const struct sonde_ev_sweep *)s.recs[i])->cookie;
	assert_int_equal(n, 4);
	assert_int_equal(gone[0], 3); /* of port 2: cookies 3 and 4 */
	assert_int_equal(gone[2], 5);
	assert_int_equal(pcap_conns_stats(cs)->evicted, 2);
	assert_int_equal(pcap_conns_stats(cs)->connections, 5);
	pcap_conns_free(cs);
	sim_free(&s);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_exchange),
		TEST(test_kept_connection),
		TEST(test_many_connections),
		TEST(test_same_ports_again),
		TEST(test_every_order),
		TEST(test_late_segment),
		TEST(test_first_copy_counts),
		TEST(test_overlap),
		TEST(test_keep_alive_probe),
		TEST(test_sequence_wraps),
		TEST(test_lost_packets),
		TEST(test_lost_body),
		TEST(test_lost_end),
		TEST(test_joined_in_the_middle),
		TEST(test_half_a_handshake),
		TEST(test_refused),
		TEST(test_reset),
		TEST(test_hang_up),
		TEST(test_until_close),
		TEST(test_after_the_end),
		TEST(test_fast_open),
		TEST(test_lost_before_the_end),
		TEST(test_lost_gigabytes),
		TEST(test_stray_acknowledgement),
		TEST(test_behind_the_end),
		TEST(test_held_bytes_are_bounded),
		TEST(test_held_pieces_are_bounded),
		TEST(test_far_segment),
		TEST(test_connections_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
