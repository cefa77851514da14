/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The open record: who talks to whom, before the first data record of a connection. */
#ifndef OPEN_BPF_H
#define OPEN_BPF_H

#include "conn.bpf.h"

/* An accepted unix socket bears its listener's address; the end that connected bears none. */
static __always_inline void conn_unix_name(struct sock *sk, struct sonde_ev_open *ev)
{
	struct unix_sock *own = (struct unix_sock *)sk, *peer;
	struct unix_address *addr = BPF_CORE_READ(own, addr), *peer_addr = NULL;

	peer = (struct unix_sock *)BPF_CORE_READ(own, peer);
	if (peer)
		peer_addr = BPF_CORE_READ(peer, addr);
	if (addr && !peer_addr)
		ev->role = SONDE_ROLE_SERVER;
	else if (!addr && peer_addr)
		ev->role = SONDE_ROLE_CLIENT;
	if (!addr)
		addr = peer_addr;
	if (addr) {
		u32 n = BPF_CORE_READ(addr, len) - sizeof(short);

		if (n > SONDE_UNIX_PATH_LEN)
			n = SONDE_UNIX_PATH_LEN;
		asm volatile("" : "+r"(n));
		n &= 127;
		if (n <= SONDE_UNIX_PATH_LEN &&
		    !bpf_probe_read_kernel(ev->unix_path, n, (char *)addr->name + sizeof(short)))
			ev->unix_path_len = n;
	}
}

/* Puts the open record before a connection's first other record; tried again when it found no
 * room. tx_seq and rx_seq are where the streams stood before the operation at hand. */
static __noinline void conn_describe(struct sock *sk, struct conn *c, u64 tx_rx_seq, u64 pid_tgid)
{
	struct sonde_ev_open *ev;

	ev = control_new(c->slot, SONDE_EV_OPEN, sizeof(*ev));
	if (!ev)
		return;
	if (c->flags & CONN_FRESH)
		ev->h.flags |= SONDE_F_FRESH;
	if (!is_alone(bpf_get_current_task_btf()))
		ev->h.flags |= SONDE_F_THREADS;
	ev->cookie = c->cookie;
	ev->connect_ns = c->connect_ns;
	ev->established_ns = c->established_ns;
	ev->slot = c->slot;
	ev->tx_seq = tx_rx_seq >> 32;
	ev->rx_seq = (u32)tx_rx_seq;
	ev->tgid = pid_tgid >> 32;
	ev->tid = (u32)pid_tgid;
	ev->family = c->family;
	ev->role = c->role;
	ev->netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, net_cookie);
	if (c->family == SONDE_FAMILY_UNIX) {
		conn_unix_name(sk, ev);
		c->role = ev->role;
	} else {
		conn_addresses(sk, c->family, &ev->local, &ev->peer);
	}
	control_submit(ev);
	c->flags |= CONN_OPENED;
}

#endif
