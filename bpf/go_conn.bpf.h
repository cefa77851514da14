/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What lies where in a Go program: a goroutine's stack, a crypto/tls.Conn. Read from the process,
 * believed only where it agrees with what is known otherwise.
 */
#ifndef GO_CONN_BPF_H
#define GO_CONN_BPF_H

#include "tls_thread.bpf.h"

enum {
	GO_STACK_END = 8,   /* runtime.g begins with its stack's bounds */
	GO_ARGS_AT = 8,	    /* at a return: room for the arguments, behind the return address */
	GO_DESCRIPTOR = 16, /* of a poll.FD, with which net.netFD begins */
	GO_WRAPPED_MAX = 2, /* connections within connections that are followed */
	GO_DESCRIPTORS_MAX = 65536,
	GO_VERSION = 64,     /* of a crypto/tls.Conn, */
	GO_VERSION_QUIC = 72 /* since Go 1.21 */
};

/*
 * May this crypto/tls.Conn, or any net.Conn that begins with another, be of that descriptor? A
 * net.Conn is two words, of which the second leads to a net.TCPConn, which is a pointer to a netFD;
 * or to what somebody wrapped it in, most often as the first field. What leads nowhere may be.
 */
static __always_inline bool go_may_be_of(u64 conn, u32 fd)
{
	bool is_other = false;

	for (int i = 0; i <= GO_WRAPPED_MAX; i++) {
		u64 net_fd = 0, found = 0;

		if (bpf_probe_read_user(&conn, sizeof(conn), (void *)(conn + 8)) ||
		    bpf_probe_read_user(&net_fd, sizeof(net_fd), (void *)conn) ||
		    bpf_probe_read_user(&found, sizeof(found), (void *)(net_fd + GO_DESCRIPTOR)))
			break;
		if (found == fd)
			return true;
		if (!i && found < GO_DESCRIPTORS_MAX)
			is_other = true;
	}
	return !is_other;
}

/* A goroutine's stack may be moved while it is in a call: places on it are counted from its end. */
static __always_inline u64 go_stack_end(u64 goroutine)
{
	u64 end = 0;

	bpf_probe_read_user(&end, sizeof(end), (void *)(goroutine + GO_STACK_END));
	return end;
}

/* Is the operation at hand part of the goroutine's call? */
static __always_inline bool go_is_inside(const struct tls_thread *th, struct pt_regs *regs)
{
	u64 at = go_stack_end(th->goroutine) - th->stack, returns_to = 0;

	if (STACK_OF(regs) >= at)
		return false;
	if (HAS_RETURN_ON_STACK && th->returns_to &&
	    !bpf_probe_read_user(&returns_to, sizeof(returns_to), (void *)at) &&
	    returns_to != th->returns_to)
		return false;
	return go_may_be_of(th->ssl, CALL_ARG1(regs));
}

/*
 * What protection adds to a record: crypto/tls begins a connection with records that are smaller
 * than the plaintext at hand. TLS 1.2 with GCM puts the record's number before it, of eight bytes.
 * 0: it depends, as with CBC, whose records are blocks.
 */
static __always_inline u32 go_expansion(u64 conn, u64 record_at, u32 record)
{
	u32 number = ~0U;
	u16 version = 0;

	if (bpf_probe_read_user(&number, sizeof(number), (void *)(record_at + 5)))
		return 0;
	if (!number)
		return 8 + 16;
	bpf_probe_read_user(&version, sizeof(version), (void *)(conn + GO_VERSION));
	if (version >> 8 != 3)
		bpf_probe_read_user(&version, sizeof(version), (void *)(conn + GO_VERSION_QUIC));
	if (version == 0x0304)
		return 16 + 1;
	return version == 0x0303 && record % 16 ? 16 : 0;
}

#endif
