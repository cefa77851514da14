// SPDX-License-Identifier: Apache-2.0
/* Whose call a call is: each rule by which a parent is known, and each by which it is not. */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include "trace/keep.h"
#include "trace_fixture.h"

static void a_thread_calls_for_its_request(void **state)
{
	struct play s = serve(1, 10, 11), other = serve(2, 10, 12), c = call(3, 10, 11);

	end(&c);
	end(&s);
	end(&other);
	assert_child(&c, &s, TXN_PARENT_THREAD);
	assert_how(&s, TXN_PARENT_NONE);
}

static void an_event_loop_is_not_guessed_about(void **state)
{
	struct play s = serve(1, 10, 11), other = serve(2, 10, 11), c = call(3, 10, 11), later;

	end(&c);
	end(&other);
	assert_how(&c, TXN_PARENT_UNKNOWN);
	later = call(3, 10, 11); /* one is left */
	end(&later);
	end(&s);
	assert_child(&later, &s, TXN_PARENT_THREAD);
}

/* Threads of loops work for each other: only when nothing else is open is it certain. */
static void loops_of_several_threads_are_not_either(void **state)
{
	struct play a = serve(1, 10, 11), b = serve(2, 10, 11), c, s;

	end(&a);
	end(&b);
	s = serve(1, 10, 11);
	b = serve(3, 10, 12);
	c = call(4, 10, 11);
	end(&c);
	assert_how(&c, TXN_PARENT_UNKNOWN);
	end(&b);
	c = call(4, 10, 11);
	end(&c);
	end(&s);
	assert_child(&c, &s, TXN_PARENT_THREAD);
}

static void what_cannot_be_seen_is_reckoned_with(void **state)
{
	struct play s = serve(1, 10, 11), c;

	trace_opaque(tr, 10);
	c = call(2, 10, 11);
	end(&c);
	assert_how(&c, TXN_PARENT_UNKNOWN);
	end(&s);
	s = serve(1, 20, 21);
	trace_blind(tr);
	c = call(2, 20, 21);
	end(&c);
	assert_how(&c, TXN_PARENT_UNKNOWN);
	end(&s);
}

static void a_late_call_is_nobodys(void **state)
{
	struct play s = serve(1, 10, 11), c;
	struct conn_request r = request(SONDE_ROLE_CLIENT, 2, 10, 11);

	r.is_late = true;
	c = begin(&r);
	end(&c);
	end(&s);
	assert_how(&c, TXN_PARENT_UNKNOWN);
}

/* A connection that is refused at last: by then somebody else may be alone at work. */
static struct play refused(uint64_t since_ns)
{
	struct play p = { .txn = { .cookie = 9,
				   .role = SONDE_ROLE_CLIENT,
				   .start_ns = since_ns,
				   .tgid = 10,
				   .tid = 11 } };

	end(&p);
	return p;
}

static void what_is_told_of_when_it_is_over_was_begun_before(void **state)
{
	struct play a = serve(1, 10, 11), b = serve(2, 10, 11), c;
	uint64_t begun_ns = now_ns += 1000;

	end(&a);
	c = refused(begun_ns); /* there were two */
	assert_how(&c, TXN_PARENT_UNKNOWN);
	n_delivered = 0;
	c = refused(now_ns);
	end(&b);
	assert_child(&c, &b, TXN_PARENT_THREAD);
	/* a tick came before records that are older */
	n_delivered = 0;
	begun_ns = now_ns += 1000;
	trace_time(tr, begun_ns + 1000000);
	trace_time(tr, begun_ns);
	a = serve(1, 10, 11);
	c = refused(a.txn.start_ns + 1);
	end(&a);
	assert_child(&c, &a, TXN_PARENT_THREAD);
}

static void who_serves_nothing_calls_by_itself(void **state)
{
	struct play c = call(1, 10, 11), s;

	end(&c);
	assert_how(&c, TXN_PARENT_NONE);
	s = serve(2, 10, 11);
	end(&s);
	c = call(1, 10, 11); /* on whose behalf, after its answer? */
	end(&c);
	assert_how(&c, TXN_PARENT_UNKNOWN);
}

static void goroutines_are_not_threads(void **state)
{
	struct conn_request s = request(SONDE_ROLE_SERVER, 1, 10, 11);
	struct conn_request c = request(SONDE_ROLE_CLIENT, 2, 10, 12);
	struct play served, called, by_thread;

	s.is_go = c.is_go = true;
	s.goroutine = c.goroutine = 0xc000100000;
	served = begin(&s);
	called = begin(&c);
	end(&called);
	c.cookie = 3;
	c.goroutine = 0;
	c.tid = 11;
	by_thread = begin(&c);
	end(&by_thread);
	end(&served);
	assert_child(&called, &served, TXN_PARENT_GOROUTINE);
	assert_how(&by_thread, TXN_PARENT_UNKNOWN);
}

static void a_goroutine_hands_its_request_over(void **state)
{
	struct conn_request s = request(SONDE_ROLE_SERVER, 1, 10, 11);
	struct conn_request c = request(SONDE_ROLE_CLIENT, 2, 10, 12);
	struct play served, called, again;

	s.is_go = c.is_go = true;
	s.goroutine = 0xc000100000;
	c.goroutine = 0xc000200000;
	served = begin(&s);
	trace_handover(tr, 10, 0xc000100000, 2);
	called = begin(&c);
	end(&called);
	c.start_ns = now_ns += 1000;
	again = begin(&c); /* of that one nothing was told */
	end(&again);
	trace_handover(tr, 10, 0xc000100000, 2);
	end(&served);
	c.start_ns = now_ns += 1000;
	assert_child(&called, &served, TXN_PARENT_HANDOVER);
	assert_how(&again, TXN_PARENT_UNKNOWN);
	again = begin(&c); /* whose it was is over */
	end(&again);
	assert_how(&again, TXN_PARENT_UNKNOWN);
	trace_conn_gone(tr, 2);
}

static void a_request_id_is_passed_on(void **state)
{
	struct conn_request a = request(SONDE_ROLE_SERVER, 1, 10, 11);
	struct conn_request b = request(SONDE_ROLE_SERVER, 2, 10, 11);
	struct conn_request c = request(SONDE_ROLE_CLIENT, 3, 10, 11);
	struct play first, second, called;

	a.request_id = SLICE("one");
	b.request_id = SLICE("two");
	c.request_id = SLICE("two");
	first = begin(&a);
	second = begin(&b);
	called = begin(&c);
	end(&called);
	end(&second);
	assert_child(&called, &second, TXN_PARENT_PROXY);
	b.request_id = SLICE("one"); /* not one of a kind any more */
	c.request_id = SLICE("one");
	b.start_ns = now_ns += 1000;
	c.start_ns = now_ns += 1000;
	second = begin(&b);
	called = begin(&c);
	end(&called);
	assert_how(&called, TXN_PARENT_UNKNOWN);
	end(&first);
	end(&second);
}

static void a_process_is_forked_for_a_request(void **state)
{
	struct play s = serve(1, 10, 11), other = serve(2, 10, 12), c, deep;

	trace_fork(tr, 10, 11, 30);
	trace_fork(tr, 30, 30, 40); /* a shell's */
	c = call(3, 30, 30);
	end(&c);
	deep = call(4, 40, 40);
	end(&deep);
	end(&s);
	assert_child(&c, &s, TXN_PARENT_HANDOVER);
	assert_child(&deep, &s, TXN_PARENT_HANDOVER);
	c = call(3, 30, 30); /* on whose behalf, after its answer? */
	end(&c);
	assert_how(&c, TXN_PARENT_UNKNOWN);
	trace_exit(tr, 30);
	trace_exit(tr, 40);
	end(&other);
}

/* By a thread that serves nobody, or by an old recording's word. */
static void who_forked_is_not_guessed(void **state)
{
	struct play s = serve(1, 10, 11), c;

	trace_fork(tr, 10, 12, 30);
	c = call(2, 30, 30);
	end(&c);
	assert_how(&c, TXN_PARENT_UNKNOWN);
	trace_fork(tr, 10, 0, 40);
	c = call(3, 40, 40);
	end(&c);
	assert_how(&c, TXN_PARENT_UNKNOWN);
	trace_fork(tr, 50, 50, 60); /* nor is the child of one that serves nothing in doubt */
	c = call(4, 60, 60);
	end(&c);
	assert_how(&c, TXN_PARENT_NONE);
	end(&s);
}

static void two_ends_are_one_connection(void **state)
{
	struct conn_request r = request(SONDE_ROLE_CLIENT, 1, 10, 11), o;
	struct play c, s;

	c = begin(&r);
	o = other_end(&r, 2, 20);
	s = begin(&o);
	end(&s);
	end(&c);
	assert_child(&s, &c, TXN_PARENT_CONNECTION);
	/* pipelined: the ends differ in what they had seen of answers */
	r.request_seq = 200;
	r.start_ns = now_ns += 1000;
	c = begin(&r);
	o = other_end(&r, 2, 20);
	o.after_seq = 777;
	s = begin(&o);
	end(&s);
	end(&c);
	assert_child(&s, &c, TXN_PARENT_CONNECTION);
}

/* All in one write; the server reads some, answers them, and reads on. */
static void a_pipeline_is_met_by_its_first(void **state)
{
	struct play c[6], s[6];

	for (uint32_t i = 0; i < 6; i++) {
		struct conn_request r = request(SONDE_ROLE_CLIENT, 1, 10, 11);

		r.request_seq = 100 + i;
		c[i] = begin(&r);
	}
	for (uint32_t i = 0; i < 6; i++) {
		struct conn_request o = request(SONDE_ROLE_SERVER, 2, 20, 21);

		o.request_seq = 100 + i;
		o.after_seq = i < 3 ? 1 : 500;
		o.peer = &loopback;
		s[i] = begin(&o);
		end(&s[i]);
	}
	for (uint32_t i = 0; i < 6; i++) {
		end(&c[i]);
		assert_child(&s[i], &c[i], TXN_PARENT_CONNECTION);
	}
}

/* The server's record came first: what hangs on it waits, and is told in one trace. */
static void a_late_client_is_waited_for(void **state)
{
	struct conn_request r = request(SONDE_ROLE_CLIENT, 1, 10, 11);
	struct conn_request o = other_end(&r, 2, 20);
	struct play s = begin(&o), inner = call(3, 20, 21), c;

	end(&inner);
	end(&s);
	assert_int_equal(n_delivered, 0);
	c = begin(&r);
	assert_int_equal(n_delivered, 2);
	end(&c);
	assert_child(&s, &c, TXN_PARENT_CONNECTION);
	assert_child(&inner, &s, TXN_PARENT_THREAD);
	assert_memory_equal(told(&inner)->trace.trace_id, told(&c)->trace.trace_id, 16);
}

static void nobody_is_waited_for_for_long(void **state)
{
	struct conn_request r = request(SONDE_ROLE_CLIENT, 1, 10, 11);
	struct conn_request o = other_end(&r, 2, 20);
	struct play s = begin(&o), inner = call(3, 20, 21);

	end(&inner);
	trace_time(tr, now_ns + TRACE_HOLD_NS / 2);
	assert_int_equal(n_delivered, 0);
	end(&s);
	trace_time(tr, now_ns += TRACE_GRACE_NS + NS_PER_S);
	assert_int_equal(n_delivered, 2);
	assert_how(&s, TXN_PARENT_UNKNOWN);
	assert_child(&inner, &s, TXN_PARENT_THREAD);
	/* the connection's other end is not seen: the next one need not wait */
	o.request_seq = 300;
	o.start_ns = now_ns += 1000;
	s = begin(&o);
	end(&s);
	assert_how(&s, TXN_PARENT_UNKNOWN);
}

static void a_context_is_joined(void **state)
{
	struct context x = { .trace_id = { 1 }, .span_id = { 2 }, .is_known = true };
	struct conn_request a = request(SONDE_ROLE_SERVER, 1, 10, 11);
	struct conn_request b = request(SONDE_ROLE_SERVER, 2, 10, 11);
	struct conn_request c = request(SONDE_ROLE_CLIENT, 3, 10, 11), o;
	struct play first, second, called, answered;

	a.context = c.context = &x; /* c passes on what a brought */
	first = begin(&a);
	second = begin(&b);
	called = begin(&c);
	o = other_end(&c, 4, 20);
	o.context = &x;
	answered = begin(&o);
	end(&answered);
	end(&called);
	end(&second);
	end(&first);
	assert_how(&first, TXN_PARENT_HEADER);
	assert_memory_equal(told(&first)->trace.parent_span_id, x.span_id, 8);
	assert_false(told(&first)->trace.is_sampled); /* as it was said */
	assert_child(&called, &first, TXN_PARENT_HEADER);
	assert_child(&answered, &called, TXN_PARENT_CONNECTION);
	assert_memory_equal(told(&answered)->trace.trace_id, x.trace_id, 16);
}

/* A program that makes its own spans: the server's parent is the one it names. */
static void a_context_of_the_clients_own_stands(void **state)
{
	struct context x = { .trace_id = { 1 }, .span_id = { 2 }, .is_known = true };
	struct conn_request c = request(SONDE_ROLE_CLIENT, 3, 10, 11), o;
	struct play called, answered;

	c.context = &x;
	called = begin(&c);
	o = other_end(&c, 4, 20);
	o.context = &x;
	answered = begin(&o);
	end(&answered);
	end(&called);
	assert_how(&called, TXN_PARENT_HEADER);
	assert_how(&answered, TXN_PARENT_HEADER);
	assert_memory_equal(told(&answered)->trace.parent_span_id, x.span_id, 8);
}

static void bounds_are_kept(void **state)
{
	struct context x = { .trace_id = { 1 }, .span_id = { 2 }, .is_known = true };
	struct conn_request r, o;
	struct play s[4];

	trace_free(tr);
	setup_with(3, 2);
	for (int i = 0; i < 4; i++) {
		r = request(SONDE_ROLE_CLIENT, 100 + (uint64_t)i, 10, 11);
		o = other_end(&r, 200 + (uint64_t)i, 20 + (uint32_t)i);
		if (i == 3)
			o.context = &x;
		s[i] = begin(&o);
	}
	assert_null(s[3].unit); /* no room: it is still where its request says */
	assert_int_equal(trace_stats(tr)->full.n[FULL_TRACE_REQUESTS], 1);
	for (int i = 0; i < 4; i++)
		end(&s[i]);
	assert_int_equal(trace_stats(tr)->hurried, 1);
	assert_how(&s[0], TXN_PARENT_UNKNOWN);
	assert_how(&s[3], TXN_PARENT_HEADER);
	trace_flush(tr);
	assert_int_equal(n_delivered, 4);
	for (uint64_t i = 0; i < 4; i++)
		trace_conn_gone(tr, 200 + i);
	assert_int_equal(trace_stats(tr)->units, 0);
	assert_int_equal(trace_stats(tr)->held, 0);
}

/* Requests that are lost, connections that end first, in any order: nothing is left behind. */
static void nothing_is_left_behind(void **state)
{
	uint32_t seed = 7;

	for (int round = 0; round < 500; round++) {
		struct play plays[6];
		bool is_done[6] = { false };

		n_delivered = 0;
		for (int i = 0; i < 6; i++) {
			struct conn_request r =
				request(i % 2 ? SONDE_ROLE_CLIENT : SONDE_ROLE_SERVER,
					(uint64_t)(round * 8 + i), 10 + (seed >> 16) % 3,
					11 + (seed >> 19) % 2);

			seed = seed * 1103515245 + 12345;
			r.request_seq = (uint32_t)round * 4 + (seed >> 20) % 2;
			r.after_seq = 5;
			r.peer = &loopback;
			plays[i] = begin(&r);
		}
		for (int i = 0; i < 30; i++) {
			int k = (int)((seed = seed * 1103515245 + 12345) >> 16) % 6;

			if (seed >> 28 == 0)
				trace_conn_gone(tr, (uint64_t)(round * 8 + k));
			if (seed >> 28 == 1)
				trace_thread(tr, 10, seed >> 27 & 1 ? 0 : 11, 12);
			if (is_done[k])
				continue;
			is_done[k] = true;
			if (seed >> 29)
				end(&plays[k]);
			else
				trace_gone(tr, plays[k].unit);
		}
		for (int i = 0; i < 6; i++) {
			if (!is_done[i])
				end(&plays[i]);
			trace_conn_gone(tr, (uint64_t)(round * 8 + i));
		}
		trace_thread(tr, 10, 0, 12);
		if (round % 3 == 0)
			trace_flush(tr);
		else
			trace_time(tr, now_ns += 2 * NS_PER_S);
		assert_int_equal(trace_stats(tr)->units, 0);
		assert_int_equal(trace_stats(tr)->held, 0);
	}
}

static struct txn span(uint8_t trace, uint8_t id, const char *error, uint64_t duration_ns)
{
	struct txn t = { .cookie = id, .start_ns = now_ns, .end_ns = now_ns + duration_ns };

	t.trace.trace_id[15] = trace;
	t.trace.span_id[7] = id;
	strcpy(t.error_type, error);
	return t;
}

static void what_fails_or_is_slow_is_kept(void **state)
{
	struct keep *k =
		keep_new(&(struct keep_opts){ .errors = true, .slow = true, .deliver = deliver });
	struct txn t;

	t = span(1, 1, "", 5);
	keep_txn(k, &t);
	t = span(2, 2, "", 5);
	keep_txn(k, &t);
	assert_int_equal(n_delivered, 0);
	t = span(1, 3, "500", 5); /* and with it what came before and comes behind */
	keep_txn(k, &t);
	t = span(1, 4, "", 5);
	keep_txn(k, &t);
	assert_int_equal(n_delivered, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(delivered[i].cookie, i < 1 ? 1 : i + 2);
		assert_true(delivered[i].trace.is_sampled);
	}
	t = span(3, 5, "", KEEP_SLOW_NS);
	keep_txn(k, &t);
	assert_int_equal(n_delivered, 4);
	for (int i = 0; i < KEEP_SPANS_MAX; i++) { /* 2 is forgotten */
		t = span(9, 9, "", 5);
		keep_txn(k, &t);
	}
	t = span(2, 6, "500", 5);
	keep_txn(k, &t);
	assert_int_equal(n_delivered, 5);
	keep_free(k);
	k = keep_new(&(struct keep_opts){ .errors = true, .deliver = deliver });
	t = span(4, 7, "", KEEP_SLOW_NS);
	keep_txn(k, &t);
	assert_int_equal(n_delivered, 5);
	keep_free(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_thread_calls_for_its_request),
		TEST(an_event_loop_is_not_guessed_about),
		TEST(loops_of_several_threads_are_not_either),
		TEST(what_cannot_be_seen_is_reckoned_with),
		TEST(a_late_call_is_nobodys),
		TEST(who_serves_nothing_calls_by_itself),
		TEST(goroutines_are_not_threads),
		TEST(a_goroutine_hands_its_request_over),
		TEST(a_request_id_is_passed_on),
		TEST(a_process_is_forked_for_a_request),
		TEST(who_forked_is_not_guessed),
		TEST(two_ends_are_one_connection),
		TEST(a_pipeline_is_met_by_its_first),
		TEST(a_late_client_is_waited_for),
		TEST(nobody_is_waited_for_for_long),
		TEST(a_context_is_joined),
		TEST(a_context_of_the_clients_own_stands),
		TEST(what_is_told_of_when_it_is_over_was_begun_before),
		TEST(bounds_are_kept),
		TEST(nothing_is_left_behind),
		TEST(what_fails_or_is_slow_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
