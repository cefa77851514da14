// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Connection life: who connects, what was accepted, how it ended; and the sweep over what is left,
 * for the sockets whose end no tracepoint tells. */
#include "again.bpf.h"
#include "conn.bpf.h"
#include "session.bpf.h"
#include "tcp.bpf.h"

static __always_inline void connect_failed(struct sock *sk, struct conn *c)
{
	struct sonde_ev_connect *ev;
	u32 error = sk->sk_err;

	if (!error) {
		/* given up by the caller: a time-out if at least one SYN had to be repeated */
		struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);

		if (!tp || !tp->inet_conn.icsk_retransmits)
			return;
		error = 110; /* ETIMEDOUT */
	}
	ev = control_new(c->slot, SONDE_EV_CONNECT, sizeof(*ev));
	if (!ev)
		return;
	ev->cookie = c->cookie;
	ev->connect_ns = c->connect_ns;
	ev->error = error;
	ev->tgid = c->tgid;
	ev->tid = c->tid;
	ev->family = c->family;
	conn_addresses(sk, c->family, &ev->local, &ev->peer);
	control_submit(ev);
}

/* A client that has shut down its sending side, and reads when its server has closed. The peer's
 * FIN takes a number as well. */
static __always_inline bool is_unread(const struct sock *sk, const struct tcp_sock *tp)
{
	return sk->sk_socket && tp->rcv_nxt - tp->copied_seq > 1;
}

static __noinline void conn_ended(struct sock *sk, struct conn *c, u32 how, u32 error)
{
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	const struct tls_session *t = c->flags & CONN_TLS ? tls_session_at(c) : NULL;
	const struct conn *of = t ? &t->c : c; /* whose streams are told */
	struct sonde_ev_close *ev;
	u32 written;

	if (!tp)
		return;
	written = tcp_tx_next(tp);
	if (how == SONDE_CLOSE_LOCAL) {
		if (c->flags & CONN_FIN_SENT)
			return; /* shut down before it was closed */
		c->flags |= CONN_FIN_SENT;
		c->fin_tx_seq = written; /* the FIN itself is numbered right after */
	}
	ev = control_new(c->slot, SONDE_EV_CLOSE, sizeof(*ev));
	if (!ev)
		return;
	ev->cookie = c->cookie;
	ev->last_tx_ns = of->skipped_ns[SONDE_TX];
	ev->last_rx_ns = of->skipped_ns[SONDE_RX];
	ev->slot = c->slot;
	if (c->flags & (CONN_OWN_SEQ | CONN_TLS)) {
		ev->tx_seq = of->own_seq[SONDE_TX];
		ev->rx_seq = of->own_seq[SONDE_RX];
		if (c->flags & CONN_TLS)
			ev->h.flags |= SONDE_F_TLS;
	} else {
		ev->tx_seq = c->flags & CONN_FIN_SENT ? c->fin_tx_seq : written;
		ev->rx_seq = tcp_rx_next(tp);
	}
	ev->lost_tx = of->lost[SONDE_TX];
	ev->lost_rx = of->lost[SONDE_RX];
	ev->error = error;
	ev->tgid = c->tgid;
	ev->how = how;
	if (how == SONDE_CLOSE_DONE && is_unread(sk, tp))
		ev->h.flags |= SONDE_F_UNREAD;
	control_submit(ev);
}

/* Its plaintext: nobody reads what is left once the socket is let go; else the object's end ends
 * it, or the observer, in time. */
static __always_inline void plaintext_over(struct sock *sk, struct conn *c)
{
	struct tls_session *t = tls_session_at(c);

	if (!t)
		return;
	if (t->is_freed || !sk->sk_socket)
		tls_session_drop(c->tls_ssl, c->tgid);
	else
		t->is_over = 1;
}

/* In the syscall tier a connection can live and end unseen: served by io_uring. Its bytes were
 * read, so it is counted; whose it was is only known of clients. */
static __always_inline void count_unseen(struct sock *sk, struct conn *c)
{
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	u32 unread;

	/* one that a system call has named was seen, if its opening found no room in the ring */
	if (!tp || c->generation || c->is_port_off)
		return;
	if (c->flags & CONN_DECIDED ? !(c->flags & CONN_OBSERVED)
				    : filter.n_pids || filter.asks_where || filter_has_globs())
		return;
	unread = tp->rcv_nxt - tp->copied_seq;
	if (tp->bytes_received > unread)
		count(SONDE_CNT_UNKNOWN_CALL);
}

static __always_inline void connect_began(struct sock *sk)
{
	u64 pid_tgid = bpf_get_current_pid_tgid();
	struct conn *c = conn_begun(sk);

	if (!c)
		return;
	c->role = SONDE_ROLE_CLIENT;
	c->connect_ns = bpf_ktime_get_ns();
	c->tid = (u32)pid_tgid;
	/* the peer's port is in place already, its address may not be */
	conn_decide(c, pid_tgid >> 32);
	c->flags |= CONN_FRESH;
}

/* Of a socket that connects: both ends may have begun at once (RFC 9293, 3.5). An accepted one has
 * no struct socket yet, or was never seen to connect. */
static __always_inline bool is_connecting(struct sock *sk, int from)
{
	struct conn *c;

	if (from != TCP_SYN_RECV)
		return from == TCP_SYN_SENT;
	c = sk->sk_socket ? conn_of(sk) : NULL;
	return c && c->role == SONDE_ROLE_CLIENT;
}

static __always_inline int state_changed(struct sock *sk, int from, int to)
{
	struct conn *c;

	if (sk->sk_protocol != IPPROTO_TCP || sk->sk_kern_sock)
		return 0;
	if (to == TCP_SYN_SENT) {
		connect_began(sk);
		return 0;
	}
	if (to == TCP_ESTABLISHED && from == TCP_SYN_RECV && !is_connecting(sk, from)) {
		c = conn_begun(sk);
		if (c) {
			c->role = SONDE_ROLE_SERVER;
			c->flags |= CONN_FRESH;
			c->established_ns = bpf_ktime_get_ns();
		}
		return 0;
	}
	c = conn_of(sk);
	if (!c || c->is_over)
		return 0;
	if (to == TCP_ESTABLISHED) {
		c->established_ns = bpf_ktime_get_ns();
		tcp_connected(sk, c);
		return 0;
	}
	if (to == TCP_CLOSE) {
		c->is_over = true;
		if (is_tls_wanted)
			tls_shaken_drop(c->cookie);
		tcp_ended(sk, c);
	}
	if (to == TCP_CLOSE && is_connecting(sk, from)) {
		if (c->flags & CONN_OBSERVED)
			connect_failed(sk, c);
		return 0;
	}
	if (!(c->flags & CONN_OPENED)) {
		if (is_syscall_tier && to == TCP_CLOSE)
			count_unseen(sk, c);
		return 0;
	}
	switch (to) {
	case TCP_FIN_WAIT1:
	case TCP_LAST_ACK: conn_ended(sk, c, SONDE_CLOSE_LOCAL, 0); break;
	case TCP_CLOSE_WAIT: conn_ended(sk, c, SONDE_CLOSE_PEER, 0); break;
	case TCP_CLOSE:
		conn_ended(sk, c,
			   from == TCP_ESTABLISHED || from == TCP_CLOSE_WAIT || sk->sk_err
				   ? SONDE_CLOSE_RESET
				   : SONDE_CLOSE_DONE,
			   sk->sk_err);
		plaintext_over(sk, c);
		break;
	}
	return 0;
}

static __always_inline int state_follow(struct sock *sk, int from, int to)
{
	u64 at = (u64)sk;

	state_changed(sk, from, to);
	/* while a descriptor names it there can be bytes to read: then the sweep clears up */
	if (is_syscall_tier && to == TCP_CLOSE && !sk->sk_socket)
		bpf_map_delete_elem(&conns_at, &at);
	return 0;
}

SEC("?tp_btf/inet_sock_set_state")
int BPF_PROG(sonde_state, struct sock *sk, int from, int to)
{
	turn_take(TURNS_STATE, sk);
	return state_follow(sk, from, to);
}

SEC("?tp_btf/inet_sock_set_state")
int BPF_PROG(sonde_state_again, struct sock *sk, int from, int to)
{
	return turn_is_mine(TURNS_STATE, sk) ? state_follow(sk, from, to) : 0;
}

/* Gives the cookie of every socket that still has state. */
SEC("?iter/bpf_sk_storage_map")
int sonde_sweep(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct conn *c = ctx->value;
	u64 cookie;

	if (!c || !ctx->sk)
		return 0;
	cookie = c->cookie;
	bpf_seq_write(ctx->meta->seq, &cookie, sizeof(cookie));
	return 0;
}
