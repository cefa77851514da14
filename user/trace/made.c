// SPDX-License-Identifier: Apache-2.0
/*
 * Threads made for a request: by the thread that was at work on it, and on nothing else. What such
 * a thread calls can still be another's: it may be a pool's, which takes what was queued first, or
 * be kept for the next. Then it lives on. One that ends soon behind its call had nobody else to
 * work for, so its calls wait for its end; where one of a process called for others later, none is
 * believed there.
 */
#include <stdlib.h>

#include "trace/trace_impl.h"

/* Threads that are kept for later are kept for longer: 1 s by glibc, 3 s by Ruby, 60 s by Java. */
#define MADE_IDLE_NS (500 * 1000 * 1000ULL)

struct made {
	struct list all; /* oldest first: at the cap it goes */
	struct list of_proc;
	struct list calls; /* of which it is not known whose they are; counted */
	struct proc *proc;
	struct unit *origin; /* counted */
	uint32_t tid;
	bool has_waited; /* after a call, as one that waits for more to do */
};

static void leave(struct trace *tr, struct unit *u)
{
	list_del(&u->at_work);
	u->made = NULL;
	unit_put(tr, u);
}

/* Nothing more is known of it; its calls are nobody's, as far as one knows. */
static void made_free(struct trace *tr, struct made *m)
{
	map_del(&tr->made, m->tid);
	list_del(&m->all);
	list_del(&m->of_proc);
	while (!list_empty(&m->calls)) {
		struct unit *u = unit_get(LIST_ENTRY(m->calls.next, struct unit, at_work));

		leave(tr, u);
		unit_begin_trace(tr, u, TXN_PARENT_UNKNOWN);
		unit_put(tr, u);
	}
	unit_put(tr, m->origin);
	free(m);
}

void made_serves(struct trace *tr, uint32_t tid)
{
	struct made *m = map_get(&tr->made, tid);

	if (m)
		made_free(tr, m);
}

void made_begin(struct trace *tr, struct proc *p, uint32_t tid, struct unit *origin)
{
	struct made *m;

	if (p->has_lasting || !(m = malloc(sizeof(*m))))
		return;
	if (tr->made.n >= TRACE_MADE_MAX) {
		tr->stats.full.n[FULL_TRACE_THREADS]++;
		made_free(tr, LIST_ENTRY(tr->mades.next, struct made, all));
	}
	*m = (struct made){ .proc = p, .tid = tid };
	list_init(&m->all);
	list_init(&m->of_proc);
	list_init(&m->calls);
	if (map_put(&tr->made, tid, m) < 0) {
		free(m);
		return;
	}
	m->origin = unit_get(origin);
	list_push(&tr->mades, &m->all);
	list_push(&p->made, &m->of_proc);
}

bool made_call(struct trace *tr, const struct proc *p, struct unit *u, uint32_t tid)
{
	struct made *m = map_get(&tr->made, tid);

	if (!m || m->proc != p || p->has_lasting || p->is_opaque || tr->is_blind)
		return false;
	if (m->origin->is_gone) {
		m->proc->has_lasting = true;
		return false;
	}
	u->made = m;
	list_push(&m->calls, &unit_get(u)->at_work);
	return true;
}

/* Did it end long after the call, as one that waited for more to do? */
static bool is_idle_since(const struct trace *tr, const struct unit *u)
{
	return u->held && u->held->txn.end_ns + MADE_IDLE_NS < tr->record_ns;
}

void made_end(struct trace *tr, uint32_t tid)
{
	struct made *m = map_get(&tr->made, tid);
	struct list *l;

	if (!m)
		return;
	for (l = m->calls.next; l != &m->calls; l = l->next)
		m->has_waited |= is_idle_since(tr, LIST_ENTRY(l, struct unit, at_work));
	while (!m->has_waited && !m->proc->has_lasting && !list_empty(&m->calls)) {
		struct unit *u = unit_get(LIST_ENTRY(m->calls.next, struct unit, at_work));

		leave(tr, u);
		unit_follow(tr, u, m->origin, TXN_PARENT_HANDOVER);
		unit_put(tr, u);
	}
	made_free(tr, m);
}

void made_decided(struct trace *tr, struct unit *u)
{
	if (!u->made)
		return;
	u->made->has_waited = true;
	leave(tr, u);
}

void made_exit(struct trace *tr, struct proc *p)
{
	while (!list_empty(&p->made))
		made_free(tr, LIST_ENTRY(p->made.next, struct made, of_proc));
}
