// SPDX-License-Identifier: Apache-2.0
/* The way in and out: what the stream tells of requests, and the transactions they become. */
#include <stdlib.h>
#include <string.h>

#include "stream/datagram.h"
#include "trace/trace_impl.h"

struct trace *trace_new(const struct trace_opts *opts)
{
	struct trace *tr = calloc(1, sizeof(*tr));

	if (!tr)
		return NULL;
	tr->opts = *opts;
	if (!tr->opts.max_units)
		tr->opts.max_units = TRACE_UNITS_MAX;
	if (!tr->opts.max_held)
		tr->opts.max_held = TRACE_HELD_MAX;
	list_init(&tr->held);
	list_init(&tr->pending);
	list_init(&tr->ready);
	list_init(&tr->mades);
	list_init(&tr->asked_gone);
	return tr;
}

static void ignore(void *ctx, const struct txn *t)
{
}

void trace_free(struct trace *tr)
{
	if (!tr)
		return;
	tr->opts.deliver = ignore;
	trace_flush(tr);
	asked_free(tr);
	pair_free(tr);
	work_free(tr);
	unit_free_all(tr);
	free(tr);
}

static void make_ids(const struct trace *tr, struct unit *u, uint32_t request_seq)
{
	struct ids_seed seed = {
		.salt = tr->opts.salt,
		.cookie = u->cookie,
		.start_ns = u->start_ns,
		.request_seq = request_seq,
		.role = u->role,
	};

	ids_make(&seed, &u->ids);
}

/* What the request was told when it was sent is what it is. */
static void keep_ids(struct unit *u)
{
	u->is_injected = true;
	memcpy(u->ids.trace_id, u->context.trace_id, sizeof(u->ids.trace_id));
	memcpy(u->ids.span_id, u->context.span_id, sizeof(u->ids.span_id));
}

/* The client's end of the same bytes is the parent. A context in the request says so too, unless it
 * is one that the client only passes on: then there is more between. */
static void follow_client(struct trace *tr, struct unit *u, struct unit *client)
{
	pair_leave(tr, u);
	u->other = client->service;
	client->other = u->service;
	if (u->context.is_known && !client->is_passed_on)
		unit_join(tr, u);
	else
		unit_follow(tr, u, client, TXN_PARENT_CONNECTION);
}

static void serve(struct trace *tr, struct unit *u, struct end *e, const struct conn_request *r)
{
	struct unit *client = pair_find(tr, e, r);
	bool is_local = pair_is_local(tr, e, r);

	work_begin(tr, u, r);
	if (client) {
		unit_get(client);
		pair_leave(tr, client);
		follow_client(tr, u, client);
		unit_put(tr, client);
	} else if (is_local && e && r->is_tcp && (e->peer || !e->is_apart)) {
		u->is_pending = true;
		pair_stay(tr, u, e);
	} else if (u->context.is_known) {
		unit_join(tr, u);
	} else if (asked_begin(tr, u, r)) {
		u->is_pending = true;
	} else {
		unit_begin_trace(tr, u, is_local ? TXN_PARENT_UNKNOWN : TXN_PARENT_NONE);
	}
}

/* Both ends of a datagram are known: the server's place with it. */
static void meet_datagram(struct trace *tr, struct unit *server, struct unit *client)
{
	client->is_answered = true;
	unit_get(server);
	asked_leave(tr, server);
	follow_client(tr, server, client);
	unit_put(tr, server);
}

static void call(struct trace *tr, struct unit *u, struct end *e, const struct conn_request *r)
{
	struct unit *server = pair_find(tr, e, r);

	work_call(tr, u, e, r);
	if (server)
		follow_client(tr, server, u);
	else if (e && r->is_tcp)
		pair_stay(tr, u, e);
	else if (asked_begin(tr, u, r) && (server = asked_server(u)))
		meet_datagram(tr, server, u);
}

struct unit *trace_request(struct trace *tr, const struct conn_request *r)
{
	struct unit *u = unit_new(tr);
	struct end *e;

	if (!u)
		return NULL;
	e = r->is_datagram ? NULL : pair_end(tr, r);
	u->cookie = r->cookie;
	u->role = r->role;
	u->start_ns = r->start_ns;
	u->request_seq = r->request_seq;
	u->context = *r->context;
	u->service = r->service;
	if (r->is_injected)
		keep_ids(u);
	else
		make_ids(tr, u, r->request_seq);
	if (r->role == SONDE_ROLE_SERVER)
		serve(tr, u, e, r);
	else
		call(tr, u, e, r);
	return u;
}

void trace_gone(struct trace *tr, struct unit *u)
{
	if (!u)
		return;
	work_end(tr, u);
	asked_gone(tr, u);
	u->is_gone = true;
	if ((u->is_pending || u->made) && !u->held) { /* it will never be a transaction */
		if (u->is_pending)
			pair_leave(tr, u);
		unit_begin_trace(tr, u, TXN_PARENT_UNKNOWN);
	}
	unit_put(tr, u);
}

/* One for which there was no room: its place is where its request says, or alone. */
static void lonely(struct trace *tr, struct txn *t)
{
	struct unit u = { .cookie = t->cookie, .role = t->role, .start_ns = t->start_ns };
	struct txn_trace *place = &t->trace;

	make_ids(tr, &u, t->request_seq);
	memcpy(place->span_id, u.ids.span_id, sizeof(place->span_id));
	if (place->parent != TXN_PARENT_HEADER)
		memcpy(place->trace_id, u.ids.trace_id, sizeof(place->trace_id));
	if (place->parent != TXN_PARENT_HEADER || place->is_deferred)
		place->is_sampled = sampler_root(&tr->opts.sampler, place->trace_id);
	else
		place->is_sampled =
			sampler_child(&tr->opts.sampler, place->trace_id, place->is_sampled);
	tr->stats.parents[place->parent]++;
	tr->opts.deliver(tr->opts.ctx, t);
}

/* What was no request, a connection that was never made, is still a call of one who may be at work
 * on something. */
static struct unit *late_call(struct trace *tr, const struct txn *t, bool is_go)
{
	struct context none = { 0 };
	struct conn_request r = {
		.tgid = t->tgid,
		.tid = t->tid,
		.goroutine = t->goroutine,
		.start_ns = t->start_ns,
		.is_go = is_go,
		.is_past = true,
		.context = &none,
	};
	struct unit *u = unit_new(tr);

	if (!u)
		return NULL;
	u->cookie = t->cookie;
	u->role = t->role;
	u->start_ns = t->start_ns;
	make_ids(tr, u, t->request_seq);
	work_call(tr, u, NULL, &r);
	return u;
}

/* What came of a datagram: who asked can be known now, and when a send that was told of at its end
 * had begun at the latest. */
static void settle_datagram(struct trace *tr, struct unit *u, struct txn *t)
{
	struct unit *client;

	if (u->arrived_ns && u->arrived_ns < t->start_ns) {
		uint64_t early_ns = t->start_ns - u->arrived_ns;

		t->start_ns = u->arrived_ns;
		if (t->end_ns - t->start_ns ==
		    QUESTION_WAIT_NS + early_ns) /* for so long it is waited */
			t->end_ns -= early_ns;
		else
			t->waits.unknown_ns += early_ns;
	}
	if (u->role != SONDE_ROLE_SERVER || u->is_placed)
		return;
	client = asked_client(tr, u, t);
	if (client)
		meet_datagram(tr, u, client);
	else if (!u->is_answered)
		unit_begin_trace(tr, u, TXN_PARENT_UNKNOWN);
}

void trace_txn(struct trace *tr, struct txn *t, bool is_go)
{
	bool is_late =
		!t->unit && t->role == SONDE_ROLE_CLIENT && t->trace.parent != TXN_PARENT_HEADER;

	if (is_late)
		t->unit = late_call(tr, t, is_go);
	if (t->unit && t->unit->asked)
		settle_datagram(tr, t->unit, t);
	if (t->unit)
		unit_hold(tr, t->unit, t);
	else
		lonely(tr, t);
	if (is_late)
		trace_gone(tr, t->unit);
}

void trace_conn_gone(struct trace *tr, uint64_t cookie)
{
	struct end *e = map_get(&tr->ends, cookie);

	if (e)
		pair_gone(tr, e);
}

void trace_opaque(struct trace *tr, uint32_t tgid)
{
	struct proc *p = work_proc(tr, tgid);

	if (p)
		p->is_opaque = true;
}

void trace_blind(struct trace *tr)
{
	tr->is_blind = true;
}

void trace_fork(struct trace *tr, uint32_t parent_tgid, uint32_t parent_tid, uint32_t tgid)
{
	work_fork(tr, parent_tgid, parent_tid, tgid);
}

void trace_exit(struct trace *tr, uint32_t tgid)
{
	work_exit(tr, tgid);
}

void trace_thread(struct trace *tr, uint32_t tgid, uint32_t by_tid, uint32_t tid)
{
	if (by_tid)
		work_thread(tr, tgid, by_tid, tid);
	else
		made_end(tr, tid);
}

void trace_handover(struct trace *tr, uint32_t tgid, uint64_t goroutine, uint64_t cookie)
{
	struct end *e = goroutine ? pair_client(tr, cookie) : NULL;

	if (e)
		work_hand(tr, tgid, goroutine, e);
}

void trace_time(struct trace *tr, uint64_t now_ns)
{
	tr->record_ns = now_ns;
	if (now_ns <= tr->now_ns)
		return;
	tr->now_ns = now_ns;
	unit_expire(tr, now_ns);
}

void trace_flush(struct trace *tr)
{
	unit_expire(tr, UINT64_MAX);
}

const struct trace_stats *trace_stats(const struct trace *tr)
{
	return &tr->stats;
}
