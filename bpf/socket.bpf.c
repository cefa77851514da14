// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Capture, tier 1: every completed send and receive of stream sockets and of UDP, from two
 * tracepoints that fire in the calling thread, after the fact, with the true length. They carry no
 * buffer; the registers the thread entered the kernel with still do.
 */
#include "again.bpf.h"
#include "datagram.bpf.h"
#include "go_tls.bpf.h"
#include "tls_probes.bpf.h"

/* sendmmsg and recvmmsg: which of its messages a thread has reached. */
struct mmsg {
	u64 vec;
	u64 sk;
	u32 next;
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct mmsg);
} mmsgs SEC(".maps");

/* The message a multi-message call is at: counted per thread. A failure (no vector), the vector's
 * end or another socket starts over; a caller that goes on behind a partial result passes another
 * vector.
 */
static __noinline u64 mmsg_at(struct task_struct *task, u64 vec, u32 vlen, u64 sk)
{
	struct mmsg *m = bpf_task_storage_get(&mmsgs, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	u32 i;

	if (!m)
		return 0;
	if (!vec || m->vec != vec || m->sk != sk) {
		m->vec = vec;
		m->sk = sk;
		m->next = 0;
		if (!vec)
			return 0;
	}
	i = m->next++;
	if (m->next >= vlen)
		m->vec = 0;
	return vec + (u64)i * sizeof(struct mmsghdr);
}

/* The message header the operation at hand belongs to, where the call is one of many messages. */
static __always_inline u64 message_of(struct task_struct *task, struct pt_regs *regs,
				      struct sock *sk)
{
	/* a receive's time limit can end it between messages, unseen */
	if (CALL_NR(regs) == NR_SENDMMSG || (CALL_NR(regs) == NR_RECVMMSG && !CALL_ARG5(regs)))
		return mmsg_at(task, CALL_ARG2(regs), CALL_ARG3(regs), (u64)sk);
	return 0;
}

static __always_inline struct tcp_at tcp_at(struct tcp_sock *tp)
{
	return (struct tcp_at){
		.tx_next = tcp_tx_next(tp),
		.rx_next = tcp_rx_next(tp),
		.snd_nxt = tp->snd_nxt,
		.wstamp_ns = tp->tcp_wstamp_ns,
	};
}

/* A unix socket's send began when the peer was first told of it, in the same thread. */
static __always_inline void place_unix(struct op *op, struct sock *sk, u32 tid)
{
	struct unix_sock *u = bpf_skc_to_unix_sock(sk);
	struct sock *other = u ? u->peer : NULL;
	struct conn *p = other ? bpf_sk_storage_get(&conns, other, NULL, 0) : NULL;

	if (!p || p->feed_tid != tid || !p->feed_first_ns)
		return;
	op->start_ns = p->feed_first_ns;
	op->sent_ns = p->feed_last_ns;
	p->feed_first_ns = 0;
}

/* `ret` as the socket has it: an error too, and an empty datagram, which says nothing. */
static __noinline int datagram(struct sock *sk, struct conn *c, int ret, u64 dir_flags)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct datagram d = { .sk = (u64)sk, .dir = dir_flags >> 32, .flags = dir_flags };

	if (datagram_is_ignored(c))
		return 0;
	if (ret < 0) {
		d.error = -ret;
	} else {
		d.len = ret;
		d.msg = message_of(task, (struct pt_regs *)bpf_task_pt_regs(task), sk);
	}
	if (d.dir == SONDE_RX)
		d.arrival_ns = datagram_arrival(c, sk);
	if (ret)
		datagram_capture(&d, c);
	return 0;
}

/* A socket of a kind that is observed, asked for the first time by this process. NULL: not wanted. */
static __noinline struct conn *first_asked(struct sock *sk, u32 tgid)
{
	struct conn *c;

	if (!is_tcp(sk) && !is_unix_stream(sk) && !is_udp(sk))
		return NULL;
	if (sk->__sk_common.skc_state == TCP_LISTEN || sk->sk_kern_sock)
		return NULL;
	c = conn_of(sk);
	if (!c || !c->slot)
		c = conn_new(sk);
	return c && conn_decide(c, tgid) ? c : NULL;
}

/* Of a TCP socket. Most of the bytes there are continue a body that user space has framed: they are
 * left out before anything is made for them. */
static __always_inline bool is_left_out(struct op *op, const struct actor *by,
					const struct tcp_at *at)
{
	struct conn *c = by->c;
	u32 end = op->dir == SONDE_TX ? at->tx_next : at->rx_next;

	/* where several threads read, each has left behind where it did */
	if (!op->len || !verdict_skips(c, op->dir, end) ||
	    (op->dir == SONDE_RX && !is_alone(by->task)))
		return false;
	if (op->dir == SONDE_RX)
		rx_arrivals(c, NULL, end, end, NULL);
	else if (c->tx_tid == by->task->pid)
		c->tx_start_ns = 0;
	leave_out(c, op->dir, bpf_ktime_get_ns());
	return true;
}

static __always_inline void operation(struct task_struct *task, struct sock *sk, int ret, int flags,
				      u32 dir)
{
	struct conn *c = bpf_sk_storage_get(&conns, sk, NULL, 0);
	u32 tgid = task->tgid;
	struct actor by = { .sk = sk, .task = task };
	struct op op = { .sk = (u64)sk, .len = ret, .flags = flags, .dir = dir };
	struct tcp_sock *tp;

	if (c && c->tgid == tgid && c->flags & CONN_DECIDED) {
		if (!(c->flags & CONN_OBSERVED)) {
			if (filter.n_ports && is_tls_wanted)
				tls_meets_other(task, c, dir);
			return;
		}
	} else {
		c = first_asked(sk, tgid);
		if (!c)
			return;
	}
	if (c->is_datagram) {
		datagram(sk, c, ret, (u64)dir << 32 | (u32)flags);
		return;
	}
	by.c = c;
	by.regs = (struct pt_regs *)bpf_task_pt_regs(task);
	op.msg = message_of(task, by.regs, sk);
	tp = c->flags & CONN_OWN_SEQ ? NULL : tcp_of(sk);
	if (tp && tcp_has_own_framing(tp)) {
		c->flags |= CONN_OWN_SEQ;
	} else if (tp) {
		struct tcp_at at = tcp_at(tp);

		if (is_left_out(&op, &by, &at))
			return;
		place(&op, &by, &at, op.len);
	}
	if (dir == SONDE_TX && c->family == SONDE_FAMILY_UNIX)
		place_unix(&op, sk, task->pid);
	if (!is_plaintext_told(&op, &by))
		capture(&op, c);
}

/* A multi-message call ended early: its next one starts at its first message. */
static __always_inline void failed(struct task_struct *task, struct sock *sk, int ret, int flags,
				   u32 dir)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
	u32 nr = CALL_NR(regs);

	if (nr == NR_SENDMMSG || nr == NR_RECVMMSG)
		mmsg_at(task, 0, 0, 0);
	if (dir == SONDE_RX)
		tls_failed(dir, NULL);
	if (dir == SONDE_TX && is_tcp(sk)) {
		struct conn *c = bpf_sk_storage_get(&conns, sk, NULL, 0);

		tls_failed(dir, c);
		if (c && c->tx_tid == (u32)bpf_get_current_pid_tgid())
			c->tx_start_ns = 0;
	}
	if (is_udp(sk) && is_of_network(ret)) {
		struct conn *c = bpf_sk_storage_get(&conns, sk, NULL, 0);

		if (c && c->flags & CONN_OBSERVED && c->tgid == task->tgid)
			datagram(sk, c, ret, (u64)dir << 32 | (u32)flags);
	}
}

/* An empty datagram counts among the messages of its call. */
static __always_inline void empty(struct task_struct *task, struct sock *sk)
{
	message_of(task, (struct pt_regs *)bpf_task_pt_regs(task), sk);
}

static __always_inline void sent(struct task_struct *task, struct sock *sk, int ret, int flags)
{
	if (ret < 0)
		failed(task, sk, ret, flags, SONDE_TX);
	else if (ret && !(flags & MSG_OOB))
		operation(task, sk, ret, flags, SONDE_TX);
	else if (is_udp(sk))
		empty(task, sk);
}

static __always_inline void received(struct task_struct *task, struct sock *sk, int ret, int flags)
{
	if (ret < 0)
		failed(task, sk, ret, flags, SONDE_RX);
	else if (!(flags & (MSG_PEEK | MSG_OOB | MSG_ERRQUEUE)))
		operation(task, sk, ret, flags, SONDE_RX);
}

SEC("?tp_btf/sock_send_length")
int BPF_PROG(sonde_send, struct sock *sk, int ret, int flags)
{
	struct task_struct *task = bpf_get_current_task_btf();
	bool is_held = cpu_hold(task);

	sent(task, sk, ret, flags);
	cpu_release(is_held);
	return 0;
}

SEC("?tp_btf/sock_recv_length")
int BPF_PROG(sonde_recv, struct sock *sk, int ret, int flags)
{
	struct task_struct *task = bpf_get_current_task_btf();
	bool is_held = cpu_hold(task);

	received(task, sk, ret, flags);
	cpu_release(is_held);
	return 0;
}

/* Under the socket's lock, once per segment of a send: the first says where and when it began. A
 * server of one thread does without: its sends cannot be confused, and when they left is known. So
 * does a send that will be left out to its last byte. */
SEC("?tp_btf/tcp_sendmsg_locked")
int BPF_PROG(sonde_send_start, struct sock *sk, struct msghdr *msg)
{
	struct conn *c = conn_of(sk);
	struct task_struct *task;
	struct tcp_sock *tp;
	u32 tid, at;

	if (!c || (c->flags & (CONN_DECIDED | CONN_OBSERVED)) == CONN_DECIDED)
		return 0;
	task = bpf_get_current_task_btf();
	if (c->role == SONDE_ROLE_SERVER && is_alone(task))
		return 0;
	tid = task->pid;
	if (c->tx_start_ns && c->tx_tid == tid)
		return 0;
	tp = tcp_of(sk);
	at = tcp_tx_next(tp);
	if (verdict_skips(c, SONDE_TX, at + msg->msg_iter.count))
		return 0;
	c->tx_tid = tid;
	c->tx_seq = at;
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

	if (is_alone(task))
		return 0;
	c = conn_of(sk);
	if (!c || !(c->flags & CONN_OBSERVED))
		return 0;
	tp = tcp_of(sk);
	if (!tp)
		return 0;
	tid = (u32)bpf_get_current_pid_tgid();
	i = tid & (CONN_READERS - 1);
	c->reader_tid[i] = tid;
	c->reader_seq[i] = tp->copied_seq;
	return 0;
}

/* The time at which TCP took up the segment at hand: it has read the same clock for itself. */
static __always_inline u64 tcp_now(struct sock *sk)
{
	return bpf_core_field_exists(struct tcp_sock, tcp_clock_cache) ? tcp_of(sk)->tcp_clock_cache
								       : bpf_ktime_get_ns();
}

/* Data is there to be read: remember until where and since when, for the wait in the queue. */
static __always_inline int arrived(struct sock *sk)
{
	bool tcp = is_tcp(sk);
	struct conn *c;
	u64 now;
	u32 i;

	if (!tcp && !is_unix_stream(sk)) {
		if (is_udp(sk) && !sk->sk_kern_sock)
			datagram_arrived(sk);
		return 0;
	}
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
	now = tcp ? tcp_now(sk) : bpf_ktime_get_ns();
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

SEC("?tp_btf/sk_data_ready")
int BPF_PROG(sonde_arrival, struct sock *sk)
{
	turn_take(TURNS_ARRIVAL, sk);
	return arrived(sk);
}

SEC("?tp_btf/sk_data_ready")
int BPF_PROG(sonde_arrival_again, struct sock *sk)
{
	return turn_is_mine(TURNS_ARRIVAL, sk) ? arrived(sk) : 0;
}

#include "syscall.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";
