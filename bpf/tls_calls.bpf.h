/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Calls of a TLS library: what is to be written, and what was read. See tls.bpf.h. */
#ifndef TLS_CALLS_BPF_H
#define TLS_CALLS_BPF_H

#include "tls.bpf.h"

/* What a call was given. Read at once: after a call of a helper the compiler would read the
 * registers by a pointer that the verifier refuses. */
struct tls_args {
	u64 ssl, buf, num, fourth, fifth, stack;
};

static __always_inline struct tls_args tls_args_of(struct pt_regs *ctx)
{
	return (struct tls_args){
		.ssl = PT_REGS_PARM1(ctx),
		.buf = PT_REGS_PARM2(ctx),
		.num = PT_REGS_PARM3(ctx),
		.fourth = PT_REGS_PARM4(ctx),
		.fifth = PT_REGS_PARM5(ctx),
		.stack = PT_REGS_SP(ctx),
	};
}

static __always_inline u32 tls_call_of(u32 fn)
{
	if (fn == SONDE_TLS_HANDSHAKE)
		return TLS_HANDSHAKE;
	if (fn == SONDE_TLS_READ || fn == SONDE_TLS_READ_EX || fn == SONDE_TLS_RECV)
		return TLS_READ;
	return TLS_WRITE;
}

/* The object goes: another may get its address. */
static __always_inline void tls_freed(u64 ssl, struct task_struct *task)
{
	u32 tgid = task->tgid;
	struct tls_session *t = tls_session_of(ssl, tgid);

	if (filter.n_ports)
		tls_forget_other(bpf_task_storage_get(&tls_threads, task, NULL, 0));
	if (t && t->is_memory)
		tls_shaken_drop(t->c.cookie);
	if (t &&
	    (t->is_over || (t->is_memory && !t->c.own_seq[SONDE_RX] && !t->c.own_seq[SONDE_TX])))
		tls_session_drop(ssl, tgid);
	else if (t)
		t->is_freed = 1;
}

/* Bytes asked for: an int, or a size. */
static __always_inline s64 tls_asked(const struct tls_args *a, u32 fn)
{
	if (fn == SONDE_TLS_HANDSHAKE)
		return 1;
	return fn == SONDE_TLS_READ_EX || fn == SONDE_TLS_WRITE_EX ? (s64)a->num : (s32)a->num;
}

/* Where the call puts how much it moved: the fourth argument, before which ssl_write_internal() of
 * OpenSSL 3.3 and later has flags, small numbers. 0: it returns it. */
static __always_inline u64 tls_length_at(const struct tls_args *a, u32 fn)
{
	if (fn != SONDE_TLS_READ_EX && fn != SONDE_TLS_WRITE_EX)
		return 0;
	return fn == SONDE_TLS_WRITE_EX && a->fourth < 4096 ? a->fifth : a->fourth;
}

/* The connection that the thread received on last, to be that of the call's object. */
static __always_inline struct tls_session *tls_bind_memory(const struct tls_thread *th, u32 tgid)
{
	struct tls_bond b = {
		.ssl = th->ssl,
		.cookie = th->rx_cookie,
		.established_ns = th->rx_established_ns,
		.attached_ns = th->attached_ns,
		.slot = th->rx_slot,
		.family = th->rx_family,
		.role = th->rx_role,
		.flags = th->rx_flags,
		.is_memory = 1,
	};

	return tls_bind(&b, tgid);
}

/* No operation nested in the call: it took what the thread received before. */
static __always_inline struct tls_session *tls_by_memory(struct tls_thread *th,
							 struct tls_session *t, u32 tgid)
{
	if (th->rx_is_used || !th->rx_cookie || th->rx_claim != th->ssl)
		return t;
	th->rx_is_used = 1;
	if (!t && !(th->rx_flags & CONN_TLS) && !th->rx_is_behind)
		t = tls_bind_memory(th, tgid);
	if (!t || !t->is_memory)
		return t;
	if (t->c.cookie != th->rx_cookie) {
		tls_session_drop(th->ssl, tgid); /* not certain any more */
		return NULL;
	}
	th->bound_ssl = th->ssl;
	th->bound_cookie = t->c.cookie;
	t->cipher_rx += th->rx_len;
	if (!t->arrival_ns)
		t->arrival_ns = th->rx_arrival_ns;
	return t;
}

/*
 * A handshake goes on, right after a receive: with what came, unless an operation nests in it, by
 * which it is bound anew. The first plaintext may have come together with the handshake's end and
 * be read when the thread has received on other connections.
 */
static __noinline void tls_shakes(struct tls_thread *th, u32 tgid)
{
	struct tls_session *t;
	struct tls_shaken s = { .ssl = th->ssl, .tgid = tgid };
	u64 cookie = th->rx_cookie;

	if (th->rx_is_used || !cookie || th->rx_claim != th->ssl || th->rx_flags & CONN_TLS)
		return;
	t = tls_session_of(th->ssl, tgid);
	if (t && !t->is_memory && !t->is_freed)
		return;
	th->rx_is_used = 1;
	if (th->rx_is_behind)
		return; /* the program lets receives wait: which of them this is for is not certain */
	if (t && !t->is_freed && t->c.cookie != cookie) {
		tls_session_drop(th->ssl, tgid); /* one of two receives was not for it */
		return;
	}
	if (!t || t->is_freed)
		t = tls_bind_memory(th, tgid);
	if (!t)
		return;
	t->cipher_rx += th->rx_len;
	t->arrival_ns = th->rx_arrival_ns;
	/* one that is gone operates no more, and nobody would take it out */
	if (!th->rx_is_over && bpf_map_update_elem(&tls_shaken, &cookie, &s, BPF_ANY))
		count(SONDE_CNT_NO_SHAKEN);
}

/* A call begins. False: nothing is to be learnt from its return. */
static __noinline bool tls_enter(const struct tls_args *a, u64 cookie)
{
	struct task_struct *task = bpf_get_current_task_btf();
	u32 fn = cookie & SONDE_TLS_FN_BITS, call = tls_call_of(fn);
	s64 num = tls_asked(a, fn);
	struct tls_thread *th;

	if (fn == SONDE_TLS_FREE) {
		tls_freed(a->ssl, task);
		return false;
	}
	if (!a->ssl || num <= 0 || tls_is_left_out(task->tgid))
		return false;
	th = bpf_task_storage_get(&tls_threads, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!th) {
		count(SONDE_CNT_NO_STORAGE);
		return false;
	}
	/* a write whose records were never seen to leave, nor its return watched */
	if (th->call == TLS_WRITE && !th->is_nested && !th->is_shared &&
	    (th->ssl != a->ssl || th->buf != a->buf || th->num != num))
		tls_unbound(task);
	tls_leave_off(th);
	if (fn == SONDE_TLS_HANDSHAKE) {
		tls_forget_other(th);
	} else if (tls_is_other(th, a->ssl, task->tgid)) {
		th->call = TLS_NONE;
		return false;
	}
	th->ssl = a->ssl;
	th->buf = a->buf;
	th->num = num > __INT_MAX__ ? __INT_MAX__ : num;
	th->length_at = tls_length_at(a, fn);
	th->attached_ns = cookie;
	th->call = call;
	th->done = 0;
	th->is_nested = 0;
	th->is_shared = !!(cookie & SONDE_TLS_SHARED);
	if (!th->rx_claim && !th->is_shared)
		th->rx_claim = a->ssl;
	if (call == TLS_HANDSHAKE && !th->is_shared)
		tls_shakes(th, task->tgid);
	th->since_ns = bpf_ktime_get_ns();
	th->stack = a->stack;
	if (HAS_RETURN_ON_STACK && call != TLS_READ)
		bpf_probe_read_user(&th->returns_to, sizeof(th->returns_to), (void *)a->stack);
	return call == TLS_READ || (call == TLS_WRITE && !th->is_shared);
}

/* How much the call that returns has moved; more than it was asked to: that cannot be read. */
static __always_inline u64 tls_moved(const struct tls_thread *th, s64 ret)
{
	u64 n = 0;

	if (ret <= 0)
		return 0;
	if (!th->length_at)
		return ret;
	if (bpf_probe_read_user(&n, sizeof(n), (void *)th->length_at))
		return ~0ULL;
	return n;
}

/* Of a read whose connection is not certain. With a filter of ports it is taken for one of those
 * observed if what the thread received last was. */
static __always_inline void tls_unbound_read(const struct tls_thread *th, struct task_struct *task)
{
	if (!filter.n_ports)
		tls_unbound(task);
	else if (th->rx_cookie && filter_wanted(task->tgid))
		count(SONDE_CNT_TLS_UNBOUND);
}

static __always_inline int tls_read_ends(struct tls_thread *th, s64 ret)
{
	struct task_struct *task = bpf_get_current_task_btf();
	u64 moved = tls_moved(th, ret);
	u32 n = moved, tgid = task->tgid;
	struct tls_session *t = tls_session_of(th->ssl, tgid);
	struct tls_text x = { .base = th->buf, .dir = SONDE_RX };

	if (moved > th->num) { /* of bytes that are not there, which is counted */
		n = th->num < TLS_CHUNK_MAX ? th->num : TLS_CHUNK_MAX;
		x.base = 0;
	}
	x.len = n;
	if (t && t->is_freed && (t->is_memory || th->is_shared))
		t = NULL; /* of an object that was at this address before */
	if (!th->is_nested && !th->is_shared)
		t = tls_by_memory(th, t, tgid);
	if (!n || (!t && th->is_shared))
		return 0;
	/* what came out of memory must have come in */
	if (t && t->is_memory &&
	    (u64)t->c.own_seq[SONDE_RX] + n + TLS_HEAD + TLS_EXPANSION_LEAST > t->cipher_rx)
		t = NULL;
	if (!t) {
		tls_unbound_read(th, task);
		return 0;
	}
	x.arrival_ns = t->arrival_ns;
	t->arrival_ns = 0;
	tls_tell_here(t, &x);
	return 0;
}

static __always_inline int tls_write_ends(struct tls_thread *th, s64 ret)
{
	struct task_struct *task = bpf_get_current_task_btf();
	u64 moved = tls_moved(th, ret);
	u32 n = moved < th->num ? moved : th->num;
	struct tls_session *t;
	struct tls_text x = { .base = th->buf + th->done, .dir = SONDE_TX };

	if (th->is_nested || th->is_shared)
		return 0;
	t = tls_session_of(th->ssl, task->tgid);
	if (t && t->is_freed)
		t = NULL; /* of an object that was at this address before */
	t = tls_by_memory(th, t, task->tgid);
	if (n <= th->done)
		return 0;
	x.len = n;
	x.start_ns = th->since_ns;
	x.sent_ns = bpf_ktime_get_ns();
	th->done = th->num;
	if (!t) {
		tls_unbound(task);
		return 0;
	}
	t->is_placed = 0; /* its records were not seen, and are no hole */
	t->is_deferred = !t->is_memory;
	tls_tell_here(t, &x);
	return 0;
}

static __noinline int tls_leave(s64 ret, u64 cookie)
{
	struct tls_thread *th =
		bpf_task_storage_get(&tls_threads, bpf_get_current_task_btf(), NULL, 0);
	u32 call = tls_call_of(cookie & SONDE_TLS_FN_BITS);

	if (!th || th->call != call)
		return 0;
	if (call == TLS_READ)
		tls_read_ends(th, ret);
	else
		tls_write_ends(th, ret);
	tls_leave_off(th);
	th->call = TLS_NONE;
	return 0;
}

#endif
