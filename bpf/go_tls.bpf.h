/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Plaintext of Go's crypto/tls. A Conn's Write and its handshakes are known by their beginning, as
 * those of libraries are, but by goroutine. Read is watched only where it copies plaintext to its
 * caller, or where it returns: the Conn still lies where the caller left room for it, and which
 * connection it is was learnt by the handshake or a write; else it is the one that the goroutine
 * received from last.
 */
#ifndef GO_TLS_BPF_H
#define GO_TLS_BPF_H

#include "tls_calls.bpf.h"

struct go_call {
	u64 goroutine, stack;
	u64 arguments[3];
	u64 cookie;
};

/* A program that runs crypto/tls is Go, whether or not user space has seen so yet. */
static __always_inline void go_is_seen(u32 tgid)
{
	u32 *known = bpf_map_lookup_elem(&processes, &tgid), flags = known ? *known : 0;

	if (flags & SONDE_P_GO)
		return;
	flags |= SONDE_P_GO;
	bpf_map_update_elem(&processes, &tgid, &flags, BPF_ANY);
	go_seen = 1;
}

/* Write, or a handshake, begins. May begin twice, the stack having been too small. */
static __always_inline void go_enter(const struct go_call *g, struct task_struct *task, u32 call)
{
	struct tls_thread *th = tls_of_goroutine(g->goroutine, task->tgid, true);
	u64 ssl = g->arguments[0], buf = g->arguments[1], num = g->arguments[2];
	bool is_writing;

	if (!th) {
		count(SONDE_CNT_NO_STORAGE);
		return;
	}
	if (call == TLS_HANDSHAKE)
		num = 1;
	if (!num)
		return;
	if (num > __INT_MAX__)
		num = __INT_MAX__;
	is_writing = th->call == TLS_WRITE && !th->is_nested;
	if (is_writing && th->ssl == ssl && call == TLS_HANDSHAKE)
		return; /* within the first write */
	if (is_writing && (th->ssl != ssl || th->buf != buf || th->num != num))
		tls_unbound(task);
	tls_leave_off(th);
	th->ssl = ssl;
	th->buf = buf;
	th->num = num;
	th->attached_ns = g->cookie;
	th->call = call;
	th->done = 0;
	th->is_nested = th->is_shared = 0;
	th->stack = go_stack_end(g->goroutine) - g->stack;
	if (HAS_RETURN_ON_STACK)
		bpf_probe_read_user(&th->returns_to, sizeof(th->returns_to), (void *)g->stack);
}

/* The goroutine has received on a connection that nobody knows the Conn of. */
static __always_inline struct tls_session *go_bind(struct tls_thread *th, u64 ssl, u64 cookie,
						   struct tls_session *t, u32 tgid)
{
	struct tls_bond b = {
		.ssl = ssl,
		.cookie = th->rx_cookie,
		.established_ns = th->rx_established_ns,
		.attached_ns = cookie,
		.slot = th->rx_slot,
		.family = th->rx_family,
		.role = th->rx_role,
		.flags = th->rx_flags,
	};

	th->rx_is_used = 1;
	if (!go_may_be_of(ssl, th->rx_fd))
		return t;
	if (!t || t->c.cookie != th->rx_cookie)
		t = tls_bind(&b, tgid);
	if (!t)
		return NULL;
	t->arrival_ns = th->rx_arrival_ns;
	th->bound_ssl = ssl;
	th->bound_cookie = th->rx_cookie;
	return t;
}

/* Read has plaintext, n bytes at `base`, which it may not have copied to the caller's buffer yet. */
static __always_inline void go_read(const struct go_call *g, struct task_struct *task, u64 ssl,
				    u64 base, u64 n)
{
	struct tls_text x = { .dir = SONDE_RX, .goroutine = g->goroutine, .base = base, .len = n };
	struct tls_session *t = tls_session_of(ssl, task->tgid);
	struct tls_thread *th = tls_of_goroutine(g->goroutine, task->tgid, false);

	if (th && th->rx_cookie && !th->rx_is_used)
		t = go_bind(th, ssl, g->cookie, t, task->tgid);
	if (!t) {
		tls_unbound(task);
		return;
	}
	x.arrival_ns = t->arrival_ns;
	t->arrival_ns = 0;
	t->is_shaking = 0;
	tls_tell_here(t, &x);
}

/* At a call of memmove(to, from, n) within Read, or where Read returns n. */
static __always_inline void go_reads(const struct go_call *g, struct task_struct *task, u32 fn)
{
	u64 at = g->stack + GO_ARGS_AT, kept[2] = {};

	if (fn == SONDE_TLS_READ_EX)
		at += g->cookie & SONDE_GO_FRAME_BITS;
	bpf_probe_read_user(kept, sizeof(kept), (void *)at);
	if (fn == SONDE_TLS_READ_EX && (s64)g->arguments[2] > 0)
		go_read(g, task, kept[0], g->arguments[1], g->arguments[2]);
	else if (fn == SONDE_TLS_READ && (s64)g->arguments[0] > 0)
		go_read(g, task, kept[0], kept[1], g->arguments[0]);
}

static __always_inline void go_tls(struct pt_regs *ctx, struct task_struct *task)
{
	struct go_call g = {
		.goroutine = GO_G(ctx),
		.stack = PT_REGS_SP(ctx),
		.arguments = { GO_ARG1(ctx), GO_ARG2(ctx), GO_ARG3(ctx) },
	};
	u32 fn;

	g.cookie = bpf_get_attach_cookie(ctx);
	fn = g.cookie & SONDE_TLS_FN_BITS;
	if (tls_is_left_out(task->tgid))
		return;
	go_is_seen(task->tgid);
	if (fn == SONDE_TLS_READ || fn == SONDE_TLS_READ_EX)
		go_reads(&g, task, fn);
	else
		go_enter(&g, task, tls_call_of(fn));
}

/* At the beginnings of Write, clientHandshake and serverHandshake, and where Read has something. */
SEC("?uprobe")
int sonde_go_tls(struct pt_regs *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	bool is_held = cpu_hold(task);

	go_tls(ctx, task);
	cpu_release(is_held);
	return 0;
}

#endif
