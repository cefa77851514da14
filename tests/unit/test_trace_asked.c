// SPDX-License-Identifier: Apache-2.0
/* The two ends of a datagram on one host: when they are known to be each other's. */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include "stream/datagram.h"
#include "trace_fixture.h"

static const struct sonde_addr any_address;
static struct sonde_addr name_server = { .ip = { 127, 0, 0, 1 }, .port = 53 };

/* Two ends that only their ports tell apart. */
struct ends {
	struct sonde_addr client, server;
};

static struct conn_request question(enum sonde_role role, uint64_t cookie, uint64_t text,
				    struct ends *ends)
{
	bool is_client = role == SONDE_ROLE_CLIENT;
	uint32_t tgid = is_client ? 10 : 20;
	struct conn_request r = request(role, cookie, tgid, tgid);

	r.is_tcp = false;
	r.is_datagram = r.is_by_id = true;
	r.question = text;
	r.local = is_client ? &ends->client : &ends->server;
	r.peer = is_client ? &ends->server : &ends->client;
	return r;
}

/* The server's socket is not connected: of whom it was asked is known when it has answered. */
static struct play read_by_server(uint64_t cookie, uint64_t text, struct ends *ends)
{
	struct conn_request r = question(SONDE_ROLE_SERVER, cookie, text, ends);
	struct play p;

	r.peer = &any_address;
	p = begin(&r);
	p.txn.family = SONDE_FAMILY_IPV4;
	p.txn.local = ends->server;
	p.txn.peer = ends->client;
	return p;
}

static struct play ask(uint64_t cookie, uint64_t text, struct ends *ends)
{
	struct conn_request r = question(SONDE_ROLE_CLIENT, cookie, text, ends);

	return begin(&r);
}

static struct ends ends_of(uint16_t port)
{
	struct ends e = { .client = { .ip = { 127, 0, 0, 1 }, .port = port },
			  .server = name_server };

	return e;
}

static void both_ends_of_a_datagram(void **state)
{
	struct ends e = ends_of(5000);
	struct play c = ask(1, 77, &e), s = read_by_server(2, 77, &e);
	uint64_t begun_ns = c.txn.start_ns;

	end(&s);
	end(&c);
	assert_child(&s, &c, TXN_PARENT_CONNECTION);
	assert_int_equal(told(&c)->start_ns, begun_ns);
}

/* Its send was over when it had been read already: it began no later than it arrived. */
static void the_client_is_told_of_late(void **state)
{
	struct ends e = ends_of(5000);
	struct play s = read_by_server(2, 77, &e), c = ask(1, 77, &e), s2;
	uint64_t delay_ns = c.txn.start_ns - s.txn.start_ns;

	end(&s);
	end(&c);
	assert_int_equal(n_delivered, 2);
	assert_int_equal(delivered[1].start_ns, s.txn.start_ns);
	assert_int_equal(delivered[1].waits.unknown_ns, delay_ns);
	assert_memory_equal(delivered[0].trace.parent_span_id, delivered[1].trace.span_id, 8);
	/* one that is waited for in vain is so for as long as any */
	n_delivered = 0;
	s = read_by_server(2, 79, &e);
	c = ask(1, 79, &e);
	c.txn.end_ns = c.txn.start_ns + QUESTION_WAIT_NS;
	trace_txn(tr, &c.txn, false);
	trace_gone(tr, c.unit);
	assert_int_equal(delivered[0].start_ns, s.txn.start_ns);
	assert_int_equal(delivered[0].end_ns, s.txn.start_ns + QUESTION_WAIT_NS);
	trace_gone(tr, s.unit);
	/* nor had it been when that was answered */
	n_delivered = 0;
	s2 = read_by_server(2, 78, &e);
	end(&s2);
	assert_int_equal(n_delivered, 0);
	c = ask(1, 78, &e);
	assert_int_equal(n_delivered, 1);
	end(&c);
	assert_int_equal(delivered[1].start_ns, s2.txn.start_ns);
	assert_memory_equal(delivered[0].trace.parent_span_id, delivered[1].trace.span_id, 8);
}

static void who_else_asked_is_not_taken_for_it(void **state)
{
	struct ends e = ends_of(5000), other = ends_of(5001);
	struct play c = ask(1, 77, &e), o = ask(3, 77, &other), s = read_by_server(2, 77, &e);
	struct play t = read_by_server(2, 77, &other), elsewhere;

	end(&t);
	end(&s);
	end(&c);
	end(&o);
	assert_child(&s, &c, TXN_PARENT_CONNECTION);
	assert_child(&t, &o, TXN_PARENT_CONNECTION);
	/* another text; then another server's address, at the same port */
	c = ask(1, 79, &e);
	s = read_by_server(2, 80, &e);
	end(&s);
	elsewhere = read_by_server(4, 79, &e);
	elsewhere.txn.local.ip[3] = 2;
	end(&elsewhere);
	end(&c);
	trace_time(tr, now_ns += 2 * NS_PER_S);
	assert_how(&s, TXN_PARENT_UNKNOWN);
	assert_how(&elsewhere, TXN_PARENT_UNKNOWN);
}

static void what_is_asked_again_is_in_doubt(void **state)
{
	struct ends e = ends_of(5000);
	struct play c = ask(1, 77, &e), s, again, t;

	s = read_by_server(2, 77, &e);
	end(&c); /* given up */
	again = ask(1, 77, &e);
	t = read_by_server(2, 77, &e);
	end(&s);
	end(&t);
	end(&again);
	trace_time(tr, now_ns += 2 * NS_PER_S);
	assert_how(&s, TXN_PARENT_UNKNOWN);
	assert_how(&t, TXN_PARENT_UNKNOWN);
	/* long before it was asked, by one that was not told of */
	s = read_by_server(2, 81, &e);
	end(&s);
	now_ns += NS_PER_S / 10;
	c = ask(1, 81, &e);
	end(&c);
	trace_time(tr, now_ns += 2 * NS_PER_S);
	assert_how(&s, TXN_PARENT_UNKNOWN);
	assert_int_equal(told(&c)->start_ns, c.txn.start_ns);
}

static void who_asks_from_afar_is_not_waited_for(void **state)
{
	struct ends e = ends_of(5000);
	struct play s;

	e.client = far;
	e.client.port = 5000;
	s = read_by_server(2, 77, &e);
	end(&s);
	assert_how(&s, TXN_PARENT_UNKNOWN);
}

static void no_question_is_left_behind(void **state)
{
	for (uint16_t i = 0; i < 1000; i++) {
		struct ends e = ends_of(5000 + i % 7);
		struct play c = ask(i, 77 + i % 3, &e), s = read_by_server(2000, 77 + i % 3, &e);

		n_delivered = 0;
		if (i % 5)
			end(&s);
		else
			trace_gone(tr, s.unit);
		if (i % 4)
			end(&c);
		else
			trace_gone(tr, c.unit);
		if (i % 11 == 0)
			trace_time(tr, now_ns += NS_PER_S / 5);
	}
	n_delivered = 0;
	trace_time(tr, now_ns += 2 * NS_PER_S);
	assert_int_equal(trace_stats(tr)->units, 0);
	assert_int_equal(trace_stats(tr)->held, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(both_ends_of_a_datagram),
		TEST(the_client_is_told_of_late),
		TEST(who_else_asked_is_not_taken_for_it),
		TEST(what_is_asked_again_is_in_doubt),
		TEST(who_asks_from_afar_is_not_waited_for),
		TEST(no_question_is_left_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
