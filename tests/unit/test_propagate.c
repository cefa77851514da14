// SPDX-License-Identifier: Apache-2.0
/* A line that was put into a request: it is part of the stream, and what it says holds. */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "capture/decode.h"
#include "sim.h"
#include "trace/trace.h"

#define FIRST "GET /a HTTP/1.1\r\n"
#define LINE  "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"
#define REST  "Host: h\r\nContent-Length: 3\r\n\r\nabc"
#define OK    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

enum { AT = sizeof(FIRST) - 1, LINE_LEN = sizeof(LINE) - 1 };

_Static_assert(sizeof(LINE) - 1 == SONDE_INJECTED_LEN, "a line as it is put in");

/* --- the stream --- */

/* The same send, as the kernel tells of one that the line was put into. */
static struct sonde_ev_data *injected(const struct sonde_ev_data *whole, uint32_t copied)
{
	struct sonde_injected is = { .at = AT };
	uint32_t n = whole->len - LINE_LEN, tail = n - copied < 4 ? n - copied : 4;
	struct sonde_ev_data *ev;
	uint8_t bytes[512];

	memcpy(is.line, LINE, LINE_LEN);
	memcpy(bytes, whole->bytes, AT);
	memcpy(bytes + AT, whole->bytes + AT + LINE_LEN, n - AT);
	ev = malloc(sizeof(*ev) + copied + tail + sizeof(is));
	assert_non_null(ev);
	*ev = *whole;
	ev->h.flags |= SONDE_F_INJECTED;
	ev->h.size = (uint32_t)(sizeof(*ev) + copied + tail + sizeof(is));
	ev->copied = copied;
	ev->tail = (uint8_t)tail;
	memcpy(ev->bytes, bytes, copied);
	memcpy(ev->bytes + copied, bytes + n - tail, tail);
	memcpy(ev->bytes + copied + tail, &is, sizeof(is));
	return ev;
}

static struct sim plain(void)
{
	struct sim s;

	sim_init(&s);
	sim_open(&s, 1, SONDE_ROLE_CLIENT);
	sim_request(&s, 1, FIRST LINE REST);
	sim_response(&s, 1, OK);
	sim_request(&s, 1, FIRST REST);
	sim_response(&s, 1, OK);
	return s;
}

enum { THE_SEND = 1 };

static struct sim told(uint32_t copied)
{
	struct sim s = plain();
	struct sonde_ev_data *ev = injected((const struct sonde_ev_data *)s.recs[THE_SEND], copied);
	union decoded d;

	assert_int_equal(decode(ev, ev->h.size, &d), 0);
	free(s.recs[THE_SEND]);
	s.recs[THE_SEND] = &ev->h;
	return s;
}

static void it_is_where_it_was_put(void **state)
{
	struct sim a = plain(), b = told(sizeof(FIRST REST) - 1);
	char *as = sim_run(&a), *bs = sim_run(&b);

	assert_string_equal(as, bs);
	assert_non_null(strstr(as, "\n")); /* something came of it */
	free(as);
	free(bs);
	sim_free(&a);
	sim_free(&b);
}

/* However little was copied of the rest: both requests are still what they are. */
static void holes_around_it_are_of_their_length(void **state)
{
	for (uint32_t copied = AT; copied < sizeof(FIRST REST) - 1; copied++) {
		struct sim s = told(copied);
		struct sim_play p = { 0 };

		sim_play_init(&p);
		sim_play(&p, &s, 0, s.n);
		if (copied >= sizeof(FIRST REST) - 1 - 3) /* the head is whole */
			assert_int_equal(p.n_txns, 2);
		assert_int_equal(conns_stats(p.conns)->losses.n[LOSS_STREAM_GAP], 0);
		sim_play_free(&p);
		sim_free(&s);
	}
}

static bool marks[8];
static size_t n_marks;

static struct unit *on_request(void *ctx, const struct conn_request *r)
{
	marks[n_marks++ % 8] = r->is_injected;
	return NULL;
}

static void its_request_is_told_from_others(void **state)
{
	struct sim s = told(sizeof(FIRST REST) - 1);
	struct sim_play p = { .opts.on_request = on_request };

	n_marks = 0;
	sim_play_init(&p);
	sim_play(&p, &s, 0, s.n);
	assert_int_equal(n_marks, 2);
	assert_true(marks[0]);
	assert_false(marks[1]);
	sim_play_free(&p);
	sim_free(&s);
}

static void a_record_that_lies_about_it_is_refused(void **state)
{
	struct sim s = told(AT);
	struct sonde_ev_data *ev = (struct sonde_ev_data *)s.recs[THE_SEND];
	struct sonde_injected is;
	uint8_t *at = ev->bytes + ev->copied + ev->tail;
	union decoded d;

	ev->h.size--; /* no room for it */
	assert_int_equal(decode(ev, ev->h.size, &d), -EBADMSG);
	ev->h.size++;
	memcpy(&is, at, sizeof(is));
	is.at = ev->len - LINE_LEN + 1; /* behind the end */
	memcpy(at, &is, sizeof(is));
	assert_int_equal(decode(ev, ev->h.size, &d), -EBADMSG);
	is.at = ev->len - LINE_LEN;
	memcpy(at, &is, sizeof(is));
	assert_int_equal(decode(ev, ev->h.size, &d), 0);
	ev->dir = SONDE_RX;
	assert_int_equal(decode(ev, ev->h.size, &d), -EBADMSG);
	ev->dir = SONDE_TX;
	ev->len = ev->copied + ev->tail + LINE_LEN - 1; /* of which it is no part */
	assert_int_equal(decode(ev, ev->h.size, &d), -EBADMSG);
	sim_free(&s);
}

/* --- the trace --- */

static struct txn_trace of_server, of_client;

static void deliver(void *ctx, const struct txn *t)
{
	*(t->role == SONDE_ROLE_SERVER ? &of_server : &of_client) = t->trace;
}

static const struct context given = {
	.trace_id = { 10, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 },
	.span_id = { 1, 2, 3, 4, 5, 6, 7, 8 },
	.is_known = true,
	.is_sampled = true,
};

/* A thread serves a request that carries `incoming`, and meanwhile makes one that was given
 * `given`. */
static void serve_and_call(const struct context *incoming)
{
	static const struct sonde_addr far = { .ip = { 203, 0, 113, 9 } };
	struct trace_opts opts = { .sampler = sampler_make(NULL, NULL), .deliver = deliver };
	struct trace *tr = trace_new(&opts);
	struct conn_request r = {
		.cookie = 1,
		.start_ns = 1000,
		.after_seq = 1,
		.tgid = 10,
		.tid = 10,
		.role = SONDE_ROLE_SERVER,
		.family = SONDE_FAMILY_IPV4,
		.is_tcp = true,
		.context = incoming,
		.local = &far,
		.peer = &far,
	};
	struct unit *server = trace_request(tr, &r), *client;
	struct txn t = { .role = SONDE_ROLE_CLIENT, .cookie = 2, .start_ns = 2000 };

	r.cookie = 2;
	r.start_ns = 2000;
	r.after_seq = 2;
	r.role = SONDE_ROLE_CLIENT;
	r.context = &given;
	r.is_injected = true;
	client = trace_request(tr, &r);
	t.unit = client;
	trace_txn(tr, &t, false);
	trace_gone(tr, client);
	t = (struct txn){ .role = SONDE_ROLE_SERVER, .cookie = 1, .start_ns = 1000, .unit = server };
	trace_txn(tr, &t, false);
	trace_gone(tr, server);
	trace_flush(tr);
	trace_free(tr);
}

static void what_the_request_was_told_is_its_span(void **state)
{
	const struct context none = { 0 };

	serve_and_call(&none);
	assert_memory_equal(of_client.span_id, given.span_id, 8);
	assert_memory_equal(of_client.trace_id, given.trace_id, 16);
}

/* The server it went to has been told that trace: a parent in another one would tear them apart. */
static void it_is_no_child_in_another_trace(void **state)
{
	const struct context zero = { 0 };
	struct context incoming = given;

	incoming.trace_id[0] = 99;
	serve_and_call(&incoming);
	assert_int_equal(of_client.parent, TXN_PARENT_UNKNOWN);
	assert_memory_equal(of_client.parent_span_id, zero.span_id, 8);
	assert_memory_equal(of_server.trace_id, incoming.trace_id, 16);
}

static void a_request_in_no_trace_takes_that_of_its_call(void **state)
{
	const struct context none = { 0 };

	serve_and_call(&none);
	assert_memory_equal(of_server.trace_id, given.trace_id, 16);
	assert_int_equal(of_client.parent, TXN_PARENT_THREAD);
	assert_memory_equal(of_client.parent_span_id, of_server.span_id, 8);
}

static void it_is_its_threads_call_in_the_same_one(void **state)
{
	struct context incoming = given;

	incoming.span_id[0] = 99;
	serve_and_call(&incoming);
	assert_int_equal(of_client.parent, TXN_PARENT_THREAD);
	assert_memory_equal(of_client.parent_span_id, of_server.span_id, 8);
	assert_memory_equal(of_client.trace_id, of_server.trace_id, 16);
	assert_memory_equal(of_client.span_id, given.span_id, 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_where_it_was_put),
		cmocka_unit_test(holes_around_it_are_of_their_length),
		cmocka_unit_test(its_request_is_told_from_others),
		cmocka_unit_test(a_record_that_lies_about_it_is_refused),
		cmocka_unit_test(what_the_request_was_told_is_its_span),
		cmocka_unit_test(it_is_no_child_in_another_trace),
		cmocka_unit_test(a_request_in_no_trace_takes_that_of_its_call),
		cmocka_unit_test(it_is_its_threads_call_in_the_same_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
