/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * From a completed operation to its record, the same for both tiers: is it told, how much of it is
 * copied, and what the thread had used up.
 */
#ifndef CAPTURE_BPF_H
#define CAPTURE_BPF_H

#include "hold.bpf.h"
#include "open.bpf.h"
#include "place.bpf.h"
#include "submit.bpf.h"
#include "verdict.bpf.h"

static __always_inline void copy_bytes(struct scratch *s, const struct op *op,
				       const struct actor *by, u32 from, u32 want,
				       struct user_bytes *ub)
{
	struct task_struct *task = by->task;
	struct pt_regs *regs = by->regs;
	int err;

	s->ev.syscall = CALL_NR(regs);
	if (TASK_IS_COMPAT(task))
		count(SONDE_CNT_COMPAT);
	else if (!(op->flags & MSG_TRUNC) && !(task->flags & (PF_KTHREAD | PF_IO_WORKER)) &&
		 (is_syscall_tier || call_is_for(by)))
		user_bytes_of(op, regs, ub);
	if (s->ev.syscall == NR_URING_ENTER || task->flags & PF_IO_WORKER)
		s->ev.h.flags |= SONDE_F_IO_URING;
	if (!ub->base) {
		s->ev.h.flags |= SONDE_F_NO_BYTES;
		return;
	}
	if (!want)
		return;
	err = ub->n_iov ? copy_vector(s, ub->base, ub->n_iov, from, want)
			: copy_buffer(s, ub->base, from, want, s->ev.len);
	if (err) {
		s->ev.h.flags |= SONDE_F_FAULT;
		s->ev.copied = s->ev.tail = 0;
		count(SONDE_CNT_FAULT);
	}
}

/* The goroutine at work: the runtime keeps its g in a register while it is in a system call. In a
 * call of C code the register is anything: it counts only where the thread's own g agrees. */
static __always_inline u64 goroutine_of(struct task_struct *task)
{
	u32 tgid = task->tgid, *known = bpf_map_lookup_elem(&processes, &tgid);
	struct pt_regs *regs;
	u64 g = 0;

	if (!known || !(*known & SONDE_P_GO))
		return 0;
	regs = (struct pt_regs *)bpf_task_pt_regs(task);
	if (bpf_probe_read_user(&g, sizeof(g), (void *)GO_TLS_G(task)))
		return 0;
	return g == GO_G(regs) ? g : 0;
}

/* Is the operation's ciphertext told as plaintext, here or elsewhere? In tls.bpf.h. */
int tls_takes(struct op *op, struct conn *c);
enum { TLS_LEAVES, TLS_TAKES, TLS_DESCRIBE /* the connection first, then ask again */ };

static __always_inline void describe(const struct op *op, const struct actor *by)
{
	u64 tx = op->dir == SONDE_TX ? op->seq : op->other_seq;
	u64 rx = op->dir == SONDE_TX ? op->other_seq : op->seq;

	conn_describe(by->sk, by->c, tx << 32 | rx, (u64)by->task->tgid << 32 | by->task->pid);
}

static __always_inline bool is_plaintext_told(struct op *op, const struct actor *by)
{
	int takes;

	if (!is_tls_wanted || by->c->tls == TLS_NO || !op->is_tcp)
		return false;
	takes = tls_takes(op, by->c);
	if (takes == TLS_DESCRIBE) {
		describe(op, by);
		takes = tls_takes(op, by->c);
	}
	return takes == TLS_TAKES;
}

/* Of a record that will be made: whose it is, what of its direction was not told before it, and
 * what its thread had used up. */
static __always_inline void fill_whose(struct sonde_ev_data *ev, const struct conn *c,
				       struct task_struct *task, u32 dir)
{
	ev->cookie = c->cookie;
	ev->slot = c->slot;
	ev->lost = c->lost[dir];
	ev->skipped_ns = c->skipped_ns[dir];
	if (ev->skipped_ns)
		ev->h.flags |= SONDE_F_SKIPPED;
	ev->tgid = task->tgid;
	ev->tid = task->pid;
	ev->reserved = 0;
	ev->syscall = 0;
	read_sched(task, ev->h.ts_ns, &ev->sched);
}

/* Makes the record of an operation, in the scratch space of the CPU, which is held. Global: see
 * copy.bpf.h. */
__noinline int capture(struct op *op, struct conn *c)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct actor by = { .c = c, .task = task };
	u32 from, want, dir, at;
	struct sonde_ev_data *ev;
	struct scratch *s;

	if (!op || !c)
		return 0;
	dir = op->dir & 1;
	at = bpf_get_smp_processor_id() * 2 + dir;
	s = bpf_map_lookup_elem(&scratches, &at);
	if (!s)
		return 0;
	rest_begin(s, dir, 0);
	by.sk = (struct sock *)op->sk;
	by.regs = (struct pt_regs *)bpf_task_pt_regs(task);
	if (!op->is_tcp) {
		op->seq = __sync_fetch_and_add(&c->own_seq[dir], op->len);
		op->other_seq = c->own_seq[!dir];
	}
	ev = &s->ev;
	ev->h.kind = SONDE_EV_DATA;
	ev->h.flags = op->marks | (is_alone(task) ? SONDE_F_ALONE : 0);
	ev->h.ts_ns = bpf_ktime_get_ns();
	ev->dir = dir;
	ev->seq = op->seq;
	ev->other_seq = op->other_seq;
	ev->len = op->len;
	ev->copied = ev->tail = 0;
	ev->start_ns = ev->sent_ns = ev->arrival_ns = 0;
	if (dir == SONDE_RX && !is_syscall_tier)
		ev->arrival_ns = rx_arrivals(c, by.sk, op->seq, op->seq + op->len, ev);
	if (op->len == 0)
		ev->h.flags |= SONDE_F_EOF | SONDE_F_NO_BYTES;
	if (!(c->flags & CONN_OPENED))
		describe(op, &by);
	if (!obey_verdict(ev, c, &from, &want, &s->whole)) {
		leave_out(c, dir, ev->h.ts_ns);
		return 0;
	}
	fill_whose(ev, c, task, dir);
	ev->goroutine = go_seen ? goroutine_of(task) : 0;
	if (dir == SONDE_TX)
		fill_tx(ev, op);
	s->rest.is_followed = is_followed(ev, c, from);
	if (op->len)
		copy_bytes(s, op, &by, from, s->rest.is_followed ? 0 : want, &s->rest.ub);
	submit_whole(s, c, from, false);
	return 0;
}

#endif
