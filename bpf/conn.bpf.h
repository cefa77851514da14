/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The state of one connection: made, asked whether it is observed and where its streams stand. */
#ifndef CONN_BPF_H
#define CONN_BPF_H

#include <bpf/bpf_endian.h>
#include "filter.bpf.h"

/* Reads kernel memory in place, faults made harmless, without the call that a helper costs. */
extern void *bpf_rdonly_cast(const void *at, __u32 btf_id) __ksym __weak;

/* Of a socket that is_tcp() and no listener. */
static __always_inline struct tcp_sock *tcp_of(const struct sock *sk)
{
	if (bpf_rdonly_cast)
		return bpf_rdonly_cast(sk, bpf_core_type_id_kernel(struct tcp_sock));
	return bpf_skc_to_tcp_sock((void *)sk);
}

/* A thread as mere memory, for following pointers: at each one that it trusts the verifier asks for
 * what else it may lead to, by name and through all the kernel's types, and takes longer for that
 * than for all the rest. */
static __always_inline struct task_struct *task_at(struct task_struct *task)
{
	if (bpf_rdonly_cast)
		return bpf_rdonly_cast(task, bpf_core_type_id_kernel(struct task_struct));
	return task;
}

/* Has its process no other thread? */
static __always_inline bool is_alone(struct task_struct *task)
{
	return task_at(task)->signal->nr_threads <= 1;
}

/* The next byte to be read. Once the peer's FIN was read the socket's own figure is one past it. */
static __always_inline u32 tcp_rx_next(struct tcp_sock *tp)
{
	const struct sock *sk = (const struct sock *)tp;
	u32 copied = tp->copied_seq;

	if (sk->__sk_common.skc_flags & (1UL << bpf_core_enum_value(enum sock_flags, SOCK_DONE)) &&
	    copied == tp->rcv_nxt)
		copied--;
	barrier_var(copied); /* else the compiler lets one load serve several kinds of pointer */
	return copied;
}

static __always_inline u32 tcp_tx_next(struct tcp_sock *tp)
{
	u32 written = tp->write_seq;

	barrier_var(written); /* as above */
	return written;
}

static __always_inline bool tcp_has_own_framing(struct tcp_sock *tp)
{
	/* kernel TLS: what the program writes is not what is numbered */
	return tp->inet_conn.icsk_ulp_ops != NULL;
}

/* What follows is given sockets that are mere addresses in the syscall tier: they are read, never
 * followed. */
static __always_inline void conn_addresses(const struct sock *sk, u8 family,
					   struct sonde_addr *local, struct sonde_addr *peer)
{
	local->port = BPF_CORE_READ(sk, __sk_common.skc_num);
	peer->port = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
	if (family == SONDE_FAMILY_IPV4) {
		*(__be32 *)local->ip = BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr);
		*(__be32 *)peer->ip = BPF_CORE_READ(sk, __sk_common.skc_daddr);
	} else if (family == SONDE_FAMILY_IPV6) {
		BPF_CORE_READ_INTO(&local->ip, sk, __sk_common.skc_v6_rcv_saddr);
		BPF_CORE_READ_INTO(&peer->ip, sk, __sk_common.skc_v6_daddr);
	}
}

static __always_inline struct conn *conn_of(struct sock *sk)
{
	u64 at = (u64)sk;

	if (is_syscall_tier)
		return bpf_map_lookup_elem(&conns_at, &at);
	return bpf_sk_storage_get(&conns, sk, NULL, 0);
}

static __always_inline struct conn *conn_made(struct sock *sk)
{
	u64 at = (u64)sk;
	struct conn *blank;
	u32 zero = 0;

	if (!is_syscall_tier)
		return bpf_sk_storage_get(&conns, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	blank = bpf_map_lookup_elem(&blanks, &zero);
	if (!blank || bpf_map_update_elem(&conns_at, &at, blank, BPF_NOEXIST))
		return NULL;
	return bpf_map_lookup_elem(&conns_at, &at);
}

/* Where the kernel's own is refused: unlike any of those, which count from 1. */
static __always_inline u64 conn_cookie(struct sock *sk)
{
	if (is_syscall_tier)
		return 1ULL << 63 | __sync_fetch_and_add(&next_cookie, 1);
	return bpf_get_socket_cookie(sk);
}

/*
 * A connection can be found while another CPU, or a thread that lost this one, is still making it:
 * the sender, the reader, the softirq. Whoever finds it so makes it as well. Each writes the same;
 * of what would differ the first one's stays, the slot last, which says that it is made. Its flags
 * are left to those who ask the filter.
 */
static __always_inline void conn_make(struct sock *sk, struct conn *c)
{
	u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);
	u32 slot = 1 + __sync_fetch_and_add(&next_slot, 1) % (SONDE_SLOTS - 1);

	__sync_val_compare_and_swap(&c->cookie, 0, conn_cookie(sk));
	c->seen = sweep_turn;
	c->last_dir = 2; /* neither */
	if (family == AF_UNIX) {
		c->family = SONDE_FAMILY_UNIX;
		c->is_port_off = filter.n_ports != 0;
	} else {
		c->family = family == AF_INET ? SONDE_FAMILY_IPV4 : SONDE_FAMILY_IPV6;
		if (BPF_CORE_READ(sk, sk_protocol) == IPPROTO_UDP)
			c->is_datagram = true; /* each has its own peer */
		else
			c->is_port_off = !filter_wants_ports(
				BPF_CORE_READ(sk, __sk_common.skc_num),
				bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport)));
	}
	__sync_val_compare_and_swap(&c->slot, 0, slot);
}

static __noinline struct conn *conn_new(struct sock *sk)
{
	struct conn *c = conn_made(sk);

	if (!c)
		c = conn_of(sk); /* another has made it at this moment */
	if (!c)
		count(SONDE_CNT_NO_STORAGE);
	else if (!c->slot)
		conn_make(sk, c);
	return c;
}

/* Of a socket that begins: what was at its address is over. */
static __always_inline struct conn *conn_begun(struct sock *sk)
{
	u64 at = (u64)sk;
	struct conn *c;

	if (is_syscall_tier && !bpf_map_delete_elem(&conns_at, &at))
		return conn_new(sk);
	c = conn_of(sk);
	if (c)
		__builtin_memset(c, 0, sizeof(*c));
	return conn_new(sk);
}

/* Asks the filter, once per process that uses the connection. Global, so that the verifier walks it
 * once and not in every state a caller may be in. */
__weak __noinline int conn_decide(struct conn *c, u32 tgid)
{
	u8 flags;

	if (!c)
		return 0;
	flags = c->flags & ~CONN_OBSERVED;
	if (c->family == SONDE_FAMILY_UNIX)
		flags |= CONN_OWN_SEQ;
	if (!c->is_port_off && filter_wants(tgid, bpf_get_current_task_btf(), NULL)) {
		flags |= CONN_DECIDED | CONN_OBSERVED;
	} else if (!c->is_port_off &&
		   filter_is_open(tgid)) { /* what passes meanwhile is not seen */
		flags &= ~(CONN_FRESH | CONN_DECIDED);
		c->tx_start_ns = 0;
	} else {
		flags |= CONN_DECIDED;
	}
	c->tgid = tgid;
	c->flags = flags;
	return flags & CONN_OBSERVED;
}

static __always_inline bool conn_is_observed(struct conn *c, struct task_struct *task, u32 tgid)
{
	if (c->tgid == tgid && c->flags & CONN_DECIDED)
		return c->flags & CONN_OBSERVED;
	return conn_decide(c, tgid);
}

#endif
