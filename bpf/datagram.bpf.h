/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Datagrams: one record each, with the address of its peer. A socket that speaks nothing user space
 * knows is ignored as soon as that is known, by the first check of any operation.
 */
#ifndef DATAGRAM_BPF_H
#define DATAGRAM_BPF_H

#include "capture.bpf.h"

/* As sockaddr_in, sockaddr_in6 begin. */
struct user_sockaddr {
	u16 family;
	__be16 port;
	union {
		u8 ip4[4];
		struct {
			__be32 flow;
			u8 ip6[16];
		};
	};
};

/* One datagram that was moved; `error` set: the one that was not. */
struct datagram {
	u64 sk;	 /* the socket's address */
	u64 msg; /* of a multi-message call: the message's header in the process; 0: not known */
	u64 arrival_ns;
	u32 len;
	u32 dir;
	u32 flags; /* MSG_* */
	u32 error;
};

/* Is it an error that the network may have answered with? Which of them, user space asks: the
 * verifier would walk each apart. */
static __always_inline bool is_of_network(int ret)
{
	return ret <= -ENETUNREACH && ret >= -EHOSTUNREACH;
}

static __always_inline bool datagram_is_ignored(struct conn *c)
{
	u32 slot = c->slot;
	struct sonde_verdict *v = bpf_map_lookup_elem(&verdicts, &slot);

	if (!v || v->cookie != c->cookie || !(v->until[0] & SONDE_SHED))
		return false;
	c->flags = (c->flags | CONN_DECIDED) & ~CONN_OBSERVED;
	return true;
}

/* The peer as the process has it in its own memory. On an IPv6 socket an IPv4 address is a mapped
 * one (RFC 4291, 2.5.5.2). */
static __noinline int datagram_name(u64 at, u32 family, struct sonde_addr *out)
{
	struct user_sockaddr name = {};

	if (bpf_probe_read_user(&name, 8, (void *)at))
		return -1;
	if (name.family == AF_INET) {
		if (family == SONDE_FAMILY_IPV6) {
			out->ip[10] = out->ip[11] = 0xff;
			__builtin_memcpy(out->ip + 12, name.ip4, 4);
		} else {
			__builtin_memcpy(out->ip, name.ip4, 4);
		}
	} else if (name.family == AF_INET6 && family == SONDE_FAMILY_IPV6) {
		if (bpf_probe_read_user(&name, sizeof(name), (void *)at))
			return -1;
		__builtin_memcpy(out->ip, name.ip6, 16);
	} else {
		return -1;
	}
	out->port = bpf_ntohs(name.port);
	return 0;
}

/* The addresses of both ends. What a receive is told of its peer is in the process's memory when
 * the system call ends: too late for the socket tier, which then knows it of connected sockets. */
static __always_inline void datagram_ends(struct sonde_ev_datagram *ev, const struct actor *by,
					  const struct user_bytes *ub)
{
	__builtin_memset(&ev->local, 0, sizeof(ev->local));
	__builtin_memset(&ev->peer, 0, sizeof(ev->peer));
	conn_addresses(by->sk, by->c->family, &ev->local, &ev->peer);
	if (ub->name && (is_syscall_tier || ev->dir == SONDE_TX))
		datagram_name(ub->name, by->c->family, &ev->peer);
}

static __always_inline int datagram_piece(struct sonde_ev_datagram *ev, u64 base, u64 size)
{
	u32 to = ev->copied, n = SONDE_DATAGRAM_MAX - to;

	if (n > ev->len - to)
		n = ev->len - to;
	if (n > size)
		n = size;
	asm volatile("" : "+r"(n), "+r"(to));
	n &= 2 * SONDE_DATAGRAM_MAX - 1;
	if (n > SONDE_DATAGRAM_MAX)
		n = SONDE_DATAGRAM_MAX;
	to &= SONDE_DATAGRAM_MAX - 1;
	if (!n)
		return 0;
	if (bpf_probe_read_user(ev->bytes + to, n, (void *)base))
		return -1;
	ev->copied = to + n;
	return 0;
}

/* A walk over a vector, one buffer each. */
struct pieces {
	struct sonde_ev_datagram *ev;
	u64 vec;
	u32 n, err;
};

static long datagram_next(u32 i, struct pieces *p)
{
	struct sonde_ev_datagram *ev = p->ev;
	struct iovec iov;

	if (i >= p->n || ev->copied >= ev->len || ev->copied >= SONDE_DATAGRAM_MAX)
		return 1;
	p->err = bpf_probe_read_user(&iov, sizeof(iov), (void *)(p->vec + i * sizeof(iov))) ||
		 datagram_piece(ev, (u64)iov.iov_base, iov.iov_len);
	return p->err;
}

__weak __noinline int datagram_bare(struct scratch *s, u64 vec, u32 n, u32 i, u32 *err)
{
	struct pieces p = { .ev = (struct sonde_ev_datagram *)s, .vec = vec, .n = n };
	long is_last;

	if (!is_bare || !s || !err)
		return 1;
	is_last = datagram_next(i, &p);
	*err = p.err;
	return is_last;
}

static __always_inline int datagram_bytes(struct sonde_ev_datagram *ev, const struct user_bytes *ub)
{
	struct pieces p = { .ev = ev, .vec = ub->base, .n = ub->n_iov };

	if (!ub->n_iov)
		return datagram_piece(ev, ub->base, ev->len);
	LOOP(i, IOVECS_MAX, datagram_next, &p,
	     datagram_bare((struct scratch *)ev, p.vec, p.n, i, &p.err));
	return p.err;
}

static __always_inline void datagram_copy(struct sonde_ev_datagram *ev, const struct datagram *d,
					  const struct actor *by)
{
	struct op op = { .msg = d->msg };
	struct user_bytes ub = {};
	bool is_own = !(by->task->flags & (PF_KTHREAD | PF_IO_WORKER)) && !TASK_IS_COMPAT(by->task);

	if (is_own && (is_syscall_tier || call_is_for(by)))
		user_bytes_of(&op, by->regs, &ub);
	ev->copied = 0;
	datagram_ends(ev, by, &ub);
	if (!ub.base || d->error || d->flags & MSG_TRUNC) /* then len may be more than there is */
		ev->h.flags |= SONDE_F_NO_BYTES;
	else if (datagram_bytes(ev, &ub))
		ev->h.flags |= SONDE_F_FAULT;
}

static __always_inline void datagram_submit(struct scratch *s, struct sonde_ev_datagram *ev,
					    struct conn *c)
{
	u32 size = sizeof(*ev) + ev->copied;
	void *ring = ring_of(c->slot);

	ev->h.size = size;
	asm volatile("" : "+r"(size));
	if (size > sizeof(*ev) + SONDE_DATAGRAM_MAX)
		return;
	if (!ring || bpf_ringbuf_output(ring, ev, size, ring_flags(ring, s->turn++)))
		count(SONDE_CNT_LOST_DATAGRAM);
}

/* One more is in the socket to be read. */
static __always_inline void datagram_arrived(struct sock *sk)
{
	struct conn *c = bpf_sk_storage_get(&conns, sk, NULL, 0);

	if (!c) {
		c = conn_new(sk);
		if (!c)
			return;
	}
	if ((c->flags & (CONN_DECIDED | CONN_OBSERVED)) == CONN_DECIDED)
		return;
	c->mark_ns[c->marks_in & (CONN_MARKS - 1)] = bpf_ktime_get_ns();
	c->marks_in++;
}

/*
 * When the one that was read had arrived: arrivals are counted back from the last one by those that
 * are still to be read. So one that was miscounted (it was read before its arrival was told, or
 * dropped for its checksum) does no harm to others. More wait than are remembered: not known.
 */
static __always_inline u64 datagram_arrival(struct conn *c, struct sock *sk)
{
	struct udp_sock *up = (struct udp_sock *)sk;
	u32 waiting =
		BPF_CORE_READ(sk, sk_receive_queue.qlen) + BPF_CORE_READ(up, reader_queue.qlen);
	u32 in = c->marks_in, at = in - 1 - waiting;

	if (waiting >= CONN_MARKS || (s32)(at - c->marks_out) < 0)
		return 0;
	c->marks_out = at + 1;
	return c->mark_ns[at & (CONN_MARKS - 1)];
}

/* Makes the record, where a data record would be made. Global: see copy.bpf.h. */
__noinline int datagram_capture(struct datagram *d, struct conn *c)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct actor by = { .c = c, .task = task };
	struct sonde_ev_datagram *ev;
	struct scratch *s;
	struct sock *sk;
	u32 at;

	if (!d || !c)
		return 0;
	at = bpf_get_smp_processor_id() * 2 + (d->dir & 1);
	s = bpf_map_lookup_elem(&scratches, &at);
	if (!s)
		return 0;
	sk = by.sk = (struct sock *)d->sk;
	by.regs = (struct pt_regs *)bpf_task_pt_regs(task);
	ev = (struct sonde_ev_datagram *)s;
	ev->h.kind = SONDE_EV_DATAGRAM;
	ev->h.flags = 0;
	ev->h.ts_ns = bpf_ktime_get_ns();
	ev->cookie = c->cookie;
	ev->arrival_ns = d->arrival_ns;
	ev->goroutine = go_seen ? goroutine_of(task) : 0;
	ev->netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, net_cookie);
	ev->slot = c->slot;
	ev->len = d->len;
	ev->error = d->error;
	ev->tgid = task->tgid;
	ev->tid = task->pid;
	ev->dir = d->dir;
	ev->family = c->family;
	ev->syscall = CALL_NR(by.regs);
	ev->reserved = 0;
	datagram_copy(ev, d, &by);
	/* before a thread's account is opened: of who is not observed there is none */
	if (!filter_wants_ports(ev->local.port, ev->peer.port))
		return 0;
	read_sched(task, ev->h.ts_ns, &ev->sched);
	datagram_submit(s, ev, c);
	return 0;
}

#endif
