/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The record of a plaintext whose connection is certain; one whose is not is counted. */
#ifndef TLS_TELL_BPF_H
#define TLS_TELL_BPF_H

#include "capture.bpf.h"

/* For uprobes, which may lose their CPU to another thread that runs one, where it cannot be held
 * (hold.bpf.h): who takes it owns it. */
enum { TLS_SCRATCH_TRIES = 4 };

struct tls_scratch {
	struct scratch s;
	u32 is_taken;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TLS_SCRATCH_TRIES); /* and the number of CPUs, set at load */
	__type(key, u32);
	__type(value, struct tls_scratch);
} tls_scratches SEC(".maps");

/* Global: as tls_takes(). */
__noinline int tls_tell(struct scratch *s, struct tls_session *t, struct tls_text *x)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct sonde_ev_data *ev;
	u32 from, want, dir;
	struct conn *c;

	if (!s || !t || !x)
		return 0;
	ev = &s->ev;
	c = &t->c;
	dir = x->dir & 1;
	rest_begin(s, dir, x->base);
	ev->h.kind = SONDE_EV_DATA;
	ev->h.flags = SONDE_F_TLS | (c->flags & CONN_FRESH ? SONDE_F_TLS_FRESH : 0) |
		      (is_alone(task) ? SONDE_F_ALONE : 0);
	ev->h.ts_ns = bpf_ktime_get_ns();
	ev->dir = dir;
	ev->seq = __sync_fetch_and_add(&c->own_seq[dir], x->len);
	ev->other_seq = c->own_seq[!dir];
	ev->len = x->len;
	ev->copied = ev->tail = 0;
	ev->start_ns = x->start_ns;
	ev->sent_ns = x->sent_ns;
	ev->arrival_ns = x->arrival_ns;
	if (!x->len)
		ev->h.flags |= SONDE_F_EOF | SONDE_F_NO_BYTES;
	if (!obey_verdict(ev, c, &from, &want, &s->whole)) {
		leave_out(c, dir, ev->h.ts_ns);
		return 0;
	}
	fill_whose(ev, c, task, dir);
	ev->goroutine = x->goroutine;
	s->rest.is_followed = is_followed(ev, c, from);
	if (want && !s->rest.is_followed && copy_buffer(s, x->base, from, want, x->len)) {
		ev->h.flags |= SONDE_F_FAULT;
		ev->copied = ev->tail = 0;
		count(SONDE_CNT_FAULT);
	}
	submit_whole(s, c, from, true);
	return 0;
}

static __noinline void tls_tell_here(struct tls_session *t, struct tls_text *x)
{
	u32 cpu = bpf_get_smp_processor_id();

	for (u32 i = 0; i < TLS_SCRATCH_TRIES; i++) {
		u32 at = cpu + i;
		struct tls_scratch *s = bpf_map_lookup_elem(&tls_scratches, &at);

		if (!s || __sync_lock_test_and_set(&s->is_taken, 1))
			continue;
		tls_tell(&s->s, t, x);
		__sync_lock_test_and_set(&s->is_taken, 0);
		return;
	}
	count(SONDE_CNT_TLS_UNBOUND);
}

static __always_inline void tls_unbound(struct task_struct *task)
{
	if (!filter.n_ports && filter_wants(task->tgid, task, NULL))
		count(SONDE_CNT_TLS_UNBOUND);
}

/* A process that the filter has spoken against is let alone. */
static __always_inline bool tls_is_left_out(u32 tgid)
{
	u32 *known;

	if (tgid == self_tgid || !filter_has_pid(tgid))
		return true;
	known = bpf_map_lookup_elem(&processes, &tgid);
	if (known && *known & SONDE_P_OUTSIDE)
		return true;
	return known && (*known & (SONDE_P_DECIDED | SONDE_P_OBSERVED)) == SONDE_P_DECIDED;
}

#endif
