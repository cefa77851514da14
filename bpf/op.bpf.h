/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* A completed operation: who did it, to what, and where its bytes are in the process. */
#ifndef OP_BPF_H
#define OP_BPF_H

#include "copy.bpf.h"
#include "session.bpf.h"

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

#endif
