/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Plaintext of rustls. It is given to a connection and taken from it in calls that do no operation,
 * and each knows another part of the connection:
 *
 *     CommonState::send_some_plaintext(state, buf, n) = m   m bytes were accepted
 *     ChunkVecBuffer::write_to(state + a, socket)           at a place in it that its code says
 *        send(fd, ...)                                      which socket the state is of
 *        recv(fd, ...)                                      by whatever means
 *     Reader::read(reader -> state + b, buf, n) = m         at a place that nothing says
 *
 * Every connection sends before there is plaintext, so that by then its state is known by its
 * socket. Where in the state the reader points to is one and the same for all connections of a
 * program: it is learnt from the first that is read of what was just received. What does not fit
 * afterwards is counted, and given to none.
 */
#ifndef RUST_TLS_BPF_H
#define RUST_TLS_BPF_H

#include "tls_calls.bpf.h"

enum {
	RUST_STATE_MAX = 1024,	  /* no part of a state is as far within it */
	RUST_TEXT_MAX = 64 << 20, /* nobody reads or writes as much at a time */
	RUST_FILES_MAX = 256,
};

/* By when a file was attached to: where in a state its readers point to. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, RUST_FILES_MAX);
	__type(key, u64);
	__type(value, u64);
} rust_readers SEC(".maps");

/* A call begins. False: nothing is to be learnt from its return. */
static __noinline bool rust_enter(const struct tls_args *a, u64 cookie)
{
	struct task_struct *task = bpf_get_current_task_btf();
	u32 fn = cookie & SONDE_TLS_FN_BITS;
	struct tls_thread *th;

	if (tls_is_left_out(task->tgid))
		return false;
	th = bpf_task_storage_get(&tls_threads, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!th) {
		count(SONDE_CNT_NO_STORAGE);
		return false;
	}
	th->attached_ns = cookie;
	th->ssl = a->ssl;
	th->buf = a->buf;
	th->num = th->done = 0;
	th->is_nested = th->is_shared = 0;
	th->since_ns = bpf_ktime_get_ns();
	th->stack = a->stack;
	if (fn == SONDE_TLS_HANDSHAKE) {
		th->call = TLS_SENDS;
		th->ssl = (cookie & SONDE_TLS_RUST_MEMORY ? a->buf : a->ssl) -
			  SONDE_TLS_RUST_PLACE(cookie);
		bpf_probe_read_user(&th->returns_to, sizeof(th->returns_to), (void *)a->stack);
		return false;
	}
	if (fn == SONDE_TLS_READ && cookie & SONDE_TLS_RUST_MEMORY) {
		th->length_at = a->ssl;
		th->ssl = a->buf;
		th->buf = a->num;
	}
	th->call = fn == SONDE_TLS_READ ? TLS_TAKES_TEXT : TLS_GIVES_TEXT;
	return true;
}

/* The state that this reader is of; 0: not certain. */
static __always_inline u64 rust_state_of(const struct tls_thread *th, u64 points_to, u32 tgid)
{
	u64 file = th->attached_ns & ~(u64)SONDE_TLS_COOKIE_BITS, place = points_to - th->rx_ssl;
	bool is_likely = th->rx_ssl && place < RUST_STATE_MAX && !(place & 7);
	u64 *known = bpf_map_lookup_elem(&rust_readers, &file);

	if (known && tls_session_of(points_to - *known, tgid))
		return points_to - *known;
	if (known && is_likely)
		bpf_map_delete_elem(&rust_readers, &file); /* one of the two is wrong */
	if (known || !is_likely)
		return 0;
	bpf_map_update_elem(&rust_readers, &file, &place, BPF_ANY);
	return th->rx_ssl;
}

static __always_inline void rust_tell(u64 state, struct task_struct *task, struct tls_text *x)
{
	struct tls_session *t = state ? tls_session_of(state, task->tgid) : NULL;

	if (!t || !t->is_apart) {
		tls_unbound(task);
		return;
	}
	if (x->dir == SONDE_RX) {
		x->arrival_ns = t->arrival_ns;
		t->arrival_ns = 0;
		t->is_shaking = 0;
	}
	tls_tell_here(t, x);
}

/* Result<usize> is in two registers, or where the caller said: a word that is 0, and the length. */
static __always_inline void rust_took(const struct tls_thread *th, struct task_struct *task,
				      u64 result, u64 n, u64 cookie)
{
	u64 put[2] = { 1 }, points_to = 0;
	struct tls_text x = { .base = th->buf, .dir = SONDE_RX };

	if (cookie & SONDE_TLS_RUST_MEMORY) {
		if (bpf_probe_read_user(put, sizeof(put), (void *)th->length_at))
			count(SONDE_CNT_FAULT);
		result = put[0];
		n = put[1];
	}
	if (result || !n || n > RUST_TEXT_MAX)
		return;
	x.len = n;
	bpf_probe_read_user(&points_to, sizeof(points_to), (void *)th->ssl);
	rust_tell(rust_state_of(th, points_to, task->tgid), task, &x);
}

static __always_inline void rust_gave(const struct tls_thread *th, struct task_struct *task, u64 n)
{
	struct tls_text x = {
		.base = th->buf,
		.dir = SONDE_TX,
		.start_ns = th->since_ns,
		.sent_ns = bpf_ktime_get_ns(),
	};

	if (!n || n > RUST_TEXT_MAX)
		return;
	x.len = n;
	rust_tell(th->ssl, task, &x);
}

static __noinline int rust_leave(u64 first, u64 second, u64 cookie)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct tls_thread *th = bpf_task_storage_get(&tls_threads, task, NULL, 0);
	bool is_read = (cookie & SONDE_TLS_FN_BITS) == SONDE_TLS_READ;

	if (!th || th->call != (is_read ? TLS_TAKES_TEXT : TLS_GIVES_TEXT))
		return 0;
	if (is_read)
		rust_took(th, task, first, second, cookie);
	else
		rust_gave(th, task, first);
	th->call = TLS_NONE;
	return 0;
}

#endif
