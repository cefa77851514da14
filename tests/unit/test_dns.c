/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "guard.h"
#include "holes.h"
#include "proto/dns.h"
#include "sim.h"
#include "util/clock.h"

static const struct proto_case cases[] = {
#include "dns_cases.def"
};

enum { N_CASES = sizeof(cases) / sizeof(cases[0]), NAME_AT = 14 };

static struct feed *feed;

static int setup(void **state)
{
	static struct cases cs = { .v = cases, .n = N_CASES };

	cs.proto = proto_get(PROTO_DNS);
	*state = &cs;
	feed = feed_new(proto_get(PROTO_DNS));
	return 0;
}

static int teardown(void **state)
{
	feed_free(feed);
	return 0;
}

static void tells_dns_from_others(void **state)
{
	static const struct first_bytes t[] = {
		FIRST("", 0, 0),
		FIRST("\0", 0, 0),
		FIRST("\0\x1d\0\1\1\0\0\1\0\0\0\0\0\0", 0, -1),
		FIRST("\0\x1d\0\1\1\0\0\1\0\0\0\0\0\0\7example\3org\0\0\1\0\1", 1, -1),
		FIRST("\0\x1d\0\1\x81\x80\0\1\0\0\0\0\0\0\7example\3org\0\0\1\0\1", -1, 1),
		FIRST("\0\x1d\0\1\x81\x80\0\1\0\0", -1, 0),
		/* questions with answers, with a code, two at once, with a name that points */
		FIRST("\0\x1d\0\1\1\0\0\1\0\2\0\0\0\0\7example\3org\0\0\1\0\1", -1, -1),
		FIRST("\0\x1d\0\1\1\3\0\1\0\0\0\0\0\0\7example\3org\0\0\1\0\1", -1, -1),
		FIRST("\0\x1d\0\1\1\0\0\2\0\0\0\0\0\0\7example\3org\0\0\1\0\1", -1, -1),
		FIRST("\0\x1d\0\1\1\0\0\1\0\0\0\0\0\0\xc0\x0c\0\1\0\1", -1, -1),
		FIRST("\0\x12\0\1\1\0\0\1\0\0\0\0\0\0\xc0\x0c\0\1\0\1", -1, -1),
		FIRST("GET / HTTP/1.1\r\n", -1, -1),
		FIRST("HTTP/1.1 200 OK\r\n", -1, -1),
		FIRST("*1\r\n$4\r\nPING\r\n", -1, -1),
		FIRST("+OK\r\n", -1, -1),
		FIRST("get a\r\n", -1, -1),
		FIRST("END\r\n", -1, -1),
		FIRST("\0\0\0\x08\x04\xd2\x16\x2f", -1, -1),		     /* PostgreSQL */
		FIRST("\0\0\0\x25\0\3\0\0user\0u\0database\0d\0\0", -1, -1), /* PostgreSQL */
		FIRST("R\0\0\0\x08\0\0\0\0", -1, -1),			     /* PostgreSQL */
		FIRST("\x4a\0\0\0\x0a\x38.0.0-server\0\1\0\0\0", -1, -1),    /* MySQL */
		FIRST("\x0f\0\0\0\x03select 1 from t", -1, -1),		     /* MySQL */
		FIRST("\x3a\0\0\0\1\0\0\0\0\0\0\0\xd4\7\0\0", -1, -1),	     /* MongoDB */
		FIRST("\0\0\0\x20\0\x12\0\3\0\0\0\1\0\4", -1, -1),	     /* Kafka */
		FIRST("\x16\3\1\2\0\1\0\1\xfc\3\3", -1, -1),
		FIRST("\x80\x0a\0\0\0\0\0\0\0\0\0\0\0\0\0\5\0\0\0\0\0\0\0\0", -1, -1),
		FIRST("SSH-2.0-x\r\n", -1, -1),
	};

	cases_detect(proto_get(PROTO_DNS), t, sizeof(t) / sizeof(t[0]));
}

/* A question for a host of its own; returns its bytes. */
static size_t ask(char *out, int i, bool is_answer)
{
	static const char tail[] = "\7example\0\0\1\0\1";
	char name[12];
	int n = sprintf(name, "%*s", i % 4 + 3, "host") - 1;
	size_t len = 12 + 1 + (size_t)n + 1 + sizeof(tail) - 1;

	name[n] = (char)('0' + i);
	memcpy(out, "\0\0\0\0\1\0\0\1\0\0\0\0\0\0", NAME_AT);
	out[1] = (char)len;
	out[3] = (char)(i + 1);
	if (is_answer)
		out[4] = (char)0x81;
	out[NAME_AT] = (char)(n + 1);
	memcpy(out + NAME_AT + 1, name, (size_t)n + 1);
	memcpy(out + NAME_AT + 2 + n, tail, sizeof(tail) - 1);
	return 2 + len;
}

static void ten_questions(void **state)
{
	static struct holes h = { .mark = " w" };
	size_t n = 0;

	h.proto = proto_get(PROTO_DNS);
	for (int i = 0; i < HOLES_MESSAGES; i++) {
		size_t len = ask((char *)h.bytes + n, i, false);

		h.end[i] = n += len;
		sprintf(h.want[i], "%d.example #%d w%zu", i, i + 1, len);
	}
	holes_cost_only_what_they_touch(&h);
}

static void a_datagram_is_a_message(void **state)
{
	static const char q[] = "\0\7\1\0\0\1\0\0\0\0\0\0\7example\3org\0\0\1\0\1";
	const struct proto *p = proto_get(PROTO_DNS);
	struct guard g = guard_new(4096);
	struct dns_state {
		char bytes[64];
	} st = { { 0 } };
	struct msg m;

	assert_true(p->state_size <= sizeof(st));
	assert_int_equal(p->datagram(&st, PROTO_REQUEST,
				     (struct slice){ (const uint8_t *)q, sizeof(q) - 1 },
				     sizeof(q) - 1, &m),
			 sizeof(q) - 1);
	for (size_t n = 0; n < sizeof(q); n++) {
		struct slice in = guard_put(&g, (struct slice){ (const uint8_t *)q, n });
		ssize_t rc = p->datagram(&st, PROTO_REQUEST, in, sizeof(q) - 1, &m);

		if (n < 12) {
			assert_true(rc < 0);
			continue;
		}
		assert_int_equal(rc, n);
		assert_int_equal(m.id, 7);
		assert_int_equal(m.flags, MSG_BEGIN | MSG_END);
		assert_int_equal(m.skip, sizeof(q) - 1 - n);
		assert_true(slice_eq(m.target, n == sizeof(q) - 1 ? SLICE("example.org")
								  : (struct slice){ 0 }));
		assert_true(p->datagram(&st, PROTO_RESPONSE, in, sizeof(q) - 1, &m) < 0);
	}
	assert_true(p->datagram(&st, PROTO_REQUEST, SLICE("hello, name server"), 18, &m) < 0);
	guard_free(&g);
}

#define DATAGRAM(bytes)                                     \
	{                                                   \
		(const uint8_t *)(bytes), sizeof(bytes) - 1 \
	}

/* The first of a socket is asked whether it is one at all. */
static void the_first_datagram_leaves_no_doubt(void **state)
{
	static const struct {
		struct slice in;
		int request, response;
	} t[] = {
		{ DATAGRAM("\0\7\1\0\0\1\0\0\0\0\0\0\1a\0\0\1\0\1"), 1, 0 },
		{ DATAGRAM("\0\7\x81\x80\0\1\0\0\0\0\0\0\1a\0\0\1\0\1"), 0, 1 },
		/* with a record that ends where the datagram does, or one byte off */
		{ DATAGRAM("\0\7\1\0\0\1\0\0\0\0\0\1\1a\0\0\1\0\1\0\0\x29\4\0\0\0\0\0\0\0"), 1, 0 },
		{ DATAGRAM("\0\7\1\0\0\1\0\0\0\0\0\1\1a\0\0\1\0\1\0\0\x29\4\0\0\0\0\0\0\1"), 0, 0 },
		{ DATAGRAM("\0\7\1\0\0\1\0\0\0\0\0\0\1a\0\0\1\0\1x"), 0, 0 },
		/* no question, two, a class nobody has, bits that are never set, a code asked */
		{ DATAGRAM("\0\7\1\0\0\0\0\0\0\0\0\0"), 0, 0 },
		{ DATAGRAM("\0\7\1\0\0\2\0\0\0\0\0\0\1a\0\0\1\0\1\1a\0\0\1\0\1"), 0, 0 },
		{ DATAGRAM("\0\7\1\0\0\1\0\0\0\0\0\0\1a\0\0\1\x80\1"), 0, 0 },
		{ DATAGRAM("\0\7\1\x40\0\1\0\0\0\0\0\0\1a\0\0\1\0\1"), 0, 0 },
		{ DATAGRAM("\0\7\1\3\0\1\0\0\0\0\0\0\1a\0\0\1\0\1"), 0, 0 },
		/* NTP, STUN (RFC 5389), a QUIC handshake's first bytes, syslog */
		{ DATAGRAM("\x23\0\6\xec\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
			   "\0\0\0\0\0\0\0\0\xe1\xb8\x40\x84\xc2\x9f\x52\x10"),
		  0, 0 },
		{ DATAGRAM("\0\1\0\0\x21\x12\xa4\x42"
			   "abcdefghijkl"),
		  0, 0 },
		{ DATAGRAM("\xc3\0\0\0\1\x8\1\2\3\4\5\6\7\x8\0\0\x44\x9e"), 0, 0 },
		{ DATAGRAM("<13>Nov 21 10:00:00 host program: text of a line"), 0, 0 },
	};
	const struct proto *p = proto_get(PROTO_DNS);

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		for (int d = PROTO_REQUEST; d <= PROTO_RESPONSE; d++) {
			char fresh[64] = { 0 };
			struct msg m;
			bool is_one = p->datagram(fresh, d, t[i].in, t[i].in.n, &m) >= 0;

			if (is_one != (d == PROTO_REQUEST ? t[i].request : t[i].response))
				fail_msg("datagram %zu", i);
		}
	}
}

/* A name of 255 bytes, each of which takes four as text, and one that is longer. */
static void the_longest_name_has_room(void **state)
{
	uint8_t q[400] = { 0, 0, 0, 1, 1, 0, 0, 1 };
	size_t at = NAME_AT;
	struct msg m;

	for (int i = 0; i < 3; i++) {
		q[at] = 63;
		memset(q + at + 1, 0xff, 63);
		at += 64;
	}
	q[at] = 61;
	memset(q + at + 1, 0xff, 61);
	at += 63;
	memcpy(q + at, "\0\1\0\1", 4);
	at += 4;
	q[0] = (uint8_t)((at - 2) >> 8);
	q[1] = (uint8_t)(at - 2);
	feed_reset(feed);
	assert_int_equal(
		feed->proto->parse(feed->state, PROTO_REQUEST, (struct slice){ q, at }, &m), at);
	assert_int_equal(m.target.n, 3 * (4 * 63 + 1) + 4 * 61);
	assert_true(slice_eq(m.method, SLICE("A")));
	q[at - 67] = 63;
	assert_int_equal(
		feed->proto->parse(feed->state, PROTO_REQUEST, (struct slice){ q, at }, &m), at);
	assert_int_equal(m.target.n, 0);
}

static void send(struct sim *s, enum sonde_dir dir, int i, bool is_answer)
{
	char bytes[64];
	size_t n = ask(bytes, i, is_answer);

	sim_op(s, 1, dir, (struct slice){ (const uint8_t *)bytes, n });
}

static const char *names(const struct sim_play *p, char *out)
{
	size_t n = 0;

	for (const char *at = p->out; at && (at = strstr(at, ".example")); at++)
		out[n++] = at[-1];
	out[n] = '\0';
	return out;
}

/* Answers come in the order they are known, and one whose question was lost takes nobody's place. */
static void answers_find_their_question(void **state)
{
	for (int lost = 0; lost < 2; lost++) {
		struct sim sim;
		struct sim_play play = { 0 };
		char out[32];

		sim_init(&sim);
		sim_open(&sim, 1, SONDE_ROLE_CLIENT);
		for (int i = 0; i < 4; i++)
			send(&sim, SONDE_TX, i, false);
		send(&sim, SONDE_RX, 2, true);
		send(&sim, SONDE_RX, 0, true);
		send(&sim, SONDE_RX, 3, true);
		send(&sim, SONDE_RX, 1, true);
		if (lost)
			sim_lose(&sim, 2); /* the opening is the first record */
		sim_play_init(&play);
		sim_play(&play, &sim, 0, sim.n);
		assert_string_equal(names(&play, out), lost ? "203" : "2031");
		sim_play_free(&play);
		sim_free(&sim);
	}
}

#define HEAD(flags, answers) "\0\1" flags "\0\1\0" answers "\0\0\0\0"
#define ASKED(type)	     "\2Db\4test\0\0" type "\0\1"
#define A(class, ttl, ip)    "\xc0\x0c\0\1\0" class ttl "\0\4" ip
#define ALIAS		     "\xc0\x0c\0\5\0\1\0\0\0\x3c\0\4\1x\xc0\x0f"
#define AAAA(ip)	     "\1x\xc0\x0f\0\x1c\0\1\0\0\0\x3c\0\x10" ip
#define MINUTE		     "\0\0\0\x3c"
#define YES		     "\x81\x80"
#define ADDRESSES(bytes, out) \
	addresses((struct slice){ (const uint8_t *)(bytes), sizeof(bytes) - 1 }, out)

/* Against a page that faults; how many. */
static size_t addresses(struct slice in, struct dns_addresses *out)
{
	static char room[MSG_ROOM];
	struct guard g = guard_new(in.n);
	bool any = dns_read_addresses(guard_put(&g, in), in.n, room, out);

	assert_int_equal(any, out->n > 0);
	guard_free(&g);
	return out->n;
}

static void answers_tell_addresses(void **state)
{
	struct dns_addresses a;

	assert_int_equal(ADDRESSES(HEAD(YES, "\3") ASKED("\1") ALIAS A("\1", MINUTE, "\x0a\0\0\7")
					   A("\1", "\x80\0\0\0", "\x0a\0\0\x08"),
				   &a),
			 2);
	assert_true(slice_eq(a.name, SLICE("db.test")));
	assert_int_equal(a.at[0].family, SONDE_FAMILY_IPV4);
	assert_memory_equal(a.at[0].ip, "\x0a\0\0\7\0\0", 6);
	assert_int_equal(a.at[0].ttl_s, 60);
	assert_int_equal(a.at[1].ip[3], 8);
	assert_int_equal(a.at[1].ttl_s, 0);
	assert_int_equal(ADDRESSES(HEAD(YES, "\1") ASKED("\x1c") AAAA("\xfd\0\0\0\0\0\0\0"
								      "\0\0\0\0\0\0\0\1"),
				   &a),
			 1);
	assert_int_equal(a.at[0].family, SONDE_FAMILY_IPV6);
	assert_memory_equal(a.at[0].ip, "\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16);
}

static void what_tells_no_addresses(void **state)
{
	struct dns_addresses a;

	/* a question; an error; another type, another class; no answers; fewer than it says */
	assert_int_equal(ADDRESSES(HEAD("\1\0", "\1") ASKED("\1") A("\1", MINUTE, "abcd"), &a), 0);
	assert_int_equal(ADDRESSES(HEAD("\x81\x83", "\1") ASKED("\1") A("\1", MINUTE, "abcd"), &a),
			 0);
	assert_int_equal(ADDRESSES(HEAD(YES, "\1") ASKED("\x0c") A("\1", MINUTE, "abcd"), &a), 0);
	assert_int_equal(ADDRESSES(HEAD(YES, "\1") ASKED("\1") A("\3", MINUTE, "abcd"), &a), 0);
	assert_int_equal(ADDRESSES(HEAD(YES, "\0") ASKED("\1") A("\1", MINUTE, "abcd"), &a), 0);
	assert_int_equal(ADDRESSES(HEAD(YES, "\2") ASKED("\1") A("\1", MINUTE, "abcd"), &a), 1);
}

/* Every beginning of an answer tells as many as are whole in it. */
static void answers_that_are_cut(void **state)
{
	static const char whole[] =
		HEAD(YES, "\2") ASKED("\1") A("\1", MINUTE, "abcd") A("\1", MINUTE, "efgh");
	struct dns_addresses a;

	for (size_t n = 0; n < sizeof(whole); n++) {
		size_t left = sizeof(whole) - 1 - n;

		assert_int_equal(addresses((struct slice){ (const uint8_t *)whole, n }, &a),
				 left == 0    ? 2
				 : left <= 16 ? 1
					      : 0);
	}
}

/* Of this thread, the least of several times. */
static uint64_t resync_ns(struct slice in, enum proto_dir dir)
{
	uint64_t least = UINT64_MAX;

	for (int i = 0; i < 5; i++) {
		const struct proto *dns = proto_get(PROTO_DNS);
		struct feed *f = feed_new(dns);
		uint64_t began, ns;

		dns->gap(f->state, dir, 1);
		began = clock_ns(CLOCK_THREAD_CPUTIME_ID);
		assert_int_equal(dns->resync(f->state, dir, in), in.n);
		ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - began;
		least = ns < least ? ns : least;
		feed_free(f);
	}
	return least;
}

/* Messages one behind the other that break off at their end: each might begin the rest. Eight times
 * as many must not cost 64 times as much. */
static void chains_that_break(void **state)
{
	static const uint8_t message[] = {
		0, 17, 0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1
	};
	enum { N = 8 * 512 * sizeof(message) };
	uint8_t *p = malloc(N);

	assert_non_null(p);
	for (int dir = PROTO_REQUEST; dir <= PROTO_RESPONSE; dir++) {
		uint64_t few, many;

		for (size_t i = 0; i < N; i++)
			p[i] = message[i % sizeof(message)];
		for (size_t i = 4; i < N; i += sizeof(message))
			p[i] = dir == PROTO_RESPONSE ? 0x81 : 1;
		memset(p + N - 300, 0xff, 300);
		few = resync_ns((struct slice){ p + N - N / 8, N / 8 }, dir);
		many = resync_ns((struct slice){ p, N }, dir);
		if (many > 24 * few)
			fail_msg("%d: %" PRIu64 " ns, eight times as many %" PRIu64, dir, few,
				 many);
	}
	free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASES_TESTS,
		cmocka_unit_test(tells_dns_from_others),
		cmocka_unit_test(holes_invent_no_request),
		cmocka_unit_test(holes_invent_no_response),
		cmocka_unit_test(ten_questions),
		cmocka_unit_test(a_datagram_is_a_message),
		cmocka_unit_test(the_first_datagram_leaves_no_doubt),
		cmocka_unit_test(the_longest_name_has_room),
		cmocka_unit_test(answers_find_their_question),
		cmocka_unit_test(answers_tell_addresses),
		cmocka_unit_test(what_tells_no_addresses),
		cmocka_unit_test(answers_that_are_cut),
		cmocka_unit_test(chains_that_break),
	};

	return cmocka_run_group_tests_name("dns", tests, setup, teardown);
}
