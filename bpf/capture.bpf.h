/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * From a completed operation to its record, the same for both tiers: where it lies in its stream,
 * whether its bytes are wanted, and what the thread had used up.
 */
#ifndef CAPTURE_BPF_H
#define CAPTURE_BPF_H

#include "copy.bpf.h"
#include "frames.bpf.h"
#include "hold.bpf.h"
#include "inject.bpf.h"
#include "open.bpf.h"
#include "session.bpf.h"
#include "thread.bpf.h"

#define U32_MAX	     (~0U)
#define PF_IO_WORKER 0x00000010
#define ENETUNREACH  101
#define EHOSTUNREACH 113
#define MSG_OOB	     1
#define MSG_PEEK     2
#define MSG_TRUNC    0x20
#define MSG_ERRQUEUE 0x2000

/* Who did it, to what. */
struct actor {
	struct sock *sk; /* an address, to be read and not followed */
	struct conn *c;
	struct task_struct *task;
	struct pt_regs *regs; /* as the thread entered the kernel */
};

/* A completed operation. */
struct op {
	u64 sk;	 /* the socket's address */
	u64 msg; /* of a multi-message call: the message's header in the process; 0: not known */
	u64 start_ns;
	u64 sent_ns;   /* unix: when its last byte left */
	u64 wstamp_ns; /* when TCP last sent */
	u32 seq, other_seq;
	u32 len;
	u32 dir;
	u32 flags; /* MSG_* */
	u16 marks; /* SONDE_F_* */
	u8 is_tcp; /* has TCP's own sequence numbers */
	u8 is_sent;
};

/* Where a TCP socket's streams stand when an operation has completed. */
struct tcp_at {
	u32 tx_next, rx_next, snd_nxt;
	u64 wstamp_ns;
};

enum {
	RUN_MAX =
		64 * 1024, /* copied in one direction without a verdict; then heads of operations */
	RUN_COPY = 256,
};

/* A socket at an address. Socket tier only. */
static __always_inline struct sock *sock_at(const void *sk)
{
	return bpf_rdonly_cast(sk, bpf_core_type_id_kernel(struct sock));
}

/* Does the call's descriptor name this socket? Else the registers belong to another system call:
 * completion of an asynchronous one, or a file whose blocks travel over a socket. */
static __always_inline bool call_is_for(const struct actor *by)
{
	struct fdtable *fdt = task_at(by->task)->files->fdt;
	struct file *own = sock_at(by->sk)->sk_socket->file;
	u32 fd = CALL_ARG1(by->regs);
	struct hlist_head *entry; /* any type that is one pointer */

	if (fd >= fdt->max_fds)
		return false;
	entry = bpf_rdonly_cast(fdt->fd + fd, bpf_core_type_id_kernel(struct hlist_head));
	return own && (void *)entry->first == own;
}

static __always_inline void user_bytes_of(const struct op *op, struct pt_regs *regs,
					  struct user_bytes *out)
{
	switch (CALL_NR(regs)) {
	case NR_READ:
	case NR_WRITE: out->base = CALL_ARG2(regs); break;
	case NR_SENDTO:
	case NR_RECVFROM:
		out->base = CALL_ARG2(regs);
		out->name = CALL_ARG5(regs);
		break;
	case NR_READV:
	case NR_WRITEV:
	case NR_PREADV2:
	case NR_PWRITEV2:
		out->base = CALL_ARG2(regs);
		out->n_iov = CALL_ARG3(regs) > IOVECS_MAX ? IOVECS_MAX : CALL_ARG3(regs);
		break;
	case NR_SENDMSG:
	case NR_RECVMSG: user_msghdr(CALL_ARG2(regs), out); break;
	case NR_SENDMMSG:
	case NR_RECVMMSG:
		if (op->msg)
			user_msghdr(op->msg, out);
		break;
	}
}

/* Several threads can read one socket: each left, under the socket's lock, where its read ended.
 * One that did not (two whose numbers clash, or sonde_read_end is off) is placed by the socket's
 * own figure, which is right unless another thread has read meanwhile: then it is said. */
static __always_inline u32 rx_end(struct op *op, const struct actor *by, u32 end, u32 len)
{
	struct conn *c = by->c;
	u32 tid = by->task->pid, i = tid & (CONN_READERS - 1);

	if (!is_alone(by->task)) {
		if (c->reader_tid[i] == tid) {
			end = c->reader_seq[i];
			c->reader_tid[i] = 0;
		} else if (len && c->rx_next && c->rx_next != end - len) {
			op->marks |= SONDE_F_RACED;
			count(SONDE_CNT_RACED);
		}
		c->rx_next = end;
	}
	return end;
}

/* Is the beginning that was noted this send's? The end of one that the kernel left out (see
 * hold.bpf.h) leaves its beginning behind; but what one thread sends ends where the stream does. */
static __always_inline bool has_begun(const struct actor *by, const struct tcp_at *at, u32 len)
{
	const struct conn *c = by->c;

	if (!c->tx_start_ns || c->tx_tid != by->task->pid)
		return false;
	return c->tx_seq + len == at->tx_next || !is_alone(by->task);
}

/* What of a send the program does not know of. */
static __noinline u32 injected_of(struct op *op, const struct actor *by, u32 end, u32 len)
{
	const struct conn *c = by->c;
	u32 begun = c->tx_tid == by->task->pid && c->tx_start_ns ? c->tx_seq : 0;
	u32 n = injected(op->sk, end, len, begun);

	if (n)
		op->marks |= SONDE_F_INJECTED;
	return n;
}

/* Where an operation, or the first of several that one call made, lies in its stream. `len`: of all
 * of them. */
static __always_inline void place(struct op *op, const struct actor *by, const struct tcp_at *at,
				  u32 len)
{
	struct conn *c = by->c;

	op->is_tcp = true;
	op->wstamp_ns = at->wstamp_ns;
	op->is_sent = at->snd_nxt == at->tx_next;
	if (op->dir == SONDE_RX) {
		op->seq = rx_end(op, by, at->rx_next, len) - len;
		op->other_seq = at->tx_next;
		return;
	}
	if (is_propagating)
		len += injected_of(op, by, at->tx_next, len);
	if (has_begun(by, at, len)) {
		op->seq = c->tx_seq;
		op->other_seq = c->tx_other;
		op->start_ns = c->tx_start_ns;
	} else {
		op->seq = at->tx_next - len;
		op->other_seq = at->rx_next;
	}
	if (c->tx_tid == by->task->pid)
		c->tx_start_ns = 0;
}

/* One more segment of a receive: a message that begins there did not arrive before. */
static __always_inline void late_add(struct sonde_ev_data *ev, u32 seq, u64 after_ns)
{
	struct sonde_late *l = &ev->late[ev->late[0].after_ns != 0];

	if (l->after_ns)
		return; /* no room: it counts as the one before */
	l->after_ns = after_ns < U32_MAX ? after_ns : U32_MAX;
	l->seq = seq;
}

/* When a receive's first byte had arrived; `late`, unless NULL, is told of the others. */
static __always_inline u64 rx_arrivals(struct conn *c, struct sock *sk, u32 seq, u32 end,
				       struct sonde_ev_data *late)
{
	u64 arrival = 0;
	u32 from = seq;

	for (int i = 0; i < CONN_MARKS; i++) {
		u32 at = c->marks_out & (CONN_MARKS - 1);

		if (c->marks_out == c->marks_in)
			break;
		if (sk && c->flags & CONN_OWN_SEQ) {
			/* no positions: what waited, waited since the oldest mark */
			arrival = arrival ?: c->mark_ns[at];
			if (sock_at(sk)->sk_receive_queue.qlen)
				break;
		} else if ((s32)(c->mark_seq[at] - seq) > 0) {
			if (!arrival)
				arrival = c->mark_ns[at];
			else if (late && (s32)(from - end) < 0)
				late_add(late, from, c->mark_ns[at] - arrival);
			from = c->mark_seq[at];
			if ((s32)(from - end) > 0)
				break;
		}
		c->marks_out++;
	}
	return arrival;
}

static __always_inline u64 rx_arrival(struct conn *c, struct sock *sk, u32 seq, u32 end)
{
	return rx_arrivals(c, sk, seq, end, NULL);
}

/* What only a send knows: its start, and when its last byte left. */
static __always_inline void fill_tx(struct sonde_ev_data *ev, const struct op *op)
{
	u64 now = ev->h.ts_ns, left = op->wstamp_ns;

	ev->sent_ns = op->sent_ns ?: now;
	ev->start_ns = op->start_ns;
	if (!op->is_tcp) {
		if (!op->start_ns)
			ev->h.flags |= SONDE_F_START_LATE;
		return;
	}
	if (!ev->start_ns) {
		ev->start_ns = left && left < now ? left : now;
		ev->h.flags |= SONDE_F_START_LATE;
	}
	if (op->is_sent && left < now)
		ev->sent_ns = left > ev->start_ns ? left : ev->start_ns;
}

/* Does the verdict leave out everything up to here, of a connection whose streams are TCP's own?
 * Whoever is told no asks obey_verdict(), which knows the rest. */
static __always_inline bool verdict_skips(const struct conn *c, u32 dir, u32 end)
{
	u32 slot = c->slot;
	struct sonde_verdict *v;

	if ((c->flags & (CONN_OPENED | CONN_OWN_SEQ | CONN_TLS)) != CONN_OPENED ||
	    (is_tls_wanted && c->tls != TLS_NO))
		return false;
	v = bpf_map_lookup_elem(&verdicts, &slot);
	if (!v || v->cookie != c->cookie || v->until[0] & SONDE_SHED)
		return false;
	return v->until[dir] & SONDE_UNTIL && (s32)((u32)v->until[dir] - end) > 0;
}

static __always_inline void leave_out(struct conn *c, u32 dir, u64 now)
{
	c->skipped_ns[dir] = now;
	count(SONDE_CNT_SKIPPED);
}

/* How much to copy. 0: the operation is left out. */
static __always_inline bool obey_verdict(struct sonde_ev_data *ev, struct conn *c, u32 *from,
					 u32 *want, u32 *whole)
{
	u32 dir = ev->dir & 1, slot = c->slot, cap = 0, end = ev->seq + ev->len;
	struct sonde_verdict *v = bpf_map_lookup_elem(&verdicts, &slot);

	*from = 0;
	if (v && v->cookie == (c->flags & CONN_TLS ? c->cookie | SONDE_VERDICT_TLS : c->cookie)) {
		u64 until = v->until[dir];

		cap = v->copy[dir];
		if (v->until[0] & SONDE_SHED) {
			c->flags = (c->flags | CONN_DECIDED) & ~CONN_OBSERVED;
			return false;
		}
		/* the end of a stream is never left out */
		if (until & SONDE_UNTIL && ev->len) {
			s32 ahead = (s32)((u32)until - ev->seq);

			if ((s32)((u32)until - end) > 0)
				return false;
			if (ahead > 0)
				*from = ahead;
		}
	}
	*want = ev->len - *from;
	if (c->last_dir != dir) {
		c->last_dir = dir;
		c->run = 0;
	}
	if (c->run > RUN_MAX && cap < SONDE_COPY_MAX && !c->is_framed)
		cap = RUN_COPY;
	*whole = cap > SONDE_COPY_MAX || c->is_framed;
	if (!cap || cap > SONDE_COPY_MAX)
		cap = SONDE_COPY_MAX;
	if (*want > cap)
		*want = cap;
	c->run += *want;
	return true;
}

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

/* A record found no room. */
static __always_inline void submit_failed(const struct scratch *s, struct conn *c, u32 dir)
{
	u32 what = SONDE_CNT_LOST_RESPONSE;

	c->lost[dir]++;
	if (!s->ev.len) /* an end of stream: no request and no response was in it */
		what = SONDE_CNT_LOST_CONTROL;
	else if (dir == (c->role == SONDE_ROLE_CLIENT ? SONDE_TX : SONDE_RX))
		what = SONDE_CNT_LOST_REQUEST;
	count(what);
}

static __always_inline void submit(struct scratch *s, struct conn *c, u32 dir)
{
	void *ring = ring_of(c->slot);
	u32 size = sizeof(s->ev) + s->ev.copied + s->ev.tail;

	if (is_propagating && s->ev.h.flags & SONDE_F_INJECTED)
		size += sizeof(struct sonde_injected);
	s->ev.h.size = size;
	asm volatile("" : "+r"(size));
	if (size > sizeof(s->ev) + SONDE_COPY_MAX + SONDE_TAIL_MAX + sizeof(struct sonde_injected))
		return;
	if (!ring || bpf_ringbuf_output(ring, s, size, ring_flags(ring, s->turn++))) {
		submit_failed(s, c, dir);
		return;
	}
	/* what is delivered is counted by whoever reads it */
	if (c->lost[dir])
		c->lost[dir] = 0;
	if (c->skipped_ns[dir])
		c->skipped_ns[dir] = 0;
}

/* Global: see copy.bpf.h. */
__noinline int submit_more(struct scratch *s, struct conn *c, u32 dir)
{
	if (s && c)
		submit(s, c, dir & 1);
	return 0;
}

/* What a loop is given has to be on the stack. */
struct rest_at {
	struct scratch *s;
	struct conn *c;
};

enum { REST_MAX = 31 }; /* records: 1 MiB with the first, more than a socket takes at once */

/* What of an operation is behind its first record, in records of its own. */
static __always_inline long copy_more(struct scratch *s, struct conn *c, bool is_vector)
{
	struct sonde_ev_data *ev = &s->ev;
	struct rest *r = &s->rest;
	u32 dir = r->dir & 1, n = r->len - r->at;
	long err;

	if (n > SONDE_COPY_MAX)
		n = SONDE_COPY_MAX;
	ev->len = r->at + n; /* the operation's end as far as copying goes */
	ev->copied = ev->tail = 0;
	ev->lost = c->lost[dir];
	ev->skipped_ns = 0;
	ev->h.flags &= ~SONDE_F_SKIPPED;
	err = is_vector ? copy_vector(s, r->ub.base, r->ub.n_iov, r->at, n)
			: copy_buffer(s, r->ub.base, r->at, n, ev->len);
	if (err) {
		ev->h.flags |= SONDE_F_FAULT;
		ev->copied = ev->tail = 0;
		count(SONDE_CNT_FAULT);
	}
	ev->seq = r->seq + r->at;
	ev->len = n;
	r->at += n;
	submit_more(s, c, dir);
	return r->at >= r->len;
}

static long copy_next(u32 i, struct rest_at *at)
{
	return copy_more(at->s, at->c, at->s->rest.ub.n_iov);
}

/* Of one buffer: plaintext comes by more calls than the kernel lets a vector follow on. */
static long copy_next_plain(u32 i, struct rest_at *at)
{
	return copy_more(at->s, at->c, false);
}

__weak __noinline int copy_bare(struct scratch *s, struct conn *c)
{
	return !is_bare || !s || !c || copy_more(s, c, s->rest.ub.n_iov);
}

__weak __noinline int copy_bare_plain(struct scratch *s, struct conn *c)
{
	return !is_bare || !s || !c || copy_more(s, c, false);
}

static __always_inline void copy_rest(struct scratch *s, struct conn *c, bool is_plain)
{
	struct rest_at at = { s, c };

	if (is_plain)
		LOOP(i, REST_MAX, copy_next_plain, &at, copy_bare_plain(s, c));
	else
		LOOP(i, REST_MAX, copy_next, &at, copy_bare(s, c));
}

/* A part of the operation, from where its records have got to. */
static __always_inline long copy_part(struct scratch *s, u32 n, bool is_vector)
{
	struct sonde_ev_data *ev = &s->ev;
	struct rest *r = &s->rest;

	ev->len = r->at + n; /* the operation's end as far as copying goes */
	ev->copied = ev->tail = 0;
	if (!n)
		return 0;
	return is_vector ? copy_vector(s, r->ub.base, r->ub.n_iov, r->at, n)
			 : copy_buffer(s, r->ub.base, r->at, n, ev->len);
}

/* The next record of an operation whose frames are followed. */
static __always_inline long follow_more(struct scratch *s, struct conn *c, bool is_vector)
{
	struct rest *r = &s->rest;
	u32 dir = r->dir & 1, rest = r->len - r->at, n;
	struct frames *f = &c->frames[dir];
	struct sonde_ev_data *ev = &s->ev;
	long err;

	ev->lost = c->lost[dir];
	n = frames_ask(s, f, rest);
	err = copy_part(s, n, is_vector);
	if (!err && frames_go(s, f, n) && n < rest) {
		n = rest < SONDE_COPY_MAX ? rest : SONDE_COPY_MAX;
		err = copy_part(s, n, is_vector);
		if (!err)
			frames_go(s, f, n);
	}
	if (err) {
		ev->h.flags |= SONDE_F_FAULT;
		ev->copied = 0;
		c->follows[dir] = FRAMES_OFF;
		count(SONDE_CNT_FAULT);
		n = rest;
	} else {
		n = frames_skip(s, f, rest);
		ev->copied = s->at;
		n += ev->copied;
	}
	ev->tail = 0;
	ev->seq = r->seq + r->at;
	ev->len = n;
	r->at += n;
	submit_more(s, c, dir);
	ev->skipped_ns = 0;
	ev->h.flags &= ~SONDE_F_SKIPPED;
	return r->at >= r->len;
}

static long follow_next(u32 i, struct rest_at *at)
{
	return follow_more(at->s, at->c, at->s->rest.ub.n_iov);
}

static long follow_next_plain(u32 i, struct rest_at *at)
{
	return follow_more(at->s, at->c, false);
}

/* Is it known where the frames of the operation lie? Then they are its own until it is told. */
static __always_inline bool is_followed(struct sonde_ev_data *ev, struct conn *c, u32 from)
{
	u32 dir = ev->dir & 1;

	return !is_bare && c->follows[dir] == FRAMES_ON && ev->len &&
	       frames_reach(c, dir, ev->seq + from, ev->h.flags);
}

/* False: as little is known of where its bytes are as of others. */
static __always_inline bool follow(struct scratch *s, struct conn *c, u32 from, bool is_plain)
{
	struct rest_at at = { s, c };
	struct rest *r = &s->rest;
	u32 dir = r->dir & 1;

	if (r->ub.base) {
		r->at = from;
		r->seq = s->ev.seq;
		r->len = s->ev.len;
		bpf_loop(FRAME_RECORDS, is_plain ? follow_next_plain : follow_next, &at, 0);
	} else {
		c->follows[dir] = FRAMES_OFF;
	}
	frames_leave(c, dir);
	return r->ub.base;
}

/* The bytes of ours go with the operation's first record, and what follows is so much further. One
 * that begins within a message, where none can be, says nothing of them. */
static __always_inline void tell_injected(struct scratch *s, u32 from)
{
	struct sonde_ev_data *ev = &s->ev;
	u32 at = ev->copied + ev->tail;

	asm volatile("" : "+r"(at));
	if (from || at > SONDE_COPY_MAX + SONDE_TAIL_MAX ||
	    !injected_take((struct sonde_injected *)(s->bytes + at))) {
		ev->h.flags &= ~SONDE_F_INJECTED;
		ev->seq += SONDE_INJECTED_LEN;
	} else {
		ev->len += SONDE_INJECTED_LEN;
	}
	s->rest.seq += SONDE_INJECTED_LEN;
}

/* What was copied of an operation, from `from` on, and where all of it is wanted, what follows. */
static __always_inline void submit_whole(struct scratch *s, struct conn *c, u32 from, bool is_plain)
{
	struct sonde_ev_data *ev = &s->ev;
	struct rest *r = &s->rest;

	if (!c->is_framed && is_preface(s))
		c->is_framed = true;
	if (!is_bare && c->follows[r->dir & 1] == FRAMES_NEW && ev->len && !from)
		r->is_followed = frames_begin(s, c, r->dir);
	if (r->is_followed && follow(s, c, from, is_plain))
		return;
	r->at = from + ev->copied;
	r->seq = ev->seq;
	r->len = ev->len;
	if (ev->copied != SONDE_COPY_MAX || !ev->tail)
		s->whole = false;
	if (s->whole) {
		ev->len = r->at;
		ev->tail = 0;
	}
	if (from && ev->copied) {
		/* the record speaks of what lies behind the verdict only */
		ev->seq += from;
		ev->len -= from;
	}
	if (is_propagating && ev->h.flags & SONDE_F_INJECTED)
		tell_injected(s, from);
	submit(s, c, r->dir & 1);
	if (is_propagating)
		ev->h.flags &= ~SONDE_F_INJECTED;
	if (s->whole)
		copy_rest(s, c, is_plain);
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

	ev->cookie = c->cookie;
	ev->slot = c->slot;
	ev->lost = c->lost[dir];
	ev->skipped_ns = c->skipped_ns[dir];
	if (ev->skipped_ns)
		ev->h.flags |= SONDE_F_SKIPPED;
	ev->tgid = task->tgid;
	ev->tid = task->pid;
	ev->goroutine = go_seen ? goroutine_of(task) : 0;
	ev->reserved = 0;
	ev->syscall = 0;
	read_sched(task, ev->h.ts_ns, &ev->sched);
	if (dir == SONDE_TX)
		fill_tx(ev, op);
	s->rest.is_followed = is_followed(ev, c, from);
	if (op->len)
		copy_bytes(s, op, &by, from, s->rest.is_followed ? 0 : want, &s->rest.ub);
	submit_whole(s, c, from, false);
	return 0;
}

#endif
