// SPDX-License-Identifier: Apache-2.0
/* Captures: packets as they come, and as they do not, into transactions. */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <pcap/dlt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cap.h"
#include "capture/pcapfile.h"

#define GET "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"	     /* 28 bytes */
#define OK  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" /* 40 bytes */

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

static size_t count(const char *text, const char *what)
{
	size_t n = 0;

	for (; (text = strstr(text, what)); text += strlen(what))
		n++;
	return n;
}

/* Both ends must have seen `n` exchanges of the given sizes: "request/body response/body". */
static void expect(size_t n, const char *sizes)
{
	char *out = cap_run(&cap), server[64], client[64];

	snprintf(server, sizeof(server), "server 1.1 GET /a 200 %s", sizes);
	snprintf(client, sizeof(client), "client 1.1 GET /a 200 %s", sizes);
	if (count(out, "\n") != 2 * n || count(out, server) != n || count(out, client) != n)
		fail_msg("expected %zu of %s, got:\n%s", n, sizes, out);
	free(out);
}

static void expect_flaws(const char *flaws)
{
	char got[512];
	struct sim s;

	sim_init(&s);
	assert_int_equal(cap_read(&cap, &s, got, sizeof(got)), -ENODATA);
	assert_string_equal(got, flaws);
	sim_free(&s);
}

static void exchange(void)
{
	cap_send(&cap, CAP_CLIENT, GET);
	cap_send(&cap, CAP_SERVER, OK);
}

static void acknowledge(int from)
{
	cap_raw(&cap, from, TCP_ACK, cap.seq[from], cap.seq[!from], NULL, 0);
}

static void test_exchange(void **state)
{
	char *out;

	cap_syn(&cap);
	exchange(); /* at 3 and 4 ms */
	cap_fin(&cap);
	out = cap_run(&cap);
	/* the server's start is when the request passed, since when it was read is not known */
	assert_string_equal(out, "2 server 1.1 GET /a 200 28/0 40/2 1700000000003000000+1000000 "
				 "first 1700000000004000000 late\n"
				 "1 client 1.1 GET /a 200 28/0 40/2 1700000000003000000+1000000 "
				 "first 1700000000004000000\n");
	free(out);
	expect_flaws("");
}

static void test_kept_connection(void **state)
{
	cap_syn(&cap);
	for (int i = 0; i < 50; i++)
		exchange();
	expect(50, "28/0 40/2");
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
		exchange();
	}
	expect(100, "28/0 40/2");
}

static void test_same_ports_again(void **state)
{
	for (int i = 0; i < 3; i++) {
		cap.seq[0] = 1000 + i * 77777, cap.seq[1] = 5000 - i * 88888;
		cap_syn(&cap);
		exchange();
		if (i == 0) /* the second time without a goodbye */
			cap_fin(&cap);
		acknowledge(CAP_CLIENT);
	}
	expect(3, "28/0 40/2");
}

static void test_links(void **state)
{
	static const int dlts[] = { DLT_EN10MB, DLT_LINUX_SLL, DLT_LINUX_SLL2, DLT_NULL,
				    DLT_LOOP,	DLT_RAW,       DLT_IPV4 };

	for (size_t i = 0; i < sizeof(dlts) / sizeof(dlts[0]); i++) {
		for (int kind = 0; kind < 8; kind++) {
			cap_free(&cap);
			cap_init(&cap);
			cap.dlt = dlts[i];
			cap.is_ng = kind & 1;
			cap.is_ipv6 = kind & 2 && cap.dlt != DLT_IPV4;
			cap.vlan_tags = kind & 4 ? kind & 3 : 0;
			cap.pad = kind & 4 ? 6 : 0;
			cap_header(&cap);
			cap_syn(&cap);
			exchange();
			cap_fin(&cap);
			expect(1, "28/0 40/2");
		}
	}
}

static void test_foreign_link(void **state)
{
	char flaws[512];
	struct sim s;

	sim_init(&s);
	cap.dlt = DLT_IEEE802_11_RADIO;
	cap_header(&cap);
	assert_int_equal(cap_read(&cap, &s, flaws, sizeof(flaws)), -EINVAL);
	assert_non_null(strstr(flaws, "is a capture of link type IEEE802_11_RADIO (127), which"));
	sim_free(&s);
}

/* A response of five segments comes in every order there is. */
static void test_every_order(void **state)
{
	size_t len = strlen(OK) / 5;

	for (int order = 0; order < 120; order++) {
		int left[5] = { 0, 1, 2, 3, 4 }, n = order;

		cap_free(&cap);
		cap_init(&cap);
		cap_syn(&cap);
		exchange();
		cap_send(&cap, CAP_CLIENT, GET);
		for (int i = 5; i > 0; n /= i, i--) {
			int k = left[n % i];

			memmove(left + n % i, left + n % i + 1,
				(size_t)(i - 1 - n % i) * sizeof(left[0]));
			cap_raw(&cap, CAP_SERVER, TCP_ACK, cap.seq[1] + (uint32_t)(k * len),
				cap.seq[0], OK + k * len, len);
		}
		cap.seq[1] += 5 * len;
		exchange();
		cap_fin(&cap);
		expect(3, "28/0 40/2");
	}
	expect_flaws("");
}

/* The receiver can read no byte before the missing one has come. */
static void test_late_segment(void **state)
{
	char *out;

	cap_syn(&cap);
	cap_send(&cap, CAP_CLIENT, GET);
	cap_raw(&cap, CAP_SERVER, TCP_ACK, cap.seq[1] + 10, cap.seq[0], OK + 10, 30);
	cap.now_ns += 200000000; /* and its retransmission takes its time */
	cap_raw(&cap, CAP_SERVER, TCP_ACK, cap.seq[1], cap.seq[0], OK, 10);
	out = cap_run(&cap);
	assert_non_null(
		strstr(out, "client 1.1 GET /a 200 28/0 40/2 1700000000003000000+202000000"));
	free(out);
	expect_flaws("");
}

/* Whether it waits for what is before it or was handed out already. */
static void test_first_copy_counts(void **state)
{
	static const char other[] = "HTTP/1.1 500 NO\r\nContent-Length: 2\r\n\r\nno";

	cap_syn(&cap);
	cap_send(&cap, CAP_CLIENT, GET);
	cap_raw(&cap, CAP_SERVER, TCP_ACK, cap.seq[1] + 9, cap.seq[0], OK + 9, 31);
	cap_raw(&cap, CAP_SERVER, TCP_ACK, cap.seq[1], cap.seq[0], other, 40);
	cap_raw(&cap, CAP_SERVER, TCP_ACK, cap.seq[1], cap.seq[0], other, 40);
	cap.seq[1] += 40;
	exchange();
	expect(2, "28/0 40/2");
}

/* Rubbish on both sides of the last byte that is missing. */
static void test_overlap(void **state)
{
	static const char other[] = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";

	for (size_t at = 0; at < 40; at++) {
		cap_free(&cap);
		cap_init(&cap);
		cap_syn(&cap);
		cap_send(&cap, CAP_CLIENT, GET);
		cap_raw(&cap, CAP_SERVER, TCP_ACK, cap.seq[1], cap.seq[0], OK, at);
		cap_raw(&cap, CAP_SERVER, TCP_ACK, cap.seq[1] + (uint32_t)at + 1, cap.seq[0],
			OK + at + 1, 39 - at);
		cap_raw(&cap, CAP_SERVER, TCP_ACK, cap.seq[1], cap.seq[0], other, at);
		cap_raw(&cap, CAP_SERVER, TCP_ACK, cap.seq[1] + (uint32_t)at, cap.seq[0], OK + at,
			40 - at > 5 ? 5 : 40 - at);
		cap.seq[1] += 40;
		exchange();
		expect(2, "28/0 40/2");
	}
}

static void test_keep_alive_probe(void **state)
{
	cap_syn(&cap);
	exchange();
	for (int i = 0; i < 3; i++) { /* RFC 9293, 3.8.4: one byte of garbage before the window */
		cap_raw(&cap, CAP_CLIENT, TCP_ACK, cap.seq[0] - 1, cap.seq[1], "\0", 1);
		acknowledge(CAP_SERVER);
	}
	exchange();
	expect(2, "28/0 40/2");
	expect_flaws("");
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
			exchange();
		cap_fin(&cap);
		expect(4, "28/0 40/2");
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

			cap_send(&cap, CAP_CLIENT, GET);
			if (i == lost && lost % 2 == 0)
				cap.n = n;
			n = cap.n;
			cap_send(&cap, CAP_SERVER, OK);
			if (i == lost && lost % 2)
				cap.n = n;
		}
		acknowledge(CAP_CLIENT);
		acknowledge(CAP_SERVER);
		cap_fin(&cap);
		expect(5, "28/0 40/2");
		expect_flaws(lost % 2 ? "1 holes of 40 bytes that no packet has"
				      : "1 holes of 28 bytes that no packet has");
	}
}

/* A body is not needed: what is missing of it is known by its length, and when it ended is not. */
static void test_lost_body(void **state)
{
	char *out;

	cap_syn(&cap);
	cap_send(&cap, CAP_CLIENT, GET);
	cap_send(&cap, CAP_SERVER, "HTTP/1.1 200 OK\r\nContent-Length: 3000\r\n\r\n");
	cap.seq[1] += 2000; /* lost */
	for (int i = 0; i < 100; i++)
		cap_send(&cap, CAP_SERVER, "0123456789");
	acknowledge(CAP_CLIENT);
	exchange();
	out = cap_run(&cap);
	assert_int_equal(count(out, "200 28/0 3041/3000"), 2);
	assert_int_equal(count(out, "200 28/0 40/2"), 2);
	free(out);
	expect_flaws("1 holes of 2000 bytes that no packet has");
}

/* Its last byte is missing: when that was nobody knows, so there is no such transaction. */
static void test_lost_end(void **state)
{
	cap_syn(&cap);
	cap_send(&cap, CAP_CLIENT, GET);
	cap_send(&cap, CAP_SERVER, "HTTP/1.1 200 OK\r\nContent-Length: 3000\r\n\r\n");
	cap.seq[1] += 3000; /* lost */
	acknowledge(CAP_CLIENT);
	exchange();
	cap_fin(&cap);
	expect(1, "28/0 40/2");
}

static void test_joined_in_the_middle(void **state)
{
	cap_send(&cap, CAP_SERVER, "the end of a body\r\n");
	exchange();
	exchange();
	expect(2, "28/0 40/2");
	/* or with a request outstanding: its response has no request */
	cap_free(&cap);
	cap_init(&cap);
	cap_send(&cap, CAP_SERVER, OK);
	exchange();
	expect(1, "28/0 40/2");
}

static void test_half_a_handshake(void **state)
{
	size_t first, second;

	cap_syn(&cap);
	first = (cap.n - 24) / 3;
	second = 24 + first;
	exchange();
	/* without the SYN: the answer to it tells as much */
	memmove(cap.bytes + 24, cap.bytes + second, cap.n - second);
	cap.n -= first;
	expect(1, "28/0 40/2");
	/* without both */
	memmove(cap.bytes + 24, cap.bytes + second, cap.n - second);
	cap.n -= first;
	expect(1, "28/0 40/2");
}

static void test_snapshot_length(void **state)
{
	char body[1400];
	char *out;

	memset(body, 'x', sizeof(body) - 1);
	body[sizeof(body) - 1] = '\0';
	cap.snaplen = 14 + 20 + 24 + 60;
	cap_header(&cap);
	cap_syn(&cap);
	for (int i = 0; i < 3; i++) {
		cap_send(&cap, CAP_CLIENT, GET);
		cap_send(&cap, CAP_SERVER, "HTTP/1.1 200 OK\r\nContent-Length: 1399\r\n\r\n");
		cap_send(&cap, CAP_SERVER, body);
	}
	exchange();
	out = cap_run(&cap);
	assert_int_equal(count(out, "200 28/0 1440/1399"), 6);
	assert_int_equal(count(out, "200 28/0 40/2"), 2);
	assert_int_equal(count(out, "\n"), 8);
	free(out);
	expect_flaws("3 packets cut by the snapshot length (4017 bytes)");
}

/* Longer than a record can be, as segmentation offload shows it. */
static void test_giant_segment(void **state)
{
	char *big = malloc(60001);

	assert_non_null(big);
	memset(big, 'x', 60000);
	big[60000] = '\0';
	cap_syn(&cap);
	cap_send(&cap, CAP_CLIENT, GET);
	cap_send(&cap, CAP_SERVER, "HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n");
	cap_send(&cap, CAP_SERVER, big);
	free(big);
	exchange();
	char *out = cap_run(&cap);

	assert_int_equal(count(out, "200 28/0 60042/60000"), 2);
	assert_int_equal(count(out, "200 28/0 40/2"), 2);
	free(out);
}

static void test_refused(void **state)
{
	char *out;

	cap_raw(&cap, CAP_CLIENT, TCP_SYN, 999, 0, NULL, 0);
	cap_raw(&cap, CAP_SERVER, TCP_RST | TCP_ACK, 0, 1000, NULL, 0);
	out = cap_run(&cap);
	assert_int_equal(count(out, "\n"), 1);
	assert_non_null(strstr(out, "1 client  connect"));
	assert_non_null(strstr(out, "1700000000000000000+1000000"));
	assert_non_null(strstr(out, "error=refused"));
	free(out);
}

static void test_reset(void **state)
{
	char *out;

	cap_syn(&cap);
	cap_send(&cap, CAP_CLIENT, GET);
	cap_raw(&cap, CAP_SERVER, TCP_RST, cap.seq[1], 0, NULL, 0);
	out = cap_run(&cap);
	assert_int_equal(count(out, "\n"), 2);
	assert_int_equal(count(out, "error=connection_reset"), 2);
	free(out);
}

/* The client hangs up before the answer. */
static void test_hang_up(void **state)
{
	char *out;

	cap_syn(&cap);
	cap_send(&cap, CAP_CLIENT, GET);
	cap_fin(&cap);
	out = cap_run(&cap);
	assert_int_equal(count(out, "server 1.1 GET /a 0"), 1);
	assert_int_equal(count(out, "error=client_closed"), 1);
	free(out);
}

static void test_until_close(void **state)
{
	char *out;

	cap_syn(&cap);
	cap_send(&cap, CAP_CLIENT, GET);
	cap_send(&cap, CAP_SERVER, "HTTP/1.1 200 OK\r\n\r\nas long as it gets");
	cap_raw(&cap, CAP_SERVER, TCP_FIN | TCP_ACK, cap.seq[1]++, cap.seq[0], NULL, 0);
	cap_raw(&cap, CAP_CLIENT, TCP_FIN | TCP_ACK, cap.seq[0]++, cap.seq[1], NULL, 0);
	out = cap_run(&cap);
	assert_int_equal(count(out, "200 28/0 37/18"), 2);
	free(out);
}

/* Nothing that comes after the end begins anything. */
static void test_after_the_end(void **state)
{
	struct sim s;
	char flaws[512];
	size_t opens = 0;

	cap_syn(&cap);
	exchange();
	cap_fin(&cap);
	cap_raw(&cap, CAP_CLIENT, TCP_ACK, 1000, 5000, GET, 28);
	cap_raw(&cap, CAP_SERVER, TCP_FIN | TCP_ACK, cap.seq[1] - 1, cap.seq[0], NULL, 0);
	cap_raw(&cap, CAP_SERVER, TCP_RST, cap.seq[1], 0, NULL, 0);
	cap_raw(&cap, CAP_CLIENT, TCP_SYN, 999, 0, NULL, 0);
	sim_init(&s);
	cap_read(&cap, &s, flaws, sizeof(flaws));
	for (size_t i = 0; i < s.n; i++)
		opens += s.recs[i]->kind == SONDE_EV_OPEN;
	assert_int_equal(opens, 2);
	sim_free(&s);
	expect(1, "28/0 40/2");
}

static void test_fragments_are_counted(void **state)
{
	for (int v6 = 0; v6 < 2; v6++) {
		cap_free(&cap);
		cap_init(&cap);
		cap.is_ipv6 = v6;
		cap_syn(&cap);
		exchange();
		cap.is_fragment = true;
		cap_raw(&cap, CAP_CLIENT, TCP_ACK, cap.seq[0], cap.seq[1], GET, 28);
		expect(1, "28/0 40/2");
		expect_flaws("1 IP fragments not looked into");
	}
}

static void test_ticks(void **state)
{
	uint64_t ticks[8] = { 0 };
	size_t n = 0;
	char flaws[512];
	struct sim s;

	cap.step_ns = 400000000;
	cap_syn(&cap); /* 0, 0.4, 0.8 */
	exchange();    /* 1.2, 1.6 */
	cap.now_ns += 3600 * 1000000000ULL;
	exchange(); /* an hour later */
	sim_init(&s);
	cap_read(&cap, &s, flaws, sizeof(flaws));
	for (size_t i = 0; i < s.n; i++)
		if (s.recs[i]->kind == SONDE_EV_TICK && n < 8)
			ticks[n++] = s.recs[i]->ts_ns;
	assert_int_equal(n, 2);
	assert_int_equal(ticks[0], 1700000001 * 1000000000ULL);
	assert_int_equal(ticks[1], 1700003602 * 1000000000ULL);
	sim_free(&s);
}

/* Cut anywhere, a capture gives the front of what it gives whole. */
static void test_every_prefix(void **state)
{
	char *whole, *out;
	size_t n;

	for (int ng = 0; ng < 2; ng++) {
		cap_free(&cap);
		cap_init(&cap);
		cap.is_ng = ng;
		cap_header(&cap);
		n = cap.n;
		cap_syn(&cap);
		exchange();
		exchange();
		cap_fin(&cap);
		whole = cap_run(&cap);
		for (size_t end = cap.n; n <= end; n++) {
			cap.n = n;
			out = cap_run(&cap);
			assert_memory_equal(out, whole, strlen(out));
			free(out);
		}
		free(whole);
	}
}

/* A byte changed anywhere: no crash, every record follows the contract (cap_read sees to it). */
static void test_every_byte_changed(void **state)
{
	char flaws[512];
	struct sim s;

	cap_syn(&cap);
	exchange();
	cap_fin(&cap);
	for (size_t i = 0; i < cap.n; i++) {
		for (int with = 1; with < 256; with <<= 1) {
			cap.bytes[i] ^= with;
			sim_init(&s);
			cap_read(&cap, &s, flaws, sizeof(flaws));
			sim_free(&s);
			cap.bytes[i] ^= with;
		}
	}
}

static void test_magic(void **state)
{
	assert_true(pcapfile_is_capture("\xa1\xb2\xc3\xd4", 4));
	assert_true(pcapfile_is_capture("\xd4\xc3\xb2\xa1", 4));
	assert_true(pcapfile_is_capture("\x4d\x3c\xb2\xa1", 4));
	assert_true(pcapfile_is_capture("\x0a\x0d\x0d\x0a", 4));
	assert_false(pcapfile_is_capture("\x0a\x0d\x0d", 3));
	assert_false(pcapfile_is_capture("SONDEREC", 8));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_exchange),
		TEST(test_kept_connection),
		TEST(test_many_connections),
		TEST(test_same_ports_again),
		TEST(test_links),
		TEST(test_foreign_link),
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
		TEST(test_snapshot_length),
		TEST(test_giant_segment),
		TEST(test_refused),
		TEST(test_reset),
		TEST(test_hang_up),
		TEST(test_until_close),
		TEST(test_after_the_end),
		TEST(test_fragments_are_counted),
		TEST(test_ticks),
		TEST(test_every_prefix),
		TEST(test_every_byte_changed),
		TEST(test_magic),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
