// SPDX-License-Identifier: Apache-2.0
/* Units, their places, and the transactions that wait for one. */
#include <stdlib.h>
#include <string.h>

#include "trace/trace_impl.h"

struct unit *unit_new(struct trace *tr)
{
	struct unit *u = tr->free_units;

	if (tr->stats.units >= tr->opts.max_units || (!u && !(u = malloc(sizeof(*u))))) {
		tr->stats.full.n[FULL_TRACE_REQUESTS]++;
		return NULL;
	}
	if (u == tr->free_units)
		tr->free_units = u->parent;
	memset(u, 0, sizeof(*u));
	list_init(&u->open);
	list_init(&u->at_work);
	list_init(&u->on_end);
	list_init(&u->pending);
	list_init(&u->waiting);
	list_init(&u->children);
	u->refs = 1;
	tr->stats.units++;
	return u;
}

void unit_put(struct trace *tr, struct unit *u)
{
	if (!u || --u->refs)
		return;
	u->parent = tr->free_units;
	tr->free_units = u;
	tr->stats.units--;
}

void unit_fill(const struct unit *u, struct txn *txn)
{
	struct txn_trace *t = &txn->trace;

	txn->other = u->other;
	memcpy(t->trace_id, u->trace_id, sizeof(t->trace_id));
	memcpy(t->span_id, u->ids.span_id, sizeof(t->span_id));
	memcpy(t->parent_span_id, u->parent_span_id, sizeof(t->parent_span_id));
	t->is_sampled = u->is_sampled;
	t->is_deferred = false;
	t->parent = u->how;
}

/* --- transactions held back --- */

static void held_free(struct trace *tr, struct held *h)
{
	list_del(&h->all);
	h->unit->held = NULL;
	unit_put(tr, h->unit);
	h->unit = (struct unit *)tr->free_held;
	tr->free_held = h;
	tr->stats.held--;
}

void unit_free_all(struct trace *tr)
{
	struct unit *u;
	struct held *h;

	while ((u = tr->free_units)) {
		tr->free_units = u->parent;
		free(u);
	}
	while ((h = tr->free_held)) {
		tr->free_held = (struct held *)h->unit;
		free(h);
	}
}

static void release(struct trace *tr, struct unit *u)
{
	struct held *h = u->held;

	if (!h)
		return;
	unit_fill(u, &h->txn);
	tr->opts.deliver(tr->opts.ctx, &h->txn);
	tr->stats.parents[u->how]++;
	held_free(tr, h);
}

/* --- places --- */

/* A request that was told another trace is of that one, whatever its parent's: its server has been
 * told the same. */
static bool is_told_otherwise(const struct unit *u, const uint8_t trace_id[16])
{
	return u->is_injected && memcmp(u->context.trace_id, trace_id, 16) != 0;
}

/* A request whose trace begins with itself and that nobody was told of yet can as well be of the
 * trace that the first call made for it was told. */
static void adopt_trace(struct unit *parent, const struct unit *u)
{
	bool begins = !parent->is_placed || parent->how == TXN_PARENT_NONE ||
		      parent->how == TXN_PARENT_UNKNOWN;

	if (!u->is_injected || !begins || parent->is_told || parent->is_injected ||
	    parent->context.is_known || parent->is_gone)
		return;
	parent->is_told = true;
	memcpy(parent->ids.trace_id, u->context.trace_id, sizeof(parent->ids.trace_id));
	if (!parent->is_placed)
		return;
	memcpy(parent->trace_id, u->context.trace_id, sizeof(parent->trace_id));
	parent->is_sampled = u->context.is_sampled;
}

static void copy_place(struct trace *tr, struct unit *u, struct unit *parent)
{
	parent->is_told = true;
	if (is_told_otherwise(u, parent->trace_id)) {
		u->how = TXN_PARENT_UNKNOWN;
		memcpy(u->trace_id, u->ids.trace_id, sizeof(u->trace_id));
		u->is_sampled = u->context.is_sampled;
		return;
	}
	memcpy(u->trace_id, parent->trace_id, sizeof(u->trace_id));
	memcpy(u->parent_span_id, parent->ids.span_id, sizeof(u->parent_span_id));
	u->is_sampled = sampler_child(&tr->opts.sampler, u->trace_id, parent->is_sampled);
}

/* u has its place: so have those that waited for it, and those that waited for them. A list, not
 * recursion: how deep calls are nested is not for us to say. */
static void placed(struct trace *tr, struct unit *u)
{
	u->is_placed = true;
	list_del(&u->pending);
	list_push(&tr->ready, &unit_get(u)->pending);
	made_decided(tr, u);
	while (!list_empty(&tr->ready)) {
		u = LIST_ENTRY(tr->ready.next, struct unit, pending);
		list_del(&u->pending);
		u->is_pending = false;
		if (u->role == SONDE_ROLE_SERVER) {
			pair_leave(tr, u);
			asked_leave(tr, u);
		}
		release(tr, u);
		while (!list_empty(&u->children)) {
			struct unit *child = LIST_ENTRY(u->children.next, struct unit, waiting);

			list_del(&child->waiting);
			copy_place(tr, child, u);
			child->parent = NULL;
			child->is_placed = true;
			list_del(&child->pending);
			list_push(&tr->ready, &child->pending); /* and is counted there */
			unit_put(tr, u);
		}
		unit_put(tr, u);
	}
}

void unit_begin_trace(struct trace *tr, struct unit *u, enum txn_parent how)
{
	u->how = how;
	memcpy(u->trace_id, u->ids.trace_id, sizeof(u->trace_id));
	u->is_sampled = u->is_injected ? u->context.is_sampled
				       : sampler_root(&tr->opts.sampler, u->trace_id);
	placed(tr, u);
}

void unit_join(struct trace *tr, struct unit *u)
{
	const struct context *c = &u->context;

	u->how = TXN_PARENT_HEADER;
	memcpy(u->trace_id, c->trace_id, sizeof(u->trace_id));
	memcpy(u->parent_span_id, c->span_id, sizeof(u->parent_span_id));
	if (c->is_deferred)
		u->is_sampled = sampler_root(&tr->opts.sampler, u->trace_id);
	else
		u->is_sampled = sampler_child(&tr->opts.sampler, u->trace_id, c->is_sampled);
	placed(tr, u);
}

static void unit_alone(struct trace *tr, struct unit *u)
{
	if (u->context.is_known && !u->is_injected)
		unit_join(tr, u);
	else
		unit_begin_trace(tr, u, TXN_PARENT_UNKNOWN);
}

/* Nobody works for what comes of the work. When a send began is not always known, so that between
 * the two ends of a connection times say nothing. */
static bool may_follow(const struct unit *u, const struct unit *parent, enum txn_parent how)
{
	if (how != TXN_PARENT_CONNECTION && parent->start_ns > u->start_ns)
		return false;
	for (; parent; parent = parent->parent)
		if (parent == u)
			return false;
	return true;
}

void unit_follow(struct trace *tr, struct unit *u, struct unit *parent, enum txn_parent how)
{
	if (!may_follow(u, parent, how)) {
		unit_alone(tr, u);
		return;
	}
	u->how = how;
	adopt_trace(parent, u);
	if (parent->is_placed) {
		copy_place(tr, u, parent);
		placed(tr, u);
		return;
	}
	u->is_pending = false;
	u->parent = unit_get(parent);
	list_push(&parent->children, &unit_get(u)->waiting);
}

/* --- time --- */

/* What u waits for is not waited for any longer. */
static void decide(struct trace *tr, struct unit *u)
{
	while (u->parent)
		u = u->parent;
	if (u->is_placed)
		return;
	if (u->end && !u->end->peer)
		u->end->is_apart = true;
	unit_alone(tr, u);
}

static struct held *held_new(struct trace *tr)
{
	struct held *h;

	if (tr->stats.held >= tr->opts.max_held) {
		tr->stats.hurried++;
		decide(tr, LIST_ENTRY(tr->held.next, struct held, all)->unit);
	}
	h = tr->free_held;
	if (h)
		tr->free_held = (struct held *)h->unit;
	else
		h = malloc(sizeof(*h));
	return h;
}

void unit_hold(struct trace *tr, struct unit *u, struct txn *t)
{
	struct held *h = u->is_placed ? NULL : held_new(tr);

	if (u->is_placed || !h) {
		if (!u->is_placed) /* out of memory */
			decide(tr, u);
		unit_fill(u, t);
		tr->stats.parents[u->how]++;
		tr->opts.deliver(tr->opts.ctx, t);
		return;
	}
	h->txn = *t;
	h->unit = unit_get(u);
	h->deadline_ns = tr->now_ns + TRACE_HOLD_NS;
	u->held = h;
	list_init(&h->all);
	list_push(&tr->held, &h->all);
	tr->stats.held++;
	if (u->is_pending) {
		u->deadline_ns = tr->now_ns + TRACE_GRACE_NS;
		list_push(&tr->pending, &u->pending);
	}
}

void unit_expire(struct trace *tr, uint64_t now_ns)
{
	asked_expire(tr, now_ns);
	while (!list_empty(&tr->pending)) {
		struct unit *u = LIST_ENTRY(tr->pending.next, struct unit, pending);

		if (u->deadline_ns > now_ns)
			break;
		decide(tr, u);
	}
	while (!list_empty(&tr->held)) {
		struct held *h = LIST_ENTRY(tr->held.next, struct held, all);

		if (h->deadline_ns > now_ns)
			break;
		decide(tr, h->unit);
	}
}
