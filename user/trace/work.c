// SPDX-License-Identifier: Apache-2.0
/*
 * Who is at work on what. A thread, or a goroutine, that has read one request and not answered it
 * makes its calls for that request. With several at once on a thread, or in a process whose threads
 * work on several, nobody can tell from outside; then only what a call carries does.
 */
#include <stdlib.h>
#include <string.h>

#include "trace/trace_impl.h"

enum { LOOK_MAX = 4096 }; /* unfinished requests of a process that a call is compared with */

/* A g lies at a multiple of 32 in 47 bits of addresses, a pid has at most 22 bits. */
static uint64_t worker_key(uint32_t tgid, uint32_t tid, uint64_t goroutine)
{
	return goroutine ? (uint64_t)tgid << 42 ^ goroutine >> 5 : tid;
}

static uint64_t text_hash(struct slice s)
{
	uint64_t h = 0xcbf29ce484222325ULL; /* FNV-1a */

	for (size_t i = 0; i < s.n; i++)
		h = (h ^ s.p[i]) * 0x100000001b3ULL;
	return s.n ? h | 1 : 0;
}

/* --- processes --- */

struct proc *work_proc(struct trace *tr, uint32_t tgid)
{
	struct proc *p = tgid ? map_get(&tr->procs, tgid) : NULL;

	if (p || !tgid)
		return p;
	if (tr->procs.n >= TRACE_PROCS_MAX || !(p = calloc(1, sizeof(*p)))) {
		tr->stats.full.n[FULL_TRACE_PROCESSES]++;
		return NULL;
	}
	p->tgid = tgid;
	list_init(&p->units);
	list_init(&p->made);
	if (map_put(&tr->procs, tgid, p) == 0)
		return p;
	free(p);
	return NULL;
}

static void proc_free(struct trace *tr, struct proc *p)
{
	made_exit(tr, p);
	unit_put(tr, p->origin);
	free(p);
}

void work_exit(struct trace *tr, uint32_t tgid)
{
	struct proc *p = map_del(&tr->procs, tgid);

	if (!p)
		return;
	p->is_gone = true;
	made_exit(tr, p);
	if (!p->n)
		proc_free(tr, p);
}

/* --- requests to it --- */

/* Kept for the next: there were never more than units. */
static void worker_free(struct trace *tr, struct worker *w)
{
	w->next = tr->free_workers;
	tr->free_workers = w;
}

static struct worker *worker_new(struct trace *tr, uint64_t key)
{
	struct worker *w = map_get(&tr->workers, key);

	if (w)
		return w;
	w = tr->free_workers;
	if (w)
		tr->free_workers = w->next;
	else if (!(w = malloc(sizeof(*w))))
		return NULL;
	*w = (struct worker){ .key = key };
	list_init(&w->units);
	if (map_put(&tr->workers, key, w) == 0)
		return w;
	worker_free(tr, w);
	return NULL;
}

void work_begin(struct trace *tr, struct unit *u, const struct conn_request *r)
{
	struct proc *p = work_proc(tr, r->tgid);

	u->request_id = text_hash(r->request_id);
	made_serves(tr, r->tid);
	if (!p)
		return;
	u->proc = p;
	p->n++;
	p->since_ns = tr->record_ns;
	p->has_served = true;
	list_push(&p->units, &u->open);
	if (r->is_go && !r->goroutine) /* threads say nothing there */
		return;
	u->worker = worker_new(tr, worker_key(r->tgid, r->tid, r->goroutine));
	if (!u->worker)
		return;
	/* on one connection it is only waiting its turn, unless requests have ids */
	if (u->worker->n && !r->goroutine)
		p->is_mixed |= r->is_by_id ||
			       LIST_ENTRY(u->worker->units.next, struct unit, at_work)->cookie !=
				       r->cookie;
	u->worker->n++;
	u->worker->since_ns = tr->record_ns;
	list_push(&u->worker->units, &u->at_work);
}

void work_end(struct trace *tr, struct unit *u)
{
	struct worker *w = u->worker;
	struct proc *p = u->proc;

	if (w) {
		list_del(&u->at_work);
		w->since_ns = tr->record_ns;
		if (--w->n == 0) {
			map_del(&tr->workers, w->key);
			worker_free(tr, w);
		}
	}
	if (p) {
		list_del(&u->open);
		p->since_ns = tr->record_ns;
		if (--p->n == 0 && p->is_gone)
			proc_free(tr, p);
	}
	u->worker = NULL;
	u->proc = NULL;
}

/* --- calls by it --- */

static bool is_same_context(const struct context *a, const struct context *b)
{
	return a->is_known && b->is_known && memcmp(a->trace_id, b->trace_id, 16) == 0 &&
	       memcmp(a->span_id, b->span_id, 8) == 0;
}

/* The one request that the call passes something on of; NULL: none, or several. */
static struct unit *passed_on(struct trace *tr, const struct proc *p, const struct unit *call,
			      bool by_context)
{
	struct unit *found = NULL;
	int n = 0;

	for (struct list *l = p->units.next; l != &p->units; l = l->next) {
		struct unit *u = LIST_ENTRY(l, struct unit, open);

		if (++n > LOOK_MAX) {
			tr->stats.full.n[FULL_TRACE_COMPARED]++;
			return NULL;
		}
		if (by_context ? !is_same_context(&u->context, &call->context)
			       : u->request_id != call->request_id)
			continue;
		if (found)
			return NULL;
		found = u;
	}
	return found;
}

static struct unit *only_one(const struct worker *w)
{
	return w && w->n == 1 ? LIST_ENTRY(w->units.next, struct unit, at_work) : NULL;
}

/* What is told of when it is over was begun for another, should there have been one. */
static bool is_still(uint64_t since_ns, const struct conn_request *r)
{
	return !r->is_past || since_ns <= r->start_ns;
}

static struct unit *at_work(struct trace *tr, const struct proc *p, const struct conn_request *r)
{
	const struct worker *w;
	bool is_thread = !r->goroutine;

	if (r->is_late || (r->is_go && is_thread))
		return NULL;
	/* others may be at work there whom nobody sees; a goroutine has one connection to serve */
	if (is_thread && (p->is_opaque || tr->is_blind))
		return NULL;
	if (is_thread && p->is_mixed && (p->n != 1 || !is_still(p->since_ns, r)))
		return NULL;
	w = map_get(&tr->workers, worker_key(r->tgid, r->tid, r->goroutine));
	return w && is_still(w->since_ns, r) ? only_one(w) : NULL;
}

/* For the request that the thread is at work on. One that was itself forked by a server, and serves
 * nothing of its own, goes on with what it was forked for. */
void work_fork(struct trace *tr, uint32_t parent_tgid, uint32_t parent_tid, uint32_t tgid)
{
	const struct conn_request by = { .tgid = parent_tgid, .tid = parent_tid };
	struct proc *parent = map_get(&tr->procs, parent_tgid), *p;
	struct unit *origin;

	if (!parent || !(parent->has_served || parent->is_offspring))
		return;
	p = work_proc(tr, tgid);
	if (!p || p->origin || p->has_served)
		return;
	origin = parent->has_served ? at_work(tr, parent, &by) : parent->origin;
	p->is_offspring = true;
	p->origin = origin ? unit_get(origin) : NULL;
}

void work_thread(struct trace *tr, uint32_t tgid, uint32_t by_tid, uint32_t tid)
{
	const struct conn_request by = { .tgid = tgid, .tid = by_tid };
	struct proc *p = map_get(&tr->procs, tgid);
	struct unit *origin = p ? at_work(tr, p, &by) : NULL;

	made_serves(tr, tid); /* the end of another of that number was not told */
	if (origin)
		made_begin(tr, p, tid, origin);
}

static struct unit *handed(struct trace *tr, struct end *e)
{
	struct unit *u = e ? e->handed : NULL;

	if (!u)
		return NULL;
	e->handed = NULL;
	if (u->is_gone) {
		unit_put(tr, u);
		return NULL;
	}
	u->refs--; /* its stream still counts it */
	return u;
}

void work_hand(struct trace *tr, uint32_t tgid, uint64_t goroutine, struct end *e)
{
	struct unit *u = only_one(map_get(&tr->workers, worker_key(tgid, 0, goroutine)));

	unit_put(tr, e->handed);
	e->handed = u ? unit_get(u) : NULL;
}

static void without_parent(struct trace *tr, struct unit *u, const struct proc *p)
{
	bool may_have = !p || p->has_served || p->is_offspring || p->is_opaque || tr->is_blind;

	unit_begin_trace(tr, u, may_have ? TXN_PARENT_UNKNOWN : TXN_PARENT_NONE);
}

void work_call(struct trace *tr, struct unit *u, struct end *e, const struct conn_request *r)
{
	struct proc *p = work_proc(tr, r->tgid);
	struct unit *parent, *hand = handed(tr, e);

	u->request_id = text_hash(r->request_id);
	if (u->context.is_known && !u->is_injected) {
		parent = p ? passed_on(tr, p, u, true) : NULL;
		u->is_passed_on = parent != NULL;
		if (parent)
			unit_follow(tr, u, parent, TXN_PARENT_HEADER);
		else
			unit_join(tr, u);
		return;
	}
	parent = p ? at_work(tr, p, r) : NULL;
	if (parent) {
		unit_follow(tr, u, parent, r->goroutine ? TXN_PARENT_GOROUTINE : TXN_PARENT_THREAD);
	} else if (hand) {
		unit_follow(tr, u, hand, TXN_PARENT_HANDOVER);
	} else if (p && u->request_id && (parent = passed_on(tr, p, u, false))) {
		unit_follow(tr, u, parent, TXN_PARENT_PROXY);
	} else if (p && !r->is_go && made_call(tr, p, u, r->tid)) {
		return;
	} else if (p && p->origin && !p->origin->is_gone && !p->has_served) {
		unit_follow(tr, u, p->origin, TXN_PARENT_HANDOVER);
	} else {
		without_parent(tr, u, p);
	}
}

void work_free(struct trace *tr)
{
	struct worker *w;
	uint64_t key;
	void *value;

	for (size_t i = 0; map_next(&tr->procs, &i, &key, &value);)
		proc_free(tr, value);
	for (size_t i = 0; map_next(&tr->workers, &i, &key, &value);)
		free(value);
	while ((w = tr->free_workers)) {
		tr->free_workers = w->next;
		free(w);
	}
	map_free(&tr->procs);
	map_free(&tr->made);
	map_free(&tr->workers);
}
