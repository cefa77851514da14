// SPDX-License-Identifier: Apache-2.0
/* Tables of traces at their caps: what no longer fits is counted, and its parent is unknown. */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include "trace_fixture.h"

static uint64_t full(enum full f)
{
	return trace_stats(tr)->full.n[f];
}

/* It happened so often, and nothing else did. */
static void assert_full(enum full which, uint64_t n)
{
	for (int f = 0; f < FULL_MAX; f++)
		assert_int_equal(full(f), f == (int)which ? n : 0);
}

static void threads_made(void **state)
{
	enum { CAP = 4096, FIRST = 1000 };
	struct play s = serve(1, 10, 11), first, second;

	for (uint32_t i = 0; i < CAP; i++)
		trace_thread(tr, 10, 11, FIRST + i);
	assert_full(FULL_MAX, 0);
	trace_thread(tr, 10, 11, FIRST + CAP);
	assert_full(FULL_TRACE_THREADS, 1);
	first = call(2, 10, FIRST);
	second = call(3, 10, FIRST + 1);
	end(&first);
	end(&second);
	trace_thread(tr, 10, 0, FIRST);
	trace_thread(tr, 10, 0, FIRST + 1);
	end(&s);
	assert_how(&first, TXN_PARENT_UNKNOWN);
	assert_child(&second, &s, TXN_PARENT_HANDOVER);
	assert_full(FULL_TRACE_THREADS, 1);
}

static void processes(void **state)
{
	enum { CAP = 65536 };
	struct play s, c;

	for (uint32_t tgid = 1; tgid <= CAP; tgid++)
		trace_opaque(tr, tgid);
	assert_full(FULL_MAX, 0);
	s = serve(1, CAP + 1, CAP + 1);
	c = call(2, CAP + 1, CAP + 1);
	end(&c);
	end(&s);
	assert_full(FULL_TRACE_PROCESSES, 2);
	assert_how(&c, TXN_PARENT_UNKNOWN);
}

static void connections(void **state)
{
	enum { CAP = 131072, BEYOND = CAP + 1, CLIENT = BEYOND + 1 };
	struct conn_request r, o;
	struct play c, s;

	for (uint64_t cookie = 1; cookie <= CAP; cookie++)
		trace_handover(tr, 10, 1, cookie);
	assert_full(FULL_MAX, 0);
	trace_handover(tr, 10, 1, BEYOND);
	assert_full(FULL_TRACE_CONNECTIONS, 1);
	r = request(SONDE_ROLE_CLIENT, CLIENT, 20, 20);
	o = other_end(&r, BEYOND, 30);
	c = begin(&r);
	s = begin(&o);
	end(&s);
	end(&c);
	assert_full(FULL_TRACE_CONNECTIONS, 3);
	assert_how(&s, TXN_PARENT_UNKNOWN);
}

static void addresses(void **state)
{
	enum { CAP = 4096 };
	struct sonde_addr local = { .ip = { 10 } };

	for (uint32_t i = 0; i < CAP + 2; i++) {
		struct conn_request r = request(SONDE_ROLE_CLIENT, 1 + i, 10, 11);
		struct play p;

		local.ip[2] = (uint8_t)(i >> 8);
		local.ip[3] = (uint8_t)i;
		r.local = &local;
		p = begin(&r);
		trace_gone(tr, p.unit);
		if (i == CAP - 1)
			assert_full(FULL_MAX, 0);
	}
	assert_full(FULL_TRACE_ADDRESSES, 2);
}

/* Passes something on, in a process that has more at work than a call is compared with. */
static void compared(void **state)
{
	enum { CAP = 4096 };
	static struct play served[CAP + 1];
	struct play c;

	for (uint64_t i = 0; i <= CAP; i++) {
		struct conn_request r = request(SONDE_ROLE_SERVER, 1 + i, 10, 11);
		struct conn_request call = request(SONDE_ROLE_CLIENT, 100000 + i, 10, 12);

		r.request_id = i ? SLICE("other") : SLICE("mine");
		served[i] = begin(&r);
		call.request_id = SLICE("mine");
		if (i < CAP - 1)
			continue;
		assert_full(FULL_MAX, 0);
		c = begin(&call);
		end(&c);
		assert_how(&c, i < CAP ? TXN_PARENT_PROXY : TXN_PARENT_UNKNOWN);
	}
	assert_full(FULL_TRACE_COMPARED, 1);
	for (int i = 0; i <= CAP; i++)
		trace_gone(tr, served[i].unit);
}

/* --- datagrams: of 127.0.0.1, from a port --- */

static struct play asked(enum sonde_role role, uint16_t port, uint64_t text)
{
	static struct sonde_addr client = { .ip = { 127, 0, 0, 1 } };
	static struct sonde_addr server = { .ip = { 127, 0, 0, 1 }, .port = 53 };
	bool is_client = role == SONDE_ROLE_CLIENT;
	struct conn_request r = request(role, is_client ? 1 : 2, is_client ? 10 : 20, 11);
	struct play p;

	client.port = port;
	r.is_tcp = false;
	r.is_datagram = r.is_by_id = true;
	r.question = text;
	r.local = is_client ? &client : &server;
	r.peer = is_client ? &server : &client;
	p = begin(&r);
	p.txn.family = SONDE_FAMILY_IPV4;
	p.txn.local = *r.local;
	p.txn.peer = *r.peer;
	return p;
}

static void questions(void **state)
{
	enum { CAP = 16384 };
	static struct play others[CAP];
	struct play c, s;

	for (uint64_t i = 0; i < CAP; i++)
		others[i] = asked(SONDE_ROLE_CLIENT, 5000, 1 + i);
	assert_full(FULL_MAX, 0);
	c = asked(SONDE_ROLE_CLIENT, 5000, CAP + 1);
	s = asked(SONDE_ROLE_SERVER, 5000, CAP + 1);
	assert_full(FULL_TRACE_QUESTIONS, 2);
	end(&s);
	end(&c);
	assert_how(&s, TXN_PARENT_UNKNOWN);
	for (int i = 0; i < CAP; i++)
		trace_gone(tr, others[i].unit);
}

static void questions_alike(void **state)
{
	enum { CAP = 64 };
	struct play others[CAP], s;

	for (uint16_t i = 0; i < CAP; i++)
		others[i] = asked(SONDE_ROLE_CLIENT, 5000 + i, 77);
	assert_full(FULL_MAX, 0);
	s = asked(SONDE_ROLE_SERVER, 5000, 77);
	assert_full(FULL_TRACE_QUESTIONS_ALIKE, 1);
	end(&s);
	assert_how(&s, TXN_PARENT_UNKNOWN);
	for (int i = 0; i < CAP; i++)
		trace_gone(tr, others[i].unit);
}

static void questions_waiting(void **state)
{
	enum { CAP = 256 };
	struct play s, c;

	for (uint64_t text = 1; text <= CAP; text++) {
		s = asked(SONDE_ROLE_SERVER, 5000, text);
		end(&s);
	}
	assert_int_equal(n_delivered, 0);
	assert_full(FULL_MAX, 0);
	s = asked(SONDE_ROLE_SERVER, 5000, CAP + 1);
	end(&s);
	assert_full(FULL_TRACE_QUESTIONS_WAITING, 1);
	assert_how(&s, TXN_PARENT_UNKNOWN);
	c = asked(SONDE_ROLE_CLIENT, 5000, 1); /* one that waits is found, and makes room */
	end(&c);
	s = asked(SONDE_ROLE_SERVER, 5000, CAP + 2);
	end(&s);
	assert_full(FULL_TRACE_QUESTIONS_WAITING, 1);
	assert_null(told(&s));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(threads_made), TEST(processes), TEST(connections),	    TEST(addresses),
		TEST(compared),	    TEST(questions), TEST(questions_alike), TEST(questions_waiting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
