// SPDX-License-Identifier: Apache-2.0
/* Captures as files: links, packets, cuts, times. */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <pcap/dlt.h>
#include <stdlib.h>
#include <string.h>
#include "cap.h"
#include "capture/pcap_link.h"
#include "capture/pcapfile.h"
#include "guard.h"

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
			cap_exchange(&cap);
			cap_fin(&cap);
			cap_expect(&cap, 1, "28/0 40/2");
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
		cap_send(&cap, CAP_CLIENT, cap_get);
		cap_send(&cap, CAP_SERVER, "HTTP/1.1 200 OK\r\nContent-Length: 1399\r\n\r\n");
		cap_send(&cap, CAP_SERVER, body);
	}
	cap_exchange(&cap);
	out = cap_run(&cap);
	assert_int_equal(cap_count(out, "200 28/0 1440/1399"), 6);
	assert_int_equal(cap_count(out, "200 28/0 40/2"), 2);
	assert_int_equal(cap_count(out, "\n"), 8);
	free(out);
	cap_expect_flaws(&cap, "3 packets cut by the snapshot length (4017 bytes)");
}

/* Longer than a record can be, and than IP can say, as segmentation offload shows it. */
static void test_giant_segment(void **state)
{
	char *big = malloc(100001), *out;

	assert_non_null(big);
	memset(big, 'x', 100000);
	big[100000] = '\0';
	for (int v6 = 0; v6 < 2; v6++) {
		cap_free(&cap);
		cap_init(&cap);
		cap.is_ipv6 = v6;
		cap_syn(&cap);
		cap_send(&cap, CAP_CLIENT, cap_get);
		cap_send(&cap, CAP_SERVER, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
		cap.is_offloaded = true;
		cap_send(&cap, CAP_SERVER, big);
		cap.is_offloaded = false;
		cap_exchange(&cap);
		out = cap_run(&cap);
		assert_int_equal(cap_count(out, "200 28/0 100043/100000"), 2);
		assert_int_equal(cap_count(out, "200 28/0 40/2"), 2);
		free(out);
	}
	free(big);
}

/* Nothing outside of a frame is read, however short it is. */
static void test_short_frames(void **state)
{
	static const int dlts[] = { DLT_EN10MB, DLT_LINUX_SLL, DLT_LINUX_SLL2, DLT_NULL, DLT_RAW };
	static const uint8_t fills[][2] = { { 0x81, 0 }, { 0x08, 0 }, { 0x86, 0xdd },
					    { 0x45, 0 }, { 0x60, 0 }, { 0, 0 } };
	struct guard g = guard_new(128);
	struct pcap_segment seg;
	uint8_t bytes[128];

	for (size_t n = 0; n <= sizeof(bytes); n++) {
		for (size_t i = 0; i < 5 * 6; i++) {
			struct slice frame;

			for (size_t k = 0; k < sizeof(bytes); k++)
				bytes[k] = fills[i / 5][k % 2];
			frame = guard_put(&g, (struct slice){ bytes, n });
			if (pcap_link_strip(dlts[i % 5], &frame) == 0 &&
			    pcap_ip_decode(frame, 2000, &seg) == PCAP_FOUND_TCP)
				assert_true(seg.payload.n <= seg.len);
		}
	}
	guard_free(&g);
}

/* Headers are needed whole: how many packets lacked them is said. */
static void test_cut_headers(void **state)
{
	cap.snaplen = 14 + 20 + 19;
	cap_header(&cap);
	cap_syn(&cap);
	cap_exchange(&cap);
	cap_expect(&cap, 0, "");
	cap_expect_flaws(&cap, "5 packets cut within their headers");
}

static void test_fragments_are_counted(void **state)
{
	for (int v6 = 0; v6 < 2; v6++) {
		cap_free(&cap);
		cap_init(&cap);
		cap.is_ipv6 = v6;
		cap_syn(&cap);
		cap_exchange(&cap);
		cap.is_fragment = true;
		cap_raw(&cap, CAP_CLIENT, TCP_ACK, cap.seq[0], cap.seq[1], cap_get, 28);
		cap_expect(&cap, 1, "28/0 40/2");
		cap_expect_flaws(&cap, "1 IP fragments not looked into");
	}
}

static void test_ticks(void **state)
{
	uint64_t ticks[8] = { 0 };
	size_t n = 0;
	char flaws[512];
	struct sim s;

	cap.step_ns = 400000000;
	cap_syn(&cap);	    /* 0, 0.4, 0.8 */
	cap_exchange(&cap); /* 1.2, 1.6 */
	cap.now_ns += 3600 * 1000000000ULL;
	cap_exchange(&cap); /* an hour later */
	sim_init(&s);
	cap_read(&cap, &s, flaws, sizeof(flaws));
	for (size_t i = 0; i < s.n; i++)
		if (s.recs[i]->kind == SONDE_EV_TICK && n < 8)
			ticks[n++] = s.recs[i]->ts_ns;
	assert_int_equal(n, 3);
	assert_int_equal(ticks[0], 1700000001 * 1000000000ULL);
	assert_int_equal(ticks[1], 1700003602 * 1000000000ULL);
	assert_int_equal(ticks[2], 1700003604 * 1000000000ULL); /* the last, for what still waits */
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
		cap_exchange(&cap);
		cap_exchange(&cap);
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
	cap_exchange(&cap);
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
		TEST(test_links),
		TEST(test_foreign_link),
		TEST(test_snapshot_length),
		TEST(test_giant_segment),
		TEST(test_short_frames),
		TEST(test_cut_headers),
		TEST(test_fragments_are_counted),
		TEST(test_ticks),
		TEST(test_every_prefix),
		TEST(test_every_byte_changed),
		TEST(test_magic),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
