/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "parts.h"
#include "stream/conn.h"
#include "stream/datagram.h"
#include "util/clock.h"

/* A table of connections, the time, and a word for each transaction. */
struct world {
	struct conns *conns;
	uint64_t now_ns;
	char log[8192];
	unsigned n_ignored;
	char told[256]; /* a word for each request as it is told of, and as it is done with */
	size_t n_units;
};

static struct world w;

static void on_txn(void *ctx, struct txn *t)
{
	size_t n = strlen(w.log);

	assert_true(parts_add_up(t));
	snprintf(w.log + n, sizeof(w.log) - n, "%s%c%s.%s=%s@%u/%llu%s%s", n ? " " : "",
		 t->role == SONDE_ROLE_SERVER ? 's' : 'c', t->target, t->method, t->status_text,
		 t->peer.port, (unsigned long long)(txn_duration_ns(t) / NS_PER_MS),
		 t->error_type[0] ? "!" : "", t->error_type);
}

static void on_verdict(void *ctx, uint32_t slot, const struct sonde_verdict *v)
{
	assert_int_equal(v->until[0], SONDE_SHED);
	w.n_ignored++;
}

/* The unit is the number of the request. */
static struct unit *on_request(void *ctx, const struct conn_request *r)
{
	size_t n = strlen(w.told);

	snprintf(w.told + n, sizeof(w.told) - n, "%c%c%u@%u ",
		 r->role == SONDE_ROLE_SERVER ? 's' : 'c', 'a' + (char)w.n_units, r->tid,
		 r->peer->port);
	return (struct unit *)++w.n_units;
}

static void on_request_gone(void *ctx, struct unit *u)
{
	size_t n = strlen(w.told);

	snprintf(w.told + n, sizeof(w.told) - n, "-%c ", 'a' + (char)(size_t)u - 1);
}

static int setup(void **state)
{
	w = (struct world){ .now_ns = NS_PER_S };
	w.conns = conns_new(&(struct conns_opts){
		.on_txn = on_txn,
		.on_request = on_request,
		.on_request_gone = on_request_gone,
		.on_verdict = on_verdict,
	});
	return w.conns ? 0 : -1;
}

static int teardown(void **state)
{
	conns_free(w.conns);
	return 0;
}

static void wait_ms(uint64_t ms)
{
	w.now_ns += ms * NS_PER_MS;
}

static void tick(uint64_t ms)
{
	wait_ms(ms);
	conns_tick(w.conns, w.now_ns);
}

/* What a datagram is besides its bytes. */
struct way {
	uint64_t cookie;
	enum sonde_dir dir;
	uint16_t peer; /* port; 0: not known */
	uint32_t tid;
	uint32_t error;
	uint16_t local;
};

static void put(struct way way, const void *bytes, size_t n)
{
	struct sonde_ev_datagram *ev = calloc(1, sizeof(*ev) + n);

	assert_non_null(ev);
	ev->h = (struct sonde_ev_hdr){ SONDE_EV_DATAGRAM, 0, (uint32_t)(sizeof(*ev) + n),
				       w.now_ns };
	ev->cookie = way.cookie;
	ev->dir = way.dir;
	ev->family = SONDE_FAMILY_IPV4;
	ev->tid = ev->tgid = way.tid ? way.tid : 7;
	ev->local.port = way.local ? way.local : 4000;
	if (way.peer) {
		ev->peer.port = way.peer;
		memcpy(ev->peer.ip, "\x7f\0\0\1", 4);
	}
	ev->error = way.error;
	ev->len = ev->copied = (uint32_t)n;
	memcpy(ev->bytes, bytes, n);
	conns_datagram(w.conns, ev);
	free(ev);
}

/* Of a name of one letter; rcode < 0: the question. */
static void names(struct way way, uint8_t id, char name, uint8_t type, int rcode)
{
	uint8_t m[] = { 0, id, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, (uint8_t)name, 0, 0, type, 0, 1 };

	if (rcode >= 0) {
		m[2] = 0x81;
		m[3] = 0x80 | (uint8_t)rcode;
	}
	put(way, m, sizeof(m));
}

static const struct way ask = { 1, SONDE_TX, 53, 0, 0, 0 }, hear = { 1, SONDE_RX, 53, 0, 0, 0 };

static uint64_t lost(enum loss why)
{
	return conns_stats(w.conns)->losses.n[why];
}

static void several_in_flight_are_answered_in_any_order(void **state)
{
	names(ask, 1, 'a', 1, -1);
	names(ask, 2, 'a', 28, -1);
	names(ask, 3, 'B', 1, -1);
	wait_ms(2);
	names(hear, 3, 'b', 1, 3);
	wait_ms(3);
	names(hear, 1, 'a', 1, 0);
	names(hear, 2, 'a', 28, 2);
	assert_string_equal(w.log, "cb.A=NXDOMAIN@53/2!host_not_found ca.A=NOERROR@53/5 "
				   "ca.AAAA=SERVFAIL@53/5!SERVFAIL");
	assert_int_equal(conns_stats(w.conns)->transactions[PROTO_DNS][0], 3);
	assert_int_equal(conns_stats(w.conns)->bytes_observed[PROTO_DNS], 6 * 19);
	assert_int_equal(conns_stats(w.conns)->bytes_attributed[PROTO_DNS], 6 * 19);
}

/* The same id, from many, to one socket: peers tell them apart, or in the socket tier, where a
 * server learns them from its answers, the questions do. */
static void a_server_has_many_clients(void **state)
{
	for (int known = 0; known < 2; known++) {
		for (uint16_t i = 0; i < 5; i++) {
			struct way rx = { 2, SONDE_RX, known ? 1000 + i : 0, 0, 0, 53 };

			names(rx, 9, known ? 'a' : 'a' + (char)i, 1, -1);
			wait_ms(1);
		}
		for (uint16_t i = 5; i-- > 0;)
			names((struct way){ 2, SONDE_TX, 1000 + i, 0, 0, 53 }, 9,
			      known ? 'a' : 'a' + (char)i, 1, 0);
		assert_string_equal(w.log, known ? "sa.A=NOERROR@1004/1 sa.A=NOERROR@1003/2 "
						   "sa.A=NOERROR@1002/3 sa.A=NOERROR@1001/4 "
						   "sa.A=NOERROR@1000/5"
						 : "se.A=NOERROR@1004/1 sd.A=NOERROR@1003/2 "
						   "sc.A=NOERROR@1002/3 sb.A=NOERROR@1001/4 "
						   "sa.A=NOERROR@1000/5");
		w.log[0] = '\0';
	}
}

/* One socket, one id, one question, two servers: each its own answer, and the other none. */
static void two_servers_are_two_questions(void **state)
{
	names(ask, 1, 'a', 1, -1);
	names((struct way){ 1, SONDE_TX, 54, 0, 0, 0 }, 1, 'a', 1, -1);
	wait_ms(4);
	names((struct way){ 1, SONDE_RX, 54, 0, 0, 0 }, 1, 'a', 1, 0);
	assert_string_equal(w.log, "ca.A=NOERROR@54/4");
	tick(15000);
	assert_string_equal(w.log, "ca.A=NOERROR@54/4 ca.A=@53/15000!timeout");
}

/* The socket tier does not know whose answer it is: nor do we say. */
static void one_of_two_servers_is_not_named(void **state)
{
	names(ask, 1, 'a', 1, -1);
	names((struct way){ 1, SONDE_TX, 54, 0, 0, 0 }, 1, 'a', 1, -1);
	wait_ms(4);
	names((struct way){ 1, SONDE_RX, 0, 0, 0, 0 }, 1, 'a', 1, 0);
	names((struct way){ 1, SONDE_RX, 0, 0, 0, 0 }, 1, 'a', 1, 0);
	assert_string_equal(w.log, "ca.A=NOERROR@0/4 ca.A=NOERROR@54/4");
}

static void asking_again_ends_the_first_time(void **state)
{
	names(ask, 1, 'a', 1, -1);
	tick(5000);
	names(ask, 1, 'a', 1, -1);
	wait_ms(1);
	names(hear, 1, 'a', 1, 0);
	names(hear, 1, 'a', 1, 0); /* that of the first: nobody waits for it any more */
	tick(1000);
	assert_string_equal(w.log, "ca.A=@53/5000!timeout ca.A=NOERROR@53/1");
	assert_int_equal(lost(LOSS_JOINED_MIDDLE), 0);
}

/* A server answers both, in the order they came. */
static void a_server_is_asked_twice(void **state)
{
	struct way rx = { 2, SONDE_RX, 1000, 0, 0, 53 }, tx = { 2, SONDE_TX, 1000, 0, 0, 53 };

	names(rx, 1, 'a', 1, -1);
	wait_ms(10);
	names(rx, 1, 'a', 1, -1);
	wait_ms(10);
	names(tx, 1, 'a', 1, 0);
	names(tx, 1, 'a', 1, 0);
	assert_string_equal(w.log, "sa.A=NOERROR@1000/20 sa.A=NOERROR@1000/10");
}

static void what_nobody_answers_is_a_timeout(void **state)
{
	names(ask, 1, 'a', 1, -1);
	tick(14999);
	assert_string_equal(w.log, "");
	tick(1);
	assert_string_equal(w.log, "ca.A=@53/15000!timeout");
	tick(15000);
	names(hear, 1, 'a', 1, 0); /* too late */
	assert_string_equal(w.log, "ca.A=@53/15000!timeout");
}

/* The socket is gone: that its question has no answer is still to be told. */
static void a_socket_that_is_gone_leaves_its_questions(void **state)
{
	struct sonde_ev_sweep gone = { .cookie = 1 };
	uint64_t cookie;

	names(ask, 1, 'a', 1, -1);
	assert_int_equal(conns_cookies(w.conns, &cookie, 1), 1);
	assert_int_equal(cookie, 1);
	gone.h.ts_ns = w.now_ns;
	conns_sweep(w.conns, &gone);
	assert_int_equal(conns_cookies(w.conns, &cookie, 1), 0);
	tick(15000);
	assert_string_equal(w.log, "ca.A=@53/15000!timeout");
}

/* The answer may have been in a record that was lost: no time-out is made up. */
static void lost_records_make_no_timeouts(void **state)
{
	struct sonde_ev_lost ev = { .n = 3 };

	names(ask, 1, 'a', 1, -1);
	tick(1000);
	ev.h.ts_ns = w.now_ns;
	conns_lost(w.conns, &ev);
	wait_ms(1);
	names(ask, 2, 'b', 1, -1); /* after they were: that one is known not to be answered */
	tick(15000);
	assert_string_equal(w.log, "cb.A=@53/15000!timeout");
	assert_int_equal(lost(LOSS_RESPONSE_MISSING), 1);
	assert_int_equal(conns_stats(w.conns)->lost_datagrams, 3);
}

static void a_refusal_ends_what_was_asked(void **state)
{
	struct way told = { 1, SONDE_RX, 53, 0, ECONNREFUSED, 0 };

	names(ask, 1, 'a', 1, -1);
	names(ask, 2, 'a', 28, -1);
	names((struct way){ 5, SONDE_TX, 53, 0, 0, 0 }, 3, 'c', 1, -1);
	wait_ms(1);
	put(told, "", 0);
	told.cookie = 5;
	told.error = EHOSTUNREACH;
	put(told, "", 0);
	assert_string_equal(w.log, "ca.A=@53/1!refused ca.AAAA=@53/1!refused "
				   "cc.A=@53/1!unreachable");
	tick(20000);
	assert_int_equal(conns_stats(w.conns)->transactions[PROTO_DNS][0], 3);
}

/* Of another thread; the one that sends cannot have read it before. */
static void an_answer_may_be_seen_first(void **state)
{
	struct way other = hear;

	names(ask, 9, 'z', 1, -1);
	names(hear, 9, 'z', 1, 0);
	w.log[0] = '\0';
	other.tid = 8;
	names(other, 1, 'a', 1, 0);
	wait_ms(1);
	names(ask, 1, 'a', 1, -1);
	assert_string_equal(w.log, "ca.A=NOERROR@53/0");
	names(hear, 1, 'a', 1, 0); /* the same thread: an answer that came twice */
	wait_ms(1);
	names(ask, 1, 'a', 1, -1);
	assert_string_equal(w.log, "ca.A=NOERROR@53/0");
	names(other, 2, 'b', 1, 0);
	wait_ms(30); /* too long ago */
	names(ask, 2, 'b', 1, -1);
	assert_string_equal(w.log, "ca.A=NOERROR@53/0");
}

static void an_answer_to_what_was_asked_before_is_counted(void **state)
{
	names(hear, 1, 'a', 1, 0);
	tick(1000);
	names((struct way){ 2, SONDE_TX, 1000, 0, 0, 53 }, 1, 'a', 1, 0);
	assert_int_equal(lost(LOSS_JOINED_MIDDLE), 2);
	names(hear, 2, 'a', 1, 0); /* only the first of a socket can be */
	tick(1000);
	assert_int_equal(lost(LOSS_JOINED_MIDDLE), 2);
	assert_string_equal(w.log, "");
}

static void what_is_nothing_we_know_is_ignored(void **state)
{
	struct way quic = { 3, SONDE_RX, 443, 0, 0, 0 }, server = { 4, SONDE_RX, 9, 0, 0, 53 };

	for (int i = 0; i < 4; i++)
		put(quic, "\xc3hello", 6);
	assert_int_equal(w.n_ignored, 1);
	assert_int_equal(conns_stats(w.conns)->bytes_observed[PROTO_UNKNOWN], 24);
	/* rubbish does not make a name server dark */
	for (int i = 0; i < 50; i++)
		put(server, "\xc3hello", 6);
	names(server, 1, 'a', 1, -1);
	for (int i = 0; i < 100; i++)
		put(server, "\xc3hello", 6);
	server.dir = SONDE_TX;
	names(server, 1, 'a', 1, 0);
	assert_int_equal(w.n_ignored, 1);
	assert_int_equal(lost(LOSS_PARSE_ERROR), 100);
	assert_string_equal(w.log, "sa.A=NOERROR@9/0");
	/* one that is ignored stays so, and the kernel is told again */
	names((struct way){ 3, SONDE_TX, 443, 0, 0, 0 }, 1, 'a', 1, -1);
	assert_int_equal(w.n_ignored, 2);
}

/* They look like DNS, but nobody answers what was asked. */
static void what_is_for_many_is_no_question(void **state)
{
	for (int i = 0; i < 4; i++) {
		names((struct way){ 6, SONDE_TX, 5353, 0, 0, 0 }, 0, 'a', 1, -1);
		names((struct way){ 7, SONDE_RX, 4000, 0, 0, 5355 }, 0, 'a', 1, -1);
		names((struct way){ 8, SONDE_TX, 137, 0, 0, 0 }, 0, 'a', 32, -1);
	}
	tick(20000);
	assert_string_equal(w.log, "");
	assert_int_equal(w.n_ignored, 3);
}

static void tables_are_bounded(void **state)
{
	for (uint32_t i = 0; i < QUESTIONS_MAX + 10; i++)
		names((struct way){ 100 + i / 200, SONDE_TX, 53, 0, 0, 0 }, (uint8_t)(i % 200), 'a',
		      1, -1);
	assert_int_equal(lost(LOSS_PENDING_FULL), 10);
	tick(20000);
	assert_int_equal(conns_stats(w.conns)->transactions[PROTO_DNS][0], QUESTIONS_MAX);
	/* a server that is asked one thing by one client, and says nothing */
	for (int i = 0; i < QUESTIONS_ALIKE_MAX + 5; i++)
		names((struct way){ 2, SONDE_RX, 1000, 0, 0, 53 }, 1, 'a', 1, -1);
	assert_int_equal(lost(LOSS_PENDING_FULL), 15);
}

static void a_message_cut_off_is_still_one(void **state)
{
	/* an answer to a bad question need not repeat it */
	static const uint8_t formerr[] = { 0, 1, 0x81, 0x81, 0, 0, 0, 0, 0, 0, 0, 0 };

	names(ask, 1, 'a', 1, -1);
	wait_ms(1);
	put(hear, formerr, sizeof(formerr));
	assert_string_equal(w.log, "ca.A=FORMERR@53/1!FORMERR");
}

/* For whom a name is asked is known while it is asked. */
static void questions_are_told_of_when_they_are_asked(void **state)
{
	names((struct way){ 1, SONDE_TX, 53, 71, 0, 0 }, 1, 'a', 1, -1);
	names((struct way){ 2, SONDE_RX, 1000, 72, 0, 53 }, 1, 'a', 1, -1);
	assert_string_equal(w.told, "ca71@53 sb72@1000 ");
	wait_ms(1);
	names((struct way){ 1, SONDE_RX, 53, 73, 0, 0 }, 1, 'a', 1, 0);
	assert_string_equal(w.told, "ca71@53 sb72@1000 -a ");
	tick(15000);
	assert_string_equal(w.told, "ca71@53 sb72@1000 -a -b ");
	/* the answer is read before the send is over */
	names((struct way){ 1, SONDE_RX, 53, 74, 0, 0 }, 2, 'a', 1, 0);
	names((struct way){ 1, SONDE_TX, 53, 75, 0, 0 }, 2, 'a', 1, -1);
	assert_string_equal(w.told, "ca71@53 sb72@1000 -a -b cc75@53 -c ");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(several_in_flight_are_answered_in_any_order),
		TEST(a_server_has_many_clients),
		TEST(two_servers_are_two_questions),
		TEST(one_of_two_servers_is_not_named),
		TEST(asking_again_ends_the_first_time),
		TEST(a_server_is_asked_twice),
		TEST(what_nobody_answers_is_a_timeout),
		TEST(a_socket_that_is_gone_leaves_its_questions),
		TEST(lost_records_make_no_timeouts),
		TEST(a_refusal_ends_what_was_asked),
		TEST(an_answer_may_be_seen_first),
		TEST(an_answer_to_what_was_asked_before_is_counted),
		TEST(what_is_nothing_we_know_is_ignored),
		TEST(what_is_for_many_is_no_question),
		TEST(tables_are_bounded),
		TEST(a_message_cut_off_is_still_one),
		TEST(questions_are_told_of_when_they_are_asked),
	};

	return cmocka_run_group_tests_name("datagram", tests, NULL, NULL);
}
