// SPDX-License-Identifier: Apache-2.0
/* Requests that have no complete response yet. */
#include <string.h>

#include "stream/conn_impl.h"

/* One of them, and whose it is: a connection's, or a question asked by datagram. */
struct inflight {
	const struct request *req;
	const struct response *resp; /* has begun to answer it; NULL: none has */
	const struct conn *c;
	const struct question *q;
};

typedef void (*inflight_fn)(void *ctx, const struct inflight *in);

static enum proto_id proto_of(const struct inflight *in)
{
	if (in->req->proto)
		return in->req->proto;
	return in->c ? in->c->proto->id : in->q->proto->id;
}

static void visit(const struct conns *cs, const struct inflight *in, inflight_fn fn, void *ctx)
{
	if (detect_wants(cs, proto_of(in)))
		fn(ctx, in);
}

static void each(const struct conns *cs, inflight_fn fn, void *ctx)
{
	const struct list *asked = &cs->datagrams.asked;

	for (const struct conn *c = cs->newest; c; c = c->older) {
		const struct match *m = &c->match;

		for (const struct response *resp = match_next_open(m, NULL); resp;
		     resp = match_next_open(m, resp))
			if (resp->req && !resp->is_emitted)
				visit(cs, &(struct inflight){ resp->req, resp, c, NULL }, fn, ctx);
		for (const struct request *r = m->head; r; r = r->next)
			visit(cs, &(struct inflight){ r, NULL, c, NULL }, fn, ctx);
	}
	for (const struct list *l = asked->next; l != asked; l = l->next) {
		const struct question *q = LIST_ENTRY(l, struct question, age);

		visit(cs, &(struct inflight){ q->req, NULL, NULL, q }, fn, ctx);
	}
}

struct shown {
	void (*fn)(void *ctx, const struct conn_inflight *r);
	void *ctx;
};

static void show(void *ctx, const struct inflight *in)
{
	const struct shown *s = ctx;
	const struct request *r = in->req;
	struct conn_inflight out = {
		.tgid = r->tgid,
		.proto = proto_of(in),
		.role = in->c ? in->c->role : in->q->role,
		.start_ns = r->start_ns,
		.is_tls = r->is_tls,
	};

	memcpy(out.method, r->method, sizeof(out.method));
	slice_copy(out.system, sizeof(out.system), request_text(r, REQUEST_SYSTEM));
	s->fn(s->ctx, &out);
}

void conns_each_inflight(const struct conns *cs,
			 void (*fn)(void *ctx, const struct conn_inflight *r), void *ctx)
{
	each(cs, show, &(struct shown){ fn, ctx });
}

struct oldest {
	struct inflight of[CONNS_OLDEST_MAX]; /* oldest first */
	size_t n, max;
};

static void keep_oldest(void *ctx, const struct inflight *in)
{
	struct oldest *o = ctx;
	size_t at = o->n;

	while (at && o->of[at - 1].req->start_ns > in->req->start_ns)
		at--;
	if (at == o->max)
		return;
	if (o->n < o->max)
		o->n++;
	memmove(&o->of[at + 1], &o->of[at], (o->n - 1 - at) * sizeof(*in));
	o->of[at] = *in;
}

size_t conns_each_oldest(const struct conns *cs, size_t max, uint64_t now_ns,
			 void (*fn)(void *ctx, struct txn *t), void *ctx)
{
	struct oldest o = { .max = max < CONNS_OLDEST_MAX ? max : CONNS_OLDEST_MAX };
	struct txn t;

	each(cs, keep_oldest, &o);
	for (size_t i = 0; i < o.n; i++) {
		const struct inflight *in = &o.of[i];

		txn_clear(&t);
		t.end_ns = now_ns;
		if (in->c)
			emit_exchange_so_far(in->c, in->req, in->resp, &t);
		else
			emit_question_so_far(in->q, &t);
		fn(ctx, &t);
	}
	return o.n;
}
