/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What TCP had to do for a service: counted by process and, of clients, by peer, in the kernel, so
 * that a full ring loses nothing of it. A connection is counted when it ends and whenever a walk
 * finds it open (tcp.bpf.c): each time by what its socket's own counters grew since the last.
 */
#ifndef TCP_BPF_H
#define TCP_BPF_H

#include "conn.bpf.h"
#include "delay.bpf.h"

enum { TCP_TALLIES_MAX = 16384 };

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, TCP_TALLIES_MAX);
	__type(key, struct sonde_tcp_key);
	__type(value, struct sonde_tcp);
} tcp_tallies SEC(".maps") __weak;

static const struct sonde_tcp no_tcp; /* too large for a stack */

/* NULL: there is no room, which is counted. */
static __noinline struct sonde_tcp *tcp_tally(struct sock *sk, u32 tgid, u32 role)
{
	struct sonde_tcp_key key = { .tgid = tgid, .role = role };
	struct sonde_addr local = {}, peer = {};

	if (role == SONDE_ROLE_CLIENT) {
		key.family = sk->__sk_common.skc_family == AF_INET ? SONDE_FAMILY_IPV4
								   : SONDE_FAMILY_IPV6;
		conn_addresses(sk, key.family, &local, &peer);
		key.port = peer.port;
		__builtin_memcpy(key.ip, peer.ip, sizeof(key.ip));
	}
	return tally_of(&tcp_tallies, &key, &no_tcp);
}

static __always_inline void tcp_add(u64 *to, u64 n)
{
	if (n)
		__sync_fetch_and_add(to, n);
}

/*
 * To what a counter of the socket has come: by how much it grew since somebody asked. Two may ask
 * at once, the one at a lower figure last: then one answer is too great and the other negative, and
 * their sum, modulo the type's size, is right.
 */
#define TCP_GROWTH(told, now) ((now)-__sync_lock_test_and_set(told, now))

static __always_inline void tcp_round_trip(struct sonde_tcp *t, const struct tcp_sock *tp)
{
	u64 ns = (u64)(tp->srtt_us >> 3) * 1000;
	u32 at = delay_bucket(ns);

	if (!ns)
		return;
	tcp_add(&t->rtt_ns, ns);
	if (at < SONDE_DELAYS)
		tcp_add(&t->rtt_delays[at], 1);
}

/* What the peer has sent, and this end in its place: a FIN has a number as bytes have. */
static __always_inline u64 tcp_received(const struct sock *sk, const struct tcp_sock *tp)
{
	bool is_done = sk->__sk_common.skc_flags &
		       (1UL << bpf_core_enum_value(enum sock_flags, SOCK_DONE));

	return tp->bytes_received - (is_done && tp->bytes_received);
}

/* Takes note of where a connection that is older than the observer has got to. */
static __always_inline bool tcp_is_begun(struct sock *sk, struct conn *c, const struct tcp_sock *tp)
{
	if (c->tcp_is_begun || c->flags & CONN_FRESH)
		return true;
	c->told_sent = tp->bytes_sent - tp->bytes_retrans;
	c->told_received = tcp_received(sk, tp);
	c->told_retransmits = tp->total_retrans;
	c->tcp_is_begun = 1;
	return false;
}

static __always_inline void tcp_count(struct sock *sk, struct conn *c, const struct tcp_sock *tp,
				      struct sonde_tcp *t)
{
	u64 sent = tp->bytes_sent - tp->bytes_retrans, received = tcp_received(sk, tp);
	u32 retransmits = tp->total_retrans;

	if (tcp_is_begun(sk, c, tp)) {
		tcp_add(&t->bytes[SONDE_TX], TCP_GROWTH(&c->told_sent, sent));
		tcp_add(&t->bytes[SONDE_RX], TCP_GROWTH(&c->told_received, received));
		tcp_add(&t->retransmits, (s64)(s32)TCP_GROWTH(&c->told_retransmits, retransmits));
	}
	tcp_round_trip(t, tp);
}

/* The handshake of a client is over, and it was quick or slow. */
static __always_inline void tcp_connected(struct sock *sk, struct conn *c)
{
	u64 ns = c->established_ns - c->connect_ns;
	u32 at = delay_bucket(ns);
	struct sonde_tcp *t;

	if (!(c->flags & CONN_OBSERVED) || !c->connect_ns)
		return;
	t = tcp_tally(sk, c->tgid, SONDE_ROLE_CLIENT);
	if (!t)
		return;
	tcp_add(&t->connect_ns, ns);
	if (at < SONDE_DELAYS)
		tcp_add(&t->connect_delays[at], 1);
}

/* It is over: what has not been counted of it. */
static __always_inline void tcp_ended(struct sock *sk, struct conn *c)
{
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	struct sonde_tcp *t;

	if (!tp || !(c->flags & CONN_OBSERVED))
		return;
	t = tcp_tally(sk, c->tgid, c->role ? c->role : c->tcp_role);
	if (t)
		tcp_count(sk, c, tp, t);
}

#endif
