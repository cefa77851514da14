/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The programs at a TLS library's functions: which call it is says the probe's cookie. */
#ifndef TLS_PROBES_BPF_H
#define TLS_PROBES_BPF_H

#include "rust_tls.bpf.h"

/*
 * One program for all functions of a file, so that it is let go by closing one link: that takes the
 * kernel a tenth of a second. SSL_read, SSL_write, their _ex forms, SSL_do_handshake (within
 * SSL_accept and SSL_connect too), SSL_free of OpenSSL and its kin, or what they call within (see
 * user/capture/tls_symbols.c); gnutls_record_recv, gnutls_record_send, gnutls_handshake,
 * gnutls_deinit; PR_Read, PR_Recv, PR_Write, PR_Send, PR_Close of NSPR, for NSS; those of rustls
 * that rust_tls.bpf.h names.
 */
static __always_inline bool tls_begin(const struct tls_args *args, u64 cookie)
{
	return cookie & SONDE_TLS_RUST ? rust_enter(args, cookie) : tls_enter(args, cookie);
}

SEC("?uprobe")
int sonde_tls_entry(struct pt_regs *ctx)
{
	bool is_held = cpu_hold(bpf_get_current_task_btf());
	struct tls_args args = tls_args_of(ctx);

	tls_begin(&args, bpf_get_attach_cookie(ctx));
	cpu_release(is_held);
	return 0;
}

/* What a function returns: most an int; rustls also, or instead, in the second register that the
 * x86-64 calling convention has for it, which is where the third argument was. */
static __always_inline int tls_end(u64 first, u64 second, u64 cookie)
{
	if (cookie & SONDE_TLS_RUST)
		return rust_leave(first, second, cookie);
	return tls_leave((s32)first, cookie);
}

/* Of reads, and of writes in processes that take their records from memory. */
SEC("?uretprobe")
int sonde_tls_end(struct pt_regs *ctx)
{
	bool is_held = cpu_hold(bpf_get_current_task_btf());
	u64 first = PT_REGS_RC(ctx), second = PT_REGS_PARM3(ctx);

	tls_end(first, second, bpf_get_attach_cookie(ctx));
	cpu_release(is_held);
	return 0;
}

/* The records of this object are sent within its calls. */
static __always_inline bool tls_is_nested(u64 ssl)
{
	struct tls_session *t = tls_session_of(ssl, bpf_get_current_pid_tgid() >> 32);

	return t && t->is_within && !t->is_deferred && !t->is_memory && !t->is_freed;
}

/* An entry or a return; 1, at an entry: its return is left alone. */
static __always_inline int tls_either(struct pt_regs *ctx)
{
	struct tls_args args = tls_args_of(ctx);
	u64 first = PT_REGS_RC(ctx), ip = PT_REGS_IP(ctx), cookie;

	cookie = bpf_get_attach_cookie(ctx);
	if (ip != bpf_get_func_ip(ctx))
		return tls_end(first, args.num, cookie);
	if (!tls_begin(&args, cookie))
		return 1;
	return !(cookie & SONDE_TLS_RUST) && tls_call_of(cookie & SONDE_TLS_FN_BITS) == TLS_WRITE &&
	       tls_is_nested(args.ssl);
}

/* Both in one, where the kernel asks at each entry whether the return is to be watched (Linux
 * 6.13). At a return the thread is not at the function any more; the kernel's own word for it has
 * other arguments since 7.0, and a program that names it in either form is refused by the other. */
SEC("?uprobe")
int sonde_tls_both(struct pt_regs *ctx)
{
	bool is_held = cpu_hold(bpf_get_current_task_btf());
	int rc = tls_either(ctx);

	cpu_release(is_held);
	return rc;
}

#endif
