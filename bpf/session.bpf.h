/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Plaintext streams of encrypted connections: found by the library's object, since a call that ends
 * has no socket at hand. */
#ifndef SESSION_BPF_H
#define SESSION_BPF_H

#include "sonde.bpf.h"

/* conn.tls */
enum { TLS_UNDECIDED, TLS_NO, TLS_YES };

struct tls_key {
	u64 ssl; /* address of the library's object for the connection */
	u64 tgid;
};

struct tls_session {
	struct conn c;	/* what the plaintext is to those who copy and steer: own_seq counts it */
	u64 arrival_ns; /* of the first ciphertext not yet read as plaintext; 0: none */
	u64 cipher_rx;	/* in memory: bytes received that can be in what was read */
	u32 tx_left;	/* of a record that was sent in part */
	u32 tx_done;	/* bytes told of the write that could not go on */
	u32 tx_next;	/* TCP's position behind the ciphertext that was seen leaving */
	u32 expansion;	/* what protection adds to a record, 0 not known */
	u8 is_blocked;	/* a write is to be tried again */
	u8 is_memory;	/* no operation nests in its calls */
	u8 is_over;	/* its connection is gone */
	u8 is_freed;	/* its object is gone */
	u8 is_shaking;	/* arrival_ns is of the handshake */
	u8 is_placed;	/* tx_next is known */
	u8 is_apart;	/* its library sends and receives in other calls than plaintext passes in */
	u8 is_within;	/* a record was sent within the call that was given its plaintext */
	u8 is_deferred; /* what a call was given was sent after its end, though reads nest theirs */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct tls_key);
	__type(value, struct tls_session);
} tls_sessions SEC(".maps") __weak;

/* Objects that shook hands in memory, by their connection's cookie, until it operates again and
 * learns its own, or either is gone. A thread may have begun many at once. One that finds no room
 * is counted: its connection learns its object when it is read from. */
struct tls_shaken {
	u64 ssl, tgid;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 4096);
	__type(key, u64);
	__type(value, struct tls_shaken);
} tls_shaken SEC(".maps") __weak;

static __always_inline void tls_shaken_drop(u64 cookie)
{
	bpf_map_delete_elem(&tls_shaken, &cookie);
}

static __always_inline struct tls_session *tls_session_of(u64 ssl, u32 tgid)
{
	struct tls_key key = { .ssl = ssl, .tgid = tgid };

	return bpf_map_lookup_elem(&tls_sessions, &key);
}

static __always_inline void tls_session_drop(u64 ssl, u32 tgid)
{
	struct tls_key key = { .ssl = ssl, .tgid = tgid };

	bpf_map_delete_elem(&tls_sessions, &key);
}

/* The session of a connection; NULL: it has none, or another has its object now. */
static __always_inline struct tls_session *tls_session_at(const struct conn *c)
{
	struct tls_session *t = c->tls_ssl ? tls_session_of(c->tls_ssl, c->tgid) : NULL;

	return t && t->c.cookie == c->cookie ? t : NULL;
}

#endif
