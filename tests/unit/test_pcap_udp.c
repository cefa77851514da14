/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <string.h>
#include "capture/pcap_again.h"
#include "capture/pcap_records.h"
#include "guard.h"

enum { HEADERS = 28, PACKET = HEADERS + 5, UDP_LENGTH = 24 };

/* 10.0.0.1:4000 to 10.0.0.2:53, "hello" */
static void make(uint8_t p[PACKET])
{
	static const uint8_t headers[HEADERS] = { 0x45, 0,    0,  PACKET, 0, 1,	 0x40, 0, 64, 17,
						  0,	0,    10, 0,	  0, 1,	 10,   0, 0,  2,
						  0x0f, 0xa0, 0,  53,	  0, 13, 0,    0 };

	memcpy(p, headers, HEADERS);
	memcpy(p + HEADERS, "hello", 5);
}

static enum pcap_found found(const uint8_t *p, size_t n, size_t wire, struct pcap_segment *seg)
{
	struct guard g = guard_new(4096);
	enum pcap_found what = pcap_ip_decode(guard_put(&g, (struct slice){ p, n }), wire, seg);

	guard_free(&g);
	return what;
}

static void a_datagram(void **state)
{
	struct pcap_segment seg = { 0 };
	uint8_t p[PACKET + 6] = { 0 };

	make(p);
	assert_int_equal(found(p, PACKET, PACKET, &seg), PCAP_FOUND_UDP);
	assert_int_equal(seg.from.port, 4000);
	assert_int_equal(seg.to.port, 53);
	assert_memory_equal(seg.to.ip, "\x0a\0\0\2", 4);
	assert_int_equal(seg.len, 5);
	assert_int_equal(seg.payload.n, 5);
	/* padded by Ethernet; IP may say more than UDP does */
	assert_int_equal(found(p, PACKET + 6, PACKET + 6, &seg), PCAP_FOUND_UDP);
	assert_int_equal(seg.payload.n, 5);
	p[3] = PACKET + 6;
	assert_int_equal(found(p, PACKET + 6, PACKET + 6, &seg), PCAP_FOUND_UDP);
	assert_int_equal(seg.payload.n, 5);
	/* the card will segment it */
	make(p);
	p[UDP_LENGTH + 1] = 0;
	assert_int_equal(found(p, PACKET, PACKET, &seg), PCAP_FOUND_UDP);
	assert_int_equal(seg.len, 5);
}

/* Behind options, from fd00::1 to fd00::2; one that is a fragment is not looked into. */
static void a_datagram_of_ipv6(void **state)
{
	static const uint8_t udp[] = { 0x0f, 0xa0, 0, 53, 0, 13, 0, 0, 'h', 'e', 'l', 'l', 'o' };
	enum { OPTIONS = 40, UDP = 48, WHOLE = UDP + sizeof(udp) };
	uint8_t p[WHOLE] = { 0x60, [5] = WHOLE - OPTIONS, IPPROTO_HOPOPTS, 64 };
	struct pcap_segment seg = { 0 };

	p[8] = p[24] = 0xfd;
	p[23] = 1;
	p[39] = 2;
	p[OPTIONS] = IPPROTO_UDP;
	memcpy(p + UDP, udp, sizeof(udp));
	for (size_t n = 0; n < UDP + 8; n++)
		assert_int_equal(found(p, n, WHOLE, &seg), PCAP_FOUND_CUT);
	assert_int_equal(found(p, WHOLE, WHOLE, &seg), PCAP_FOUND_UDP);
	assert_int_equal(seg.family, SONDE_FAMILY_IPV6);
	assert_int_equal(seg.from.port, 4000);
	assert_int_equal(seg.to.port, 53);
	assert_memory_equal(seg.from.ip, p + 8, 16);
	assert_memory_equal(seg.to.ip, p + 24, 16);
	assert_int_equal(seg.len, 5);
	assert_int_equal(seg.payload.n, 5);
	p[6] = IPPROTO_FRAGMENT;
	p[OPTIONS + 3] = 1; /* more follow */
	assert_int_equal(found(p, WHOLE, WHOLE, &seg), PCAP_FOUND_FRAGMENT);
}

static void cut_and_damaged(void **state)
{
	uint8_t p[PACKET];

	make(p);
	for (size_t n = 0; n <= PACKET; n++) {
		struct pcap_segment seg;
		enum pcap_found what = found(p, n, PACKET, &seg);

		assert_int_equal(what, n < HEADERS ? PCAP_FOUND_CUT : PCAP_FOUND_UDP);
		if (what == PCAP_FOUND_UDP) {
			assert_int_equal(seg.len, 5);
			assert_int_equal(seg.payload.n, n - HEADERS);
		}
	}
	for (unsigned len = 1; len < 256; len++) {
		struct pcap_segment seg;

		p[UDP_LENGTH + 1] = (uint8_t)len;
		assert_int_equal(found(p, PACKET, PACKET, &seg),
				 len < 8 || len > 13 ? PCAP_FOUND_BAD : PCAP_FOUND_UDP);
	}
}

static void twice_is_once(void **state)
{
	static struct pcap_again again;
	struct pcap_segment seg = { .ts_ns = 1000000000, .from.port = 1, .to.port = 2 }, other;

	seg.payload = SLICE("hello");
	assert_false(pcap_again(&again, &seg));
	seg.ts_ns += 3000;
	assert_true(pcap_again(&again, &seg));
	other = seg;
	other.from.port = 3;
	assert_false(pcap_again(&again, &other));
	other = seg;
	other.payload = SLICE("hullo");
	assert_false(pcap_again(&again, &other));
	/* a program that repeats itself takes longer */
	seg.ts_ns += PCAP_AGAIN_NS;
	assert_false(pcap_again(&again, &seg));
}

static int count(void *ctx, const void *rec, size_t size)
{
	struct sonde_ev_datagram *last = ctx;

	assert_true(size >= sizeof(*last));
	memcpy(last + ((const struct sonde_ev_datagram *)rec)->dir, rec, sizeof(*last));
	return 0;
}

/* One socket has one cookie, whichever way its datagrams go. */
static void both_ends_have_it(void **state)
{
	static struct pcap_records r;
	struct sonde_ev_datagram there[2], back[2];
	struct pcap_segment seg = { .family = SONDE_FAMILY_IPV4, .from.port = 1, .to.port = 2 };

	seg.payload = SLICE("hello");
	seg.len = 5;
	r.fn = count;
	r.ctx = there;
	pcap_records_datagram(&r, &seg);
	seg.from.port = 2;
	seg.to.port = 1;
	r.ctx = back;
	pcap_records_datagram(&r, &seg);
	assert_int_equal(r.n, 4);
	assert_int_equal(there[SONDE_TX].cookie, back[SONDE_RX].cookie);
	assert_int_equal(there[SONDE_RX].cookie, back[SONDE_TX].cookie);
	assert_int_not_equal(there[SONDE_RX].cookie, there[SONDE_TX].cookie);
	assert_int_equal(there[SONDE_TX].local.port, 1);
	assert_int_equal(there[SONDE_RX].local.port, 2);
	assert_int_equal(there[SONDE_RX].peer.port, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_datagram),	     cmocka_unit_test(a_datagram_of_ipv6),
		cmocka_unit_test(cut_and_damaged),   cmocka_unit_test(twice_is_once),
		cmocka_unit_test(both_ends_have_it),
	};

	return cmocka_run_group_tests_name("pcap_udp", tests, NULL, NULL);
}
