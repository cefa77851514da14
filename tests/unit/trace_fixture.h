/* SPDX-License-Identifier: Apache-2.0 */
/* A trace, and requests played to it one by one, fresh for each TEST(). */
#ifndef TRACE_FIXTURE_H
#define TRACE_FIXTURE_H

#include <string.h>
#include "trace/trace.h"
#include "util/clock.h"

enum { DELIVERED_MAX = 64 };

static struct trace *tr;
static struct txn delivered[DELIVERED_MAX];
static size_t n_delivered;
static uint64_t now_ns;

static inline void deliver(void *ctx, const struct txn *t)
{
	assert_true(n_delivered < DELIVERED_MAX);
	delivered[n_delivered++] = *t;
}

static inline int setup_with(size_t max_units, size_t max_held)
{
	tr = trace_new(&(struct trace_opts){ .sampler = sampler_make(NULL, NULL),
					     .max_units = max_units,
					     .max_held = max_held,
					     .deliver = deliver });
	n_delivered = 0;
	now_ns = 1000 * NS_PER_S;
	return tr ? 0 : -1;
}

static inline int setup(void **state)
{
	return setup_with(0, 0);
}

static inline int teardown(void **state)
{
	trace_free(tr);
	return 0;
}

/* One request, from where it is told to where it ends. */
struct play {
	struct unit *unit;
	struct txn txn;
};

static const struct sonde_addr loopback = { .ip = { 127, 0, 0, 1 } };
static const struct sonde_addr far = { .ip = { 203, 0, 113, 9 } };

static inline struct conn_request request(enum sonde_role role, uint64_t cookie, uint32_t tgid,
					  uint32_t tid)
{
	static const struct context none;

	return (struct conn_request){
		.cookie = cookie,
		.start_ns = now_ns += 1000,
		.request_seq = 100,
		.after_seq = (uint32_t)cookie, /* no other end, unless a test says so */
		.tgid = tgid,
		.tid = tid,
		.role = role,
		.family = SONDE_FAMILY_IPV4,
		.is_tcp = true,
		.context = &none,
		.local = &loopback,
		.peer = &far,
	};
}

static inline struct play begin(const struct conn_request *r)
{
	struct play p = { .unit = trace_request(tr, r) };

	p.txn = (struct txn){
		.unit = p.unit,
		.cookie = r->cookie,
		.role = r->role,
		.proto = PROTO_HTTP1,
		.start_ns = r->start_ns,
		.request_seq = r->request_seq,
		.tgid = r->tgid,
		.tid = r->tid,
	};
	if (r->context->is_known) {
		p.txn.trace.parent = TXN_PARENT_HEADER;
		p.txn.trace.is_sampled = r->context->is_sampled;
		memcpy(p.txn.trace.trace_id, r->context->trace_id, 16);
		memcpy(p.txn.trace.parent_span_id, r->context->span_id, 8);
	}
	return p;
}

static inline void end(struct play *p)
{
	p->txn.end_ns = now_ns += 1000;
	trace_time(tr, now_ns);
	trace_txn(tr, &p->txn, false);
	trace_gone(tr, p->unit);
}

static inline struct play serve(uint64_t cookie, uint32_t tgid, uint32_t tid)
{
	struct conn_request r = request(SONDE_ROLE_SERVER, cookie, tgid, tid);

	return begin(&r);
}

static inline struct play call(uint64_t cookie, uint32_t tgid, uint32_t tid)
{
	struct conn_request r = request(SONDE_ROLE_CLIENT, cookie, tgid, tid);

	return begin(&r);
}

static const struct txn *told(const struct play *p)
{
	for (size_t i = 0; i < n_delivered; i++)
		if (delivered[i].cookie == p->txn.cookie && delivered[i].role == p->txn.role &&
		    delivered[i].start_ns == p->txn.start_ns)
			return &delivered[i];
	return NULL;
}

static inline void assert_how(const struct play *p, enum txn_parent how)
{
	assert_non_null(told(p));
	assert_string_equal(txn_parent_name(told(p)->trace.parent), txn_parent_name(how));
}

static inline void assert_child(const struct play *child, const struct play *parent,
				enum txn_parent how)
{
	const struct txn_trace *c, *p;

	assert_how(child, how);
	assert_non_null(told(parent));
	c = &told(child)->trace;
	p = &told(parent)->trace;
	assert_memory_equal(c->trace_id, p->trace_id, 16);
	assert_memory_equal(c->parent_span_id, p->span_id, 8);
	assert_int_equal(c->is_sampled, p->is_sampled);
}

static inline struct conn_request other_end(const struct conn_request *client, uint64_t cookie,
					    uint32_t tgid)
{
	struct conn_request r = request(SONDE_ROLE_SERVER, cookie, tgid, tgid + 1);

	r.request_seq = client->request_seq;
	r.after_seq = client->after_seq;
	r.peer = &loopback;
	return r;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
