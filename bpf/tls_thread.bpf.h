/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Who is in a call of a TLS library: a thread, or in Go a goroutine, which another thread may go on
 * with before the call is over.
 */
#ifndef TLS_THREAD_BPF_H
#define TLS_THREAD_BPF_H

#include "capture.bpf.h"

enum tls_call {
	TLS_NONE,
	TLS_READ,
	TLS_WRITE,
	TLS_HANDSHAKE,
	TLS_SENDS, /* of libraries that do so in other calls than those that plaintext passes in: */
	TLS_TAKES_TEXT,
	TLS_GIVES_TEXT,
};

/* What it is doing, and the encrypted receive that it did last. */
struct tls_thread {
	u64 ssl; /* of the call under way, or of the write that was last */
	u64 buf;
	u64 length_at; /* where the call puts how much it moved; 0: it returns it */
	u64 attached_ns;
	u64 since_ns;
	u64 goroutine; /* it does the call, by whatever thread; 0: the thread does */
	u64 stack; /* where the return address is; of goroutines: how far below the stack's end */
	u64 returns_to;
	u32 call;
	u32 num;  /* bytes asked for */
	u32 done; /* of a write: bytes told of */
	u16 is_nested;
	u16 is_shared; /* SONDE_TLS_SHARED */
	u64 rx_cookie;
	u64 rx_established_ns;
	u64 rx_arrival_ns;
	u32 rx_slot;
	u32 rx_len;
	u8 rx_family, rx_role, rx_flags;
	u8 rx_is_used; /* a call followed it */
	u32 rx_fd;
	u64 rx_claim;  /* the object of the first call that followed it */
	u64 bound_ssl; /* bound by such a receive: the connection learns it at its next operation */
	u64 bound_cookie;
	u64 rx_ssl;   /* of the connection that it received on last; 0: not known */
	u64 left_ssl; /* a write before this call did not seem to end: whose, and how much was left */
	u32 left;
	u32 rx_is_over;	  /* that connection is gone, and what it had left was received */
	u64 rx_is_behind; /* no call followed the receive before, on another connection */
	u64 other_ssl;	  /* of a connection that is not observed: see tls_others.bpf.h */
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct tls_thread);
} tls_threads SEC(".maps");

struct go_key {
	u64 goroutine;
	u64 tgid;
};

/* A goroutine's g is used again for another when it ends: there are as many as were ever at work at
 * a time. The one that called least recently goes. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct go_key);
	__type(value, struct tls_thread);
} tls_goroutines SEC(".maps");

static const struct tls_thread tls_idle; /* too large for a stack */

static __always_inline struct tls_thread *tls_of_goroutine(u64 goroutine, u32 tgid, bool is_made)
{
	struct go_key key = { .goroutine = goroutine, .tgid = tgid };
	struct tls_thread *th = bpf_map_lookup_elem(&tls_goroutines, &key);

	if (th || !is_made)
		return th;
	bpf_map_update_elem(&tls_goroutines, &key, &tls_idle, BPF_ANY);
	th = bpf_map_lookup_elem(&tls_goroutines, &key);
	if (th)
		th->goroutine = goroutine;
	return th;
}

static __always_inline struct tls_thread *tls_at_work(struct task_struct *task, u64 goroutine,
						      bool is_made)
{
	if (goroutine)
		return tls_of_goroutine(goroutine, task->tgid, is_made);
	return bpf_task_storage_get(&tls_threads, task, NULL,
				    is_made ? BPF_LOCAL_STORAGE_GET_F_CREATE : 0);
}

#endif
