// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Capture, tier 1: every completed send and receive of stream sockets, from two tracepoints that
 * fire in the calling thread, after the fact, with the true length. They carry no buffer; the
 * registers the thread entered the kernel with still do.
 */
#include "arch.bpf.h"
#include "open.bpf.h"

#define PF_KTHREAD   0x00200000
#define PF_IO_WORKER 0x00000010
#define MSG_OOB	     1
#define MSG_PEEK     2
#define MSG_TRUNC    0x20
#define MSG_ERRQUEUE 0x2000

enum {
	IOVECS_MAX = 32,
	RUN_MAX =
		64 * 1024, /* copied in one direction without a verdict; then heads of operations */
	RUN_COPY = 256,
};

/* A record under construction: one per CPU and direction, since one program can interrupt the
 * other. An array, not a per-CPU one, whose values may not be this large. */
struct scratch {
	struct sonde_ev_data ev;
	u8 bytes[2 * SONDE_COPY_MAX + SONDE_TAIL_MAX];
	u32 turn;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2); /* times the number of CPUs, set at load */
	__type(key, u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

/* sendmmsg and recvmmsg: which of its messages a thread has reached. */
struct mmsg {
	u64 vec;
	u32 next;
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct mmsg);
} mmsgs SEC(".maps");

/* Where the bytes are in the process: one buffer, or a vector of them. */
struct user_bytes {
	u64 base;  /* of the buffer or of the vector; 0: not known */
	u32 n_iov; /* 0: base is the buffer */
};

/* Does the call's descriptor name this socket? Else the registers belong to another system call:
 * completion of an asynchronous one, or a file whose blocks travel over a socket. */
static __always_inline bool call_is_for(struct task_struct *task, struct pt_regs *regs,
					struct sock *sk)
{
	struct fdtable *fdt = task->files->fdt;
	struct file *own = sk->sk_socket->file;
	u32 fd = CALL_ARG1(regs);
	struct hlist_head *entry; /* any type that is one pointer */

	if (fd >= fdt->max_fds)
		return false;
	entry = bpf_rdonly_cast(fdt->fd + fd, bpf_core_type_id_kernel(struct hlist_head));
	return own && (void *)entry->first == own;
}

static __always_inline void user_msghdr(u64 at, struct user_bytes *out)
{
	struct user_msghdr msg;

	if (bpf_probe_read_user(&msg, sizeof(msg), (void *)at))
		return;
	out->base = (u64)msg.msg_iov;
	out->n_iov = msg.msg_iovlen > IOVECS_MAX ? IOVECS_MAX : msg.msg_iovlen;
}

/* The message a multi-message call is at: counted per thread. A failure or the vector's end
 * starts over; a caller that goes on behind a partial result passes another vector. */
static __noinline u64 mmsg_at(struct task_struct *task, u64 vec, u32 vlen, bool failed)
{
	struct mmsg *m = bpf_task_storage_get(&mmsgs, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	u32 i;

	if (!m)
		return 0;
	if (failed || m->vec != vec) {
		m->vec = failed ? 0 : vec;
		m->next = 0;
		if (failed)
			return 0;
	}
	i = m->next++;
	if (m->next >= vlen)
		m->vec = 0;
	return vec + (u64)i * sizeof(struct mmsghdr);
}

static __always_inline void user_bytes_of(struct task_struct *task, struct pt_regs *regs,
					  enum sonde_dir dir, struct user_bytes *out)
{
	switch (CALL_NR(regs)) {
	case NR_READ:
	case NR_WRITE:
	case NR_SENDTO:
	case NR_RECVFROM: out->base = CALL_ARG2(regs); break;
	case NR_READV:
	case NR_WRITEV:
	case NR_PREADV2:
	case NR_PWRITEV2:
		out->base = CALL_ARG2(regs);
		out->n_iov = CALL_ARG3(regs) > IOVECS_MAX ? IOVECS_MAX : CALL_ARG3(regs);
		break;
	case NR_SENDMSG:
	case NR_RECVMSG: user_msghdr(CALL_ARG2(regs), out); break;
	case NR_RECVMMSG:
		/* its time limit can end it between messages, unseen */
		if (CALL_ARG5(regs))
			break;
		/* fall through */
	case NR_SENDMMSG: {
		u64 at = mmsg_at(task, CALL_ARG2(regs), CALL_ARG3(regs), false);

		if (at)
			user_msghdr(at, out);
		break;
	}
	}
}

/* Copies [from, from + want) of an operation of `len` bytes, then its last bytes. */
static __noinline int copy_buffer(struct scratch *s, u64 base, u32 from, u32 want, u32 len)
{
	u32 tail = len - from - want;

	if (want > SONDE_COPY_MAX)
		want = SONDE_COPY_MAX;
	asm volatile("" : "+r"(want));
	if (want > SONDE_COPY_MAX)
		return 0;
	if (bpf_probe_read_user(s->bytes, want, (void *)(base + from)))
		return -1;
	s->ev.copied = want;
	if (!tail)
		return 0;
	if (tail > SONDE_TAIL_MAX)
		tail = SONDE_TAIL_MAX;
	asm volatile("" : "+r"(tail));
	tail &= 31;
	if (bpf_probe_read_user(s->bytes + want, tail, (void *)(base + len - tail)))
		return -1;
	s->ev.tail = tail;
	return 0;
}

/* A walk over a vector: what lies before `from` is passed over, `want` bytes are copied, and of the
 * buffer that holds the operation's end, its last bytes. The vector's first elements are read at
 * once: most vectors are a head and a body. */
enum { IOVECS_FIRST = 4 };

struct walk {
	struct scratch *s;
	u64 vec;
	struct iovec first[IOVECS_FIRST];
	u32 n_iov, len;
	u32 from, want; /* still to be passed over; to be copied in all */
	u32 at, done;	/* bytes walked; bytes copied */
	int err;
};

static long copy_piece(struct walk *w, u64 base, u32 n)
{
	u32 to = w->done;

	asm volatile("" : "+r"(n), "+r"(to));
	n &= 2 * SONDE_COPY_MAX - 1;
	if (n > SONDE_COPY_MAX)
		n = SONDE_COPY_MAX;
	to &= SONDE_COPY_MAX - 1;
	return bpf_probe_read_user(w->s->bytes + to, n, (void *)base);
}

static long copy_tail(struct walk *w, u64 end, u64 size)
{
	u32 n = size < SONDE_TAIL_MAX ? size : SONDE_TAIL_MAX, to = w->done;

	asm volatile("" : "+r"(n), "+r"(to));
	n &= 31;
	to &= 2 * SONDE_COPY_MAX - 1;
	if (to > SONDE_COPY_MAX)
		to = SONDE_COPY_MAX;
	w->s->ev.tail = n;
	return bpf_probe_read_user(w->s->bytes + to, n, (void *)(end - n));
}

static long walk_one(u32 i, struct walk *w)
{
	struct iovec iov;
	u64 base, size, n;

	if (i >= w->n_iov || w->at >= w->len)
		return 1;
	if (i < IOVECS_FIRST) {
		iov = w->first[i];
	} else {
		w->err = bpf_probe_read_user(&iov, sizeof(iov), (void *)(w->vec + i * sizeof(iov)));
		if (w->err)
			return 1;
	}
	base = (u64)iov.iov_base;
	size = iov.iov_len;
	if (size > w->len - w->at)
		size = w->len - w->at;
	w->at += size;
	n = w->from < size ? w->from : size;
	w->from -= n;
	base += n;
	size -= n;
	if (size && w->done < w->want) {
		n = size < w->want - w->done ? size : w->want - w->done;
		w->err = copy_piece(w, base, n);
		if (w->err)
			return 1;
		w->done += n;
		base += n;
		size -= n;
	}
	if (w->at >= w->len && size)
		w->err = copy_tail(w, base + size, size);
	return w->err != 0;
}

static long walk_rest(u32 i, struct walk *w)
{
	return walk_one(i + 2, w);
}

static __always_inline int copy_vector(struct scratch *s, u64 vec, u32 n_iov, u32 from, u32 want)
{
	struct walk w = {
		.s = s,
		.vec = vec,
		.n_iov = n_iov,
		.len = s->ev.len,
		.from = from,
		.want = want,
	};

	u32 n = n_iov < IOVECS_FIRST ? n_iov : IOVECS_FIRST;

	asm volatile("" : "+r"(n));
	n &= 2 * IOVECS_FIRST - 1;
	if (n > IOVECS_FIRST)
		n = IOVECS_FIRST;
	if (bpf_probe_read_user(w.first, n * sizeof(struct iovec), (void *)vec))
		return -1;
	if (!walk_one(0, &w) && !walk_one(1, &w) && n_iov > 2)
		bpf_loop(IOVECS_MAX, walk_rest, &w, 0);
	s->ev.copied = w.done;
	return w.err;
}

static __always_inline void read_sched(struct task_struct *task, struct sonde_sched *out)
{
	out->run_delay_ns =
		bpf_core_field_exists(task->sched_info.run_delay) ? task->sched_info.run_delay : 0;
	out->exec_ns = task->se.sum_exec_runtime;
	out->exec_start_ns = task->se.exec_start;
	out->nvcsw = task->nvcsw;
	out->nivcsw = task->nivcsw;
	out->min_flt = task->min_flt;
	out->maj_flt = task->maj_flt;
}

/* Several threads can read one socket: each left, under the socket's lock, where its read ended.
 * One that did not (two whose numbers clash, or sonde_read_end is off) is placed by the socket's
 * own figure, which is right unless another thread has read meanwhile: then it is said. */
static __always_inline u32 rx_end(struct sonde_ev_data *ev, struct conn *c, struct tcp_sock *tp,
				  struct task_struct *task, u32 tid)
{
	u32 i = tid & (CONN_READERS - 1), end = tcp_rx_next(tp);

	if (task->signal->nr_threads > 1) {
		if (c->reader_tid[i] == tid) {
			end = c->reader_seq[i];
			c->reader_tid[i] = 0;
		} else if (ev->len && c->rx_next && c->rx_next != end - ev->len) {
			ev->h.flags |= SONDE_F_RACED;
			count(SONDE_CNT_RACED);
		}
		c->rx_next = end;
	}
	return end;
}

static __always_inline u64 rx_arrival(struct conn *c, struct sock *sk, u32 seq, u32 end)
{
	u64 arrival = 0;

	for (int i = 0; i < CONN_MARKS; i++) {
		u32 at = c->marks_out & (CONN_MARKS - 1);

		if (c->marks_out == c->marks_in)
			break;
		if (c->flags & CONN_OWN_SEQ) {
			/* no positions: what waited, waited since the oldest mark */
			arrival = arrival ?: c->mark_ns[at];
			if (sk->sk_receive_queue.qlen)
				break;
		} else if ((s32)(c->mark_seq[at] - seq) > 0) {
			arrival = arrival ?: c->mark_ns[at];
			if ((s32)(c->mark_seq[at] - end) > 0)
				break;
		}
		c->marks_out++;
	}
	return arrival;
}

/* What only a send knows: its start, and when its last byte left. */
static __always_inline void fill_tx(struct sonde_ev_data *ev, struct conn *c, struct sock *sk,
				    struct tcp_sock *tp, u32 tid)
{
	u64 now = ev->h.ts_ns, left;

	ev->sent_ns = now;
	if (!tp) {
		struct unix_sock *u = bpf_skc_to_unix_sock(sk);
		struct sock *other = u ? u->peer : NULL;
		struct conn *p = other ? bpf_sk_storage_get(&conns, other, NULL, 0) : NULL;

		if (p && p->feed_tid == tid && p->feed_first_ns) {
			ev->start_ns = p->feed_first_ns;
			ev->sent_ns = p->feed_last_ns;
			p->feed_first_ns = 0;
		} else {
			ev->h.flags |= SONDE_F_START_LATE;
		}
		return;
	}
	left = tp->tcp_wstamp_ns;
	if (!ev->start_ns) {
		ev->start_ns = left && left < now ? left : now;
		ev->h.flags |= SONDE_F_START_LATE;
	}
	if (tp->snd_nxt == tp->write_seq && left < now)
		ev->sent_ns = left > ev->start_ns ? left : ev->start_ns;
}

/* How much to copy. 0: the operation is left out. */
static __always_inline bool obey_verdict(struct sonde_ev_data *ev, struct conn *c, u32 *from,
					 u32 *want)
{
	u32 dir = ev->dir & 1, slot = c->slot, cap = 0, end = ev->seq + ev->len;
	struct sonde_verdict *v = bpf_map_lookup_elem(&verdicts, &slot);

	*from = 0;
	if (v && v->cookie == c->cookie) {
		u64 until = v->until[dir];

		cap = v->copy[dir];
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
	if (c->run > RUN_MAX)
		cap = RUN_COPY;
	if (!cap || cap > SONDE_COPY_MAX)
		cap = SONDE_COPY_MAX;
	if (*want > cap)
		*want = cap;
	c->run += *want;
	return true;
}

static __always_inline void copy_bytes(struct scratch *s, struct task_struct *task, struct sock *sk,
				       int flags, u32 from, u32 want)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
	struct user_bytes ub = {};
	int err;

	s->ev.syscall = CALL_NR(regs);
	if (TASK_IS_COMPAT(task)) {
		count(SONDE_CNT_COMPAT);
	} else if (!(flags & MSG_TRUNC) && !(task->flags & (PF_KTHREAD | PF_IO_WORKER)) &&
		   call_is_for(task, regs, sk)) {
		user_bytes_of(task, regs, s->ev.dir, &ub);
	}
	if (s->ev.syscall == NR_URING_ENTER || task->flags & PF_IO_WORKER)
		s->ev.h.flags |= SONDE_F_IO_URING;
	if (!ub.base) {
		s->ev.h.flags |= SONDE_F_NO_BYTES;
		return;
	}
	if (!want)
		return;
	err = ub.n_iov ? copy_vector(s, ub.base, ub.n_iov, from, want)
		       : copy_buffer(s, ub.base, from, want, s->ev.len);
	if (err) {
		s->ev.h.flags |= SONDE_F_FAULT;
		s->ev.copied = s->ev.tail = 0;
		count(SONDE_CNT_FAULT);
	}
}

static __always_inline void submit(struct scratch *s, struct conn *c, u32 dir)
{
	u32 size = sizeof(s->ev) + s->ev.copied + s->ev.tail;
	void *ring = ring_of(c->slot);

	s->ev.h.size = size;
	asm volatile("" : "+r"(size));
	if (size > sizeof(s->ev) + SONDE_COPY_MAX + SONDE_TAIL_MAX)
		return;
	if (ring && !bpf_ringbuf_output(ring, s, size, ring_flags(ring, s->turn++))) {
		/* what is delivered is counted by whoever reads it */
		if (c->lost[dir])
			c->lost[dir] = 0;
		if (c->skipped_ns[dir])
			c->skipped_ns[dir] = 0;
		return;
	}
	c->lost[dir]++;
	count(dir == (c->role == SONDE_ROLE_CLIENT ? SONDE_TX : SONDE_RX)
		      ? SONDE_CNT_LOST_REQUEST
		      : SONDE_CNT_LOST_RESPONSE);
}

/* Where the operation lies in its stream. */
static __always_inline void place(struct sonde_ev_data *ev, struct conn *c, struct tcp_sock *tp,
				  struct task_struct *task, u32 tid)
{
	u32 dir = ev->dir & 1;

	ev->start_ns = 0;
	if (!tp) {
		ev->seq = __sync_fetch_and_add(&c->own_seq[dir], ev->len);
		ev->other_seq = c->own_seq[!dir];
		return;
	}
	if (dir == SONDE_RX) {
		ev->seq = rx_end(ev, c, tp, task, tid) - ev->len;
		ev->other_seq = tcp_tx_next(tp);
		return;
	}
	if (c->tx_start_ns && c->tx_tid == tid) {
		ev->seq = c->tx_seq;
		ev->other_seq = c->tx_other;
		ev->start_ns = c->tx_start_ns;
		c->tx_start_ns = 0;
	} else {
		ev->seq = tcp_tx_next(tp) - ev->len;
		ev->other_seq = tcp_rx_next(tp);
	}
}

static __always_inline int operation(struct sock *sk, int ret, int flags, u32 dir)
{
	struct task_struct *task = bpf_get_current_task_btf();
	u32 tgid = task->tgid, tid = task->pid, from, want, at;
	struct tcp_sock *tp;
	struct sonde_ev_data *ev;
	struct scratch *s;
	struct conn *c = bpf_sk_storage_get(&conns, sk, NULL, 0);

	if (c && c->tgid == tgid && (c->flags & (CONN_DECIDED | CONN_OBSERVED)) == CONN_DECIDED)
		return 0;
	if (!is_tcp(sk) && !is_unix_stream(sk))
		return 0;
	if (sk->__sk_common.skc_state == TCP_LISTEN || sk->sk_kern_sock)
		return 0;
	if (!c) {
		c = conn_new(sk);
		if (!c)
			return 0;
	}
	if (!conn_is_observed(c, task, tgid))
		return 0;
	at = bpf_get_smp_processor_id() * 2 + dir;
	s = bpf_map_lookup_elem(&scratches, &at);
	if (!s)
		return 0;
	tp = c->flags & CONN_OWN_SEQ ? NULL : tcp_of(sk);
	if (tp && tcp_has_own_framing(tp)) {
		c->flags |= CONN_OWN_SEQ;
		tp = NULL;
	}

	ev = &s->ev;
	ev->h.kind = SONDE_EV_DATA;
	ev->h.flags = 0;
	ev->h.ts_ns = bpf_ktime_get_ns();
	ev->dir = dir;
	ev->len = ret;
	ev->copied = ev->tail = 0;
	place(ev, c, tp, task, tid);
	ev->arrival_ns = dir == SONDE_RX ? rx_arrival(c, sk, ev->seq, ev->seq + ret) : 0;
	if (ret == 0)
		ev->h.flags |= SONDE_F_EOF | SONDE_F_NO_BYTES;
	if (!(c->flags & CONN_OPENED))
		conn_describe(sk, c,
			      dir == SONDE_TX ? (u64)ev->seq << 32 | ev->other_seq
					      : (u64)ev->other_seq << 32 | ev->seq,
			      (u64)tgid << 32 | tid);
	if (!obey_verdict(ev, c, &from, &want)) {
		c->skipped_ns[dir] = ev->h.ts_ns;
		count(SONDE_CNT_SKIPPED);
		return 0;
	}

	ev->cookie = c->cookie;
	ev->slot = c->slot;
	ev->lost = c->lost[dir];
	ev->skipped_ns = c->skipped_ns[dir];
	if (ev->skipped_ns)
		ev->h.flags |= SONDE_F_SKIPPED;
	ev->tgid = tgid;
	ev->tid = tid;
	ev->reserved = 0;
	ev->goroutine = 0;
	ev->sent_ns = 0;
	ev->syscall = 0;
	read_sched(task, &ev->sched);
	if (dir == SONDE_TX)
		fill_tx(ev, c, sk, tp, tid);
	if (ret > 0)
		copy_bytes(s, task, sk, flags, from, want);
	if (from && ev->copied) {
		/* the record speaks of what lies behind the verdict only */
		ev->seq += from;
		ev->len -= from;
	}
	submit(s, c, dir);
	return 0;
}

/* A multi-message call ended early: its next one starts at its first message. */
static __always_inline void failed(int flags, u32 dir, struct sock *sk, int ret)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
	u32 nr = CALL_NR(regs);

	if (nr == NR_SENDMMSG || nr == NR_RECVMMSG)
		mmsg_at(task, 0, 0, true);
	if (dir == SONDE_TX && is_tcp(sk)) {
		struct conn *c = bpf_sk_storage_get(&conns, sk, NULL, 0);

		if (c && c->tx_tid == (u32)bpf_get_current_pid_tgid())
			c->tx_start_ns = 0;
	}
}

SEC("?tp_btf/sock_send_length")
int BPF_PROG(sonde_send, struct sock *sk, int ret, int flags)
{
	if (ret < 0) {
		failed(flags, SONDE_TX, sk, ret);
		return 0;
	}
	if (ret == 0 || flags & MSG_OOB)
		return 0;
	return operation(sk, ret, flags, SONDE_TX);
}

SEC("?tp_btf/sock_recv_length")
int BPF_PROG(sonde_recv, struct sock *sk, int ret, int flags)
{
	if (ret < 0) {
		failed(flags, SONDE_RX, sk, ret);
		return 0;
	}
	if (flags & (MSG_PEEK | MSG_OOB | MSG_ERRQUEUE))
		return 0;
	return operation(sk, ret, flags, SONDE_RX);
}

/* Under the socket's lock, once per segment of a send: the first says where and when it began. A
 * server of one thread does without: its sends cannot be confused, and when they left is known. */
SEC("?tp_btf/tcp_sendmsg_locked")
int BPF_PROG(sonde_send_start, struct sock *sk)
{
	struct conn *c = bpf_sk_storage_get(&conns, sk, NULL, 0);
	struct task_struct *task;
	struct tcp_sock *tp;
	u32 tid;

	if (!c || (c->flags & (CONN_DECIDED | CONN_OBSERVED)) == CONN_DECIDED)
		return 0;
	tid = (u32)bpf_get_current_pid_tgid();
	if (c->tx_start_ns && c->tx_tid == tid)
		return 0;
	task = bpf_get_current_task_btf();
	if (c->role == SONDE_ROLE_SERVER && task->signal->nr_threads <= 1)
		return 0;
	tp = tcp_of(sk);
	c->tx_tid = tid;
	c->tx_seq = tcp_tx_next(tp);
	c->tx_other = tcp_rx_next(tp);
	c->tx_start_ns = bpf_ktime_get_ns();
	return 0;
}

/* Under the socket's lock, after each segment read. Matters to programs of several threads only. */
SEC("?tp_btf/tcp_rcv_space_adjust")
int BPF_PROG(sonde_read_end, struct sock *sk)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct tcp_sock *tp;
	struct conn *c;
	u32 tid, i;

	if (task->signal->nr_threads <= 1)
		return 0;
	c = bpf_sk_storage_get(&conns, sk, NULL, 0);
	if (!c || !(c->flags & CONN_OBSERVED))
		return 0;
	tp = tcp_of(sk);
	tid = (u32)bpf_get_current_pid_tgid();
	i = tid & (CONN_READERS - 1);
	c->reader_tid[i] = tid;
	c->reader_seq[i] = tp->copied_seq;
	return 0;
}

/* Data is there to be read: remember until where and since when, for the wait in the queue. */
SEC("?tp_btf/sk_data_ready")
int BPF_PROG(sonde_arrival, struct sock *sk)
{
	bool tcp = is_tcp(sk);
	struct conn *c;
	u64 now;
	u32 i;

	if (!tcp && !is_unix_stream(sk))
		return 0;
	if (sk->__sk_common.skc_state != TCP_ESTABLISHED)
		return 0;
	c = bpf_sk_storage_get(&conns, sk, NULL, 0);
	if (!c) {
		c = conn_new(sk);
		if (!c)
			return 0;
	}
	if ((c->flags & (CONN_DECIDED | CONN_OBSERVED)) == CONN_DECIDED && tcp)
		return 0;
	now = bpf_ktime_get_ns();
	if (!tcp) {
		u32 tid = (u32)bpf_get_current_pid_tgid();

		if (c->feed_tid != tid || !c->feed_first_ns) {
			c->feed_tid = tid;
			c->feed_first_ns = now;
		}
		c->feed_last_ns = now;
	}
	if (c->marks_in - c->marks_out < CONN_MARKS) {
		i = c->marks_in & (CONN_MARKS - 1);
		c->mark_ns[i] = now;
		c->mark_seq[i] = tcp ? tcp_of(sk)->rcv_nxt : 0;
		c->marks_in++;
	} else if (tcp) {
		i = (c->marks_in - 1) & (CONN_MARKS - 1);
		c->mark_seq[i] = tcp_of(sk)->rcv_nxt;
	}
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
