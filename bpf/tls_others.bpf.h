/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Connections that a filter of ports has spoken against. A function of a library is watched in
 * every process that may have others, and the object that it is called with does not say which it
 * is of; the operation nested in the call does. From then on the calls of that object are left
 * alone by the thread that made this one: nothing is to be learnt from how they end.
 */
#ifndef TLS_OTHERS_BPF_H
#define TLS_OTHERS_BPF_H

#include "tls_bond.bpf.h"

/* An operation of a connection that is not observed. */
static __noinline void tls_meets_other(struct task_struct *task, const struct conn *c, u32 dir)
{
	struct tls_thread *th = bpf_task_storage_get(&tls_threads, task, NULL, 0);

	if (!th || !c->is_port_off)
		return;
	if (dir == SONDE_RX)
		th->rx_cookie = 0; /* a read of memory that follows is of this one */
	if (th->is_shared)
		return;
	if (th->call == TLS_READ ||
	    (th->call == TLS_WRITE && tls_is_inside(th, (struct pt_regs *)bpf_task_pt_regs(task))))
		th->other_ssl = th->ssl;
}

/* Is the call that begins one of such a connection? Not of an object that has been seen with one
 * that is observed: it is another, at the address of one that was freed by another thread. */
static __always_inline bool tls_is_other(const struct tls_thread *th, u64 ssl, u32 tgid)
{
	return filter.n_ports && th->other_ssl == ssl && !tls_session_of(ssl, tgid);
}

/* The object goes, or is used for a new connection, or the thread works for one that is observed. */
static __always_inline void tls_forget_other(struct tls_thread *th)
{
	if (filter.n_ports && th)
		th->other_ssl = 0;
}

#endif
