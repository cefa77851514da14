/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The system calls of 32-bit programs, in the tier that stands on system calls: what they did, not
 * their bytes, which are described by structures of another layout. The message calls of many are
 * left out: hardly any 32-bit program is young enough to make them.
 */
#ifndef COMPAT_BPF_H
#define COMPAT_BPF_H

#include "arch.bpf.h"

#define COMPAT_READ   3
#define COMPAT_WRITE  4
#define COMPAT_READV  145
#define COMPAT_WRITEV 146
#if defined(__TARGET_ARCH_x86)
#define COMPAT_SENDFILE	  187
#define COMPAT_SENDFILE64 239
#define COMPAT_SPLICE	  313
#define COMPAT_SENDTO	  369
#define COMPAT_SENDMSG	  370
#define COMPAT_RECVFROM	  371
#define COMPAT_RECVMSG	  372
#define COMPAT_SOCKETCALL 102 /* one number for all of a socket's calls, arguments in memory */
#else
#define COMPAT_SENDFILE	  187
#define COMPAT_SENDFILE64 239
#define COMPAT_SEND	  289
#define COMPAT_SENDTO	  290
#define COMPAT_RECV	  291
#define COMPAT_RECVFROM	  292
#define COMPAT_SENDMSG	  296
#define COMPAT_RECVMSG	  297
#define COMPAT_SPLICE	  340
#endif

struct compat_call {
	u32 nr;
	u32 args[4];
};

#if defined(__TARGET_ARCH_x86)
/* linux/net.h: SYS_SEND and so on, as the calls with the same arguments. */
static __always_inline u32 compat_of_socketcall(u32 what)
{
	switch (what) {
	case 9: /* SYS_SEND */
	case 11: return COMPAT_SENDTO;
	case 10: /* SYS_RECV */
	case 12: return COMPAT_RECVFROM;
	case 16: return COMPAT_SENDMSG;
	case 17: return COMPAT_RECVMSG;
	}
	return 0;
}

static __always_inline void compat_read(struct pt_regs *regs, struct compat_call *c)
{
	c->nr = CALL_NR(regs);
	c->args[0] = regs->bx;
	c->args[1] = regs->cx;
	c->args[2] = regs->dx;
	c->args[3] = regs->si;
	if (c->nr != COMPAT_SOCKETCALL)
		return;
	c->nr = compat_of_socketcall(regs->bx);
	if (bpf_probe_read_user(c->args, sizeof(c->args), (void *)(u64)(u32)regs->cx))
		c->nr = 0;
}
#else
static __always_inline void compat_read(struct pt_regs *regs, struct compat_call *c)
{
	c->nr = CALL_NR(regs);
	c->args[0] = regs->orig_x0;
	c->args[1] = regs->regs[1];
	c->args[2] = regs->regs[2];
	c->args[3] = regs->regs[3];
	if (c->nr == COMPAT_SEND)
		c->nr = COMPAT_SENDTO;
	else if (c->nr == COMPAT_RECV)
		c->nr = COMPAT_RECVFROM;
}
#endif

#endif
