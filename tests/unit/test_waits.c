// SPDX-License-Identifier: Apache-2.0
/* Where a transaction's time went: a day of threads and goroutines, told operation by operation. */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "stream/waits.h"

/* A unit at work on an imagined machine: what it waits for is written into its accounts. */
struct worker {
	uint64_t ns;
	uint64_t goroutine;
	uint32_t tgid;
	uint32_t tid;
	struct sonde_sched sched;
};

static struct worker worker(uint32_t tid)
{
	return (struct worker){ .ns = 1000, .tgid = 1, .tid = tid, .sched = { .on_ns = 1000 } };
}

static void runs(struct worker *w, uint64_t ns)
{
	w->ns += ns;
}

static void waits(struct worker *w, enum sonde_wait on, uint64_t ns)
{
	w->ns += ns;
	w->sched.wait_ns[on] += ns;
	w->sched.on_ns = w->ns;
}

static struct op op_now(const struct worker *w)
{
	return (struct op){
		.begin_ns = w->ns,
		.end_ns = w->ns,
		.ts_ns = w->ns,
		.is_begin_known = true,
		.goroutine = w->goroutine,
		.tgid = w->tgid,
		.tid = w->tid,
		.sched = w->sched,
	};
}

/* One request, from its arrival to its end. */
struct work {
	struct waits_open open;
	struct txn t;
	uint64_t read_ns;
};

static struct work begin(struct waits *ws, const struct worker *w, enum sonde_role role,
			 uint64_t queued_ns)
{
	struct work x = {
		.t = { .role = role, .start_ns = w->ns - queued_ns, .is_start_known = true },
		.read_ns = w->ns
	};
	struct op op = op_now(w);

	waits_enter(ws, &x.open, role, &op, &op);
	return x;
}

static struct txn_waits finish_with(struct waits *ws, struct work *x, const struct op *op)
{
	struct waits_mark mark = waits_mark(op);
	struct txn_waits *w = &x->t.waits;
	uint64_t sum = 0;

	x->t.end_ns = op->end_ns;
	waits_tell(&x->open, &mark, x->read_ns, &x->t);
	waits_leave(ws, &x->open);
	for (const uint64_t *p = &w->receive_queue_ns; p <= &w->unknown_ns; p++)
		sum += *p == TXN_WAIT_UNKNOWN ? 0 : *p;
	assert_int_equal(sum, txn_duration_ns(&x->t));
	return *w;
}

static struct txn_waits finish(struct waits *ws, struct work *x, const struct worker *w)
{
	struct op op = op_now(w);

	return finish_with(ws, x, &op);
}

static void is_empty(struct waits *ws)
{
	assert_int_equal(ws->units.n, 0); /* nobody has anything open: nobody is held */
	waits_free(ws);
}

static void test_parts(void **state)
{
	struct worker w = worker(5);
	struct waits ws = { 0 };
	struct work x;
	struct txn_waits got;

	runs(&w, 500);
	x = begin(&ws, &w, SONDE_ROLE_SERVER, 400);
	runs(&w, 100);
	waits(&w, SONDE_WAIT_RUNQUEUE, 7);
	waits(&w, SONDE_WAIT_THROTTLED, 11);
	waits(&w, SONDE_WAIT_DISK, 13);
	waits(&w, SONDE_WAIT_LOCK, 17);
	waits(&w, SONDE_WAIT_NETWORK, 19);
	waits(&w, SONDE_WAIT_FAULT, 23);
	waits(&w, SONDE_WAIT_SLEEP, 29);
	waits(&w, SONDE_WAIT_OTHER, 31);
	got = finish(&ws, &x, &w);
	assert_int_equal(got.receive_queue_ns, 400);
	assert_int_equal(got.runqueue_ns, 7);
	assert_int_equal(got.throttled_ns, 11);
	assert_int_equal(got.cpu_ns, 100);
	assert_int_equal(got.blocked_ns, 13 + 17 + 19 + 23 + 29 + 31);
	assert_true(got.blocked_on.is_known);
	assert_int_equal(got.blocked_on.disk_ns, 13);
	assert_int_equal(got.blocked_on.lock_ns, 17);
	assert_int_equal(got.blocked_on.network_ns, 19);
	assert_int_equal(got.blocked_on.fault_ns, 23);
	assert_int_equal(got.downstream_ns, 0);
	assert_int_equal(got.unknown_ns, 0);
	assert_false(got.shared);
	is_empty(&ws);
}

/* Calls that overlap: the time while any of them is open, once; what was run meanwhile is run. */
static void test_downstream(void **state)
{
	struct worker w = worker(5);
	struct waits ws = { 0 };
	struct work x, a, b;
	struct txn_waits got;

	x = begin(&ws, &w, SONDE_ROLE_SERVER, 0);
	waits(&w, SONDE_WAIT_LOCK, 5);
	a = begin(&ws, &w, SONDE_ROLE_CLIENT, 0);
	waits(&w, SONDE_WAIT_NETWORK, 100);
	b = begin(&ws, &w, SONDE_ROLE_CLIENT, 0);
	runs(&w, 30);
	waits(&w, SONDE_WAIT_OTHER, 50);
	waits(&w, SONDE_WAIT_RUNQUEUE, 3);
	got = finish(&ws, &a, &w);
	assert_int_equal(got.blocked_ns, 150);
	assert_int_equal(got.receive_queue_ns, TXN_WAIT_UNKNOWN);
	assert_int_equal(got.downstream_ns, TXN_WAIT_UNKNOWN);
	assert_true(got.shared); /* with the other call */
	waits(&w, SONDE_WAIT_NETWORK, 20);
	finish(&ws, &b, &w);
	waits(&w, SONDE_WAIT_SLEEP, 9);
	got = finish(&ws, &x, &w);
	assert_int_equal(got.downstream_ns, 170);
	assert_int_equal(got.blocked_ns, 14);
	assert_int_equal(got.blocked_on.lock_ns, 5);
	assert_int_equal(got.blocked_on.network_ns, 0);
	assert_int_equal(got.cpu_ns, 30);
	assert_int_equal(got.runqueue_ns, 3);
	assert_false(got.shared);
	is_empty(&ws);
}

/* Several requests of one thread: marked, all of them, and nobody says whose a call was. */
static void test_shared(void **state)
{
	struct worker w = worker(5);
	struct waits ws = { 0 };
	struct work a, b, c, call;
	struct txn_waits got;

	a = begin(&ws, &w, SONDE_ROLE_SERVER, 0);
	waits(&w, SONDE_WAIT_OTHER, 10);
	b = begin(&ws, &w, SONDE_ROLE_SERVER, 0);
	call = begin(&ws, &w, SONDE_ROLE_CLIENT, 0);
	waits(&w, SONDE_WAIT_OTHER, 40);
	assert_true(finish(&ws, &call, &w).shared);
	got = finish(&ws, &a, &w);
	assert_true(got.shared);
	assert_int_equal(got.blocked_ns, 50);
	assert_int_equal(got.downstream_ns, TXN_WAIT_UNKNOWN);
	assert_true(finish(&ws, &b, &w).shared);
	c = begin(&ws, &w, SONDE_ROLE_SERVER, 0); /* alone again */
	got = finish(&ws, &c, &w);
	assert_false(got.shared);
	assert_int_equal(got.downstream_ns, 0);
	is_empty(&ws);
}

/* Answered by another thread: of what happened in between nothing is known. */
static void test_handover(void **state)
{
	struct worker w = worker(5), other = worker(6);
	struct waits ws = { 0 };
	struct work x = begin(&ws, &w, SONDE_ROLE_SERVER, 30);
	struct txn_waits got;

	runs(&other, 1000);
	got = finish(&ws, &x, &other);
	assert_int_equal(got.receive_queue_ns, 30);
	assert_int_equal(got.cpu_ns, TXN_WAIT_UNKNOWN);
	assert_int_equal(got.blocked_ns, TXN_WAIT_UNKNOWN);
	assert_int_equal(got.downstream_ns, TXN_WAIT_UNKNOWN);
	assert_int_equal(got.unknown_ns, 1000);
	assert_false(got.blocked_on.is_known);
	is_empty(&ws);
}

/* A goroutine is followed by its own operations: pieces within one thread have its accounts, marked
 * as shared; what lies between threads is not known; a call it waits for is downstream. */
static void test_goroutine(void **state)
{
	struct worker m1 = worker(5), m2 = worker(6);
	struct waits ws = { 0 };
	struct work x, call;
	struct txn_waits got;

	m1.goroutine = m2.goroutine = 0xc000001000;
	x = begin(&ws, &m1, SONDE_ROLE_SERVER, 0);
	runs(&m1, 60);
	call = begin(&ws, &m1, SONDE_ROLE_CLIENT, 0);
	m2.ns = m1.ns;
	waits(&m2, SONDE_WAIT_OTHER, 500);
	got = finish(&ws, &call, &m2);
	assert_int_equal(got.unknown_ns, 500);
	waits(&m2, SONDE_WAIT_LOCK, 8);
	runs(&m2, 40);
	got = finish(&ws, &x, &m2);
	assert_int_equal(got.downstream_ns, 500);
	assert_int_equal(got.cpu_ns, 100);
	assert_int_equal(got.blocked_ns, 8);
	assert_true(got.shared);
	assert_false(got.blocked_on.is_known); /* the thread's reasons are not the goroutine's */
	assert_int_equal(got.unknown_ns, 0);

	x = begin(&ws, &m2, SONDE_ROLE_SERVER, 0);
	m1.ns = m2.ns;
	runs(&m1, 77);
	got = finish(&ws, &x, &m1);
	assert_int_equal(got.unknown_ns, 77);
	assert_int_equal(got.cpu_ns, TXN_WAIT_UNKNOWN);
	is_empty(&ws);
}

/* Without accounts (no hook): calls are known all the same. */
static void test_no_accounts(void **state)
{
	struct worker w = worker(5);
	struct waits ws = { 0 };
	struct work x, call;
	struct txn_waits got;

	w.sched.on_ns = 0;
	x = begin(&ws, &w, SONDE_ROLE_SERVER, 10);
	runs(&w, 20);
	call = begin(&ws, &w, SONDE_ROLE_CLIENT, 0);
	runs(&w, 300);
	finish(&ws, &call, &w);
	runs(&w, 4);
	got = finish(&ws, &x, &w);
	assert_int_equal(got.receive_queue_ns, 10);
	assert_int_equal(got.downstream_ns, 300);
	assert_int_equal(got.unknown_ns, 24);
	assert_int_equal(got.cpu_ns, TXN_WAIT_UNKNOWN);
	is_empty(&ws);
}

/* The operation goes on after the last byte: what the thread waited for then is no part of it. And
 * a send that began while the thread had its CPU has the accounts of its beginning. */
static void test_edges(void **state)
{
	struct worker w = worker(5);
	struct waits ws = { 0 };
	struct work x;
	struct txn_waits got;
	struct op op;

	x = begin(&ws, &w, SONDE_ROLE_SERVER, 0);
	runs(&w, 50);
	op = op_now(&w);
	waits(&w, SONDE_WAIT_RUNQUEUE, 80);
	op.ts_ns = w.ns;
	op.sched = w.sched;
	got = finish_with(&ws, &x, &op);
	assert_int_equal(got.runqueue_ns + got.cpu_ns, 50);

	w.sched.on_ns = w.ns;
	x = (struct work){
		.t = { .role = SONDE_ROLE_CLIENT, .start_ns = w.ns, .is_start_known = true }
	};
	op = op_now(&w);
	runs(&w, 15);
	op.ts_ns = op.end_ns = w.ns;
	waits_enter(&ws, &x.open, SONDE_ROLE_CLIENT, &op, &op);
	waits(&w, SONDE_WAIT_NETWORK, 200);
	got = finish(&ws, &x, &w);
	assert_int_equal(got.cpu_ns, 15);
	assert_int_equal(got.blocked_ns, 200);
	assert_int_equal(got.unknown_ns, 0);
	is_empty(&ws);
}

/* A thread's number used again, records that come late: never more than the time there was. */
static void test_nonsense(void **state)
{
	struct worker w = worker(5), again = worker(5);
	struct waits ws = { 0 };
	struct work x, y;
	struct txn_waits got;

	waits(&w, SONDE_WAIT_DISK, 5000);
	x = begin(&ws, &w, SONDE_ROLE_SERVER, 0);
	again.ns = w.ns;
	runs(&again, 10);
	got = finish(&ws, &x, &again); /* accounts that went down are another's */
	assert_int_equal(got.unknown_ns, 10);

	x = begin(&ws, &w, SONDE_ROLE_SERVER, 0);
	w.ns -= 1000;
	y = begin(&ws, &w, SONDE_ROLE_SERVER, 0);
	w.ns += 500;
	finish(&ws, &y, &w);
	w.ns += 600;
	finish(&ws, &x, &w);
	is_empty(&ws);
}

/* Two programs of Go lay out their memory alike, and every bit of a process's number counts. */
static void test_alike_in_two_programs(void **state)
{
	for (uint32_t bit = 0; bit < 22; bit++) {
		struct worker a = worker(5), b = worker(6);
		struct waits ws = { 0 };
		struct work x, y;

		a.goroutine = b.goroutine = 0xc000002340;
		a.tgid = 2 + (1U << 22 >> 1);
		b.tgid = a.tgid ^ 1U << bit;
		x = begin(&ws, &a, SONDE_ROLE_SERVER, 0);
		y = begin(&ws, &b, SONDE_ROLE_SERVER, 0);
		assert_int_equal(ws.units.n, 2);
		finish(&ws, &y, &b);
		finish(&ws, &x, &a);
		is_empty(&ws);
	}
}

/* A request that ends unseen leaves no trace; one held to the end is freed with the table. */
static void test_leaving(void **state)
{
	struct worker w = worker(5), other = worker(6);
	struct waits ws = { 0 };
	struct work x = begin(&ws, &w, SONDE_ROLE_SERVER, 0);

	waits_leave(&ws, &x.open);
	waits_leave(&ws, &x.open);
	assert_int_equal(ws.units.n, 0);
	begin(&ws, &other, SONDE_ROLE_SERVER, 0);
	waits_free(&ws);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parts),	  cmocka_unit_test(test_downstream),
		cmocka_unit_test(test_shared),	  cmocka_unit_test(test_handover),
		cmocka_unit_test(test_goroutine), cmocka_unit_test(test_no_accounts),
		cmocka_unit_test(test_edges),	  cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_leaving),	  cmocka_unit_test(test_alike_in_two_programs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
