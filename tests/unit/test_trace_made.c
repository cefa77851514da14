// SPDX-License-Identifier: Apache-2.0
/* Threads made for a request: when what they call is for it, and when that is not known. */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include "trace_fixture.h"

static void a_thread_is_made_for_a_request(void **state)
{
	struct play s = serve(1, 10, 11), other = serve(2, 10, 12), c, more;

	trace_thread(tr, 10, 11, 30);
	c = call(3, 10, 30);
	end(&c);
	more = call(4, 10, 30);
	end(&s); /* answered, while the thread goes home */
	assert_null(told(&c));
	end(&more);
	trace_thread(tr, 10, 0, 30);
	assert_child(&c, &s, TXN_PARENT_HANDOVER);
	assert_child(&more, &s, TXN_PARENT_HANDOVER);
	c = call(3, 10, 30); /* of that number, but another */
	end(&c);
	assert_how(&c, TXN_PARENT_UNKNOWN);
	end(&other);
}

/* What its server does is told in the same trace. */
static void what_such_a_thread_calls_waits_with_it(void **state)
{
	struct play s = serve(1, 10, 11), c, inner;
	struct conn_request r = request(SONDE_ROLE_CLIENT, 3, 10, 30), o;

	trace_thread(tr, 10, 11, 30);
	c = begin(&r);
	o = other_end(&r, 4, 20);
	inner = begin(&o);
	end(&inner);
	end(&c);
	trace_thread(tr, 10, 0, 30);
	end(&s);
	assert_child(&c, &s, TXN_PARENT_HANDOVER);
	assert_child(&inner, &c, TXN_PARENT_CONNECTION);
	assert_memory_equal(told(&inner)->trace.trace_id, told(&s)->trace.trace_id, 16);
}

/* One that lives on may be a pool's: what it does is nobody's. */
static void a_pools_thread_is_not(void **state)
{
	struct play s = serve(1, 10, 11), c;

	trace_thread(tr, 10, 11, 30);
	c = call(3, 10, 30);
	end(&c);
	trace_time(tr, now_ns += TRACE_HOLD_NS + 1);
	assert_how(&c, TXN_PARENT_UNKNOWN);
	c = call(4, 10, 30);
	end(&c);
	trace_thread(tr, 10, 0, 30);
	assert_how(&c, TXN_PARENT_UNKNOWN);
	end(&s);
	/* it waited for more to do, then ended */
	s = serve(1, 50, 51);
	trace_thread(tr, 50, 51, 60);
	c = call(3, 50, 60);
	end(&c);
	trace_time(tr, now_ns += TRACE_HOLD_NS - 1000);
	trace_thread(tr, 50, 0, 60);
	assert_how(&c, TXN_PARENT_UNKNOWN);
	end(&s);
}

static void nor_one_that_outlives_its_request(void **state)
{
	struct play s = serve(1, 10, 11), other = serve(2, 10, 12), first, c;

	trace_thread(tr, 10, 11, 30);
	first = call(3, 10, 30);
	end(&s);
	c = call(4, 10, 30);
	end(&first);
	end(&c);
	trace_thread(tr, 10, 0, 30);
	assert_how(&first, TXN_PARENT_UNKNOWN);
	assert_how(&c, TXN_PARENT_UNKNOWN);
	/* nor are others of that process, from then on */
	trace_thread(tr, 10, 12, 31);
	c = call(3, 10, 31);
	end(&c);
	trace_thread(tr, 10, 0, 31);
	assert_how(&c, TXN_PARENT_UNKNOWN);
	end(&other);
}

static void who_made_a_thread_is_not_guessed(void **state)
{
	struct play s = serve(1, 10, 11), other, c, served;

	trace_thread(tr, 10, 12, 30); /* by one that serves nobody */
	c = call(3, 10, 30);
	end(&c);
	assert_how(&c, TXN_PARENT_UNKNOWN);
	trace_thread(tr, 10, 11, 31); /* it serves others */
	served = serve(2, 10, 31);
	end(&served);
	c = call(4, 10, 31);
	trace_thread(tr, 10, 0, 31);
	end(&c);
	assert_how(&c, TXN_PARENT_UNKNOWN);
	trace_thread(tr, 10, 11, 32); /* what it does cannot all be seen */
	trace_opaque(tr, 10);
	c = call(5, 10, 32);
	trace_thread(tr, 10, 0, 32);
	end(&c);
	assert_how(&c, TXN_PARENT_UNKNOWN);
	end(&s);
	s = serve(1, 50, 51);
	other = serve(2, 50, 51);
	trace_thread(tr, 50, 51, 60); /* for which of the two? */
	c = call(6, 50, 60);
	trace_thread(tr, 50, 0, 60);
	end(&c);
	assert_how(&c, TXN_PARENT_UNKNOWN);
	end(&other);
	trace_thread(tr, 50, 51, 61);
	c = call(7, 50, 61);
	end(&c);
	trace_exit(tr, 50); /* and with it all its threads */
	assert_how(&c, TXN_PARENT_UNKNOWN);
	end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_thread_is_made_for_a_request),
		TEST(what_such_a_thread_calls_waits_with_it),
		TEST(a_pools_thread_is_not),
		TEST(nor_one_that_outlives_its_request),
		TEST(who_made_a_thread_is_not_guessed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
