/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Records of TLS that left unseen: the kernel left the program out (hold.bpf.h), or they were sent
 * in a way that does not say their bytes. TCP's positions tell how much it was. What plaintext was
 * in them becomes a hole in its stream, so that nothing behind it is taken for something else.
 */
#ifndef TLS_UNSEEN_BPF_H
#define TLS_UNSEEN_BPF_H

#include "tls_thread.bpf.h"

/* RFC 8446, 5.1 and 5.2; RFC 5246, 6.2 */
enum {
	TLS_HEAD = 5,
	TLS_CHANGE_CIPHER_SPEC = 0x14,
	TLS_APPLICATION_DATA = 0x17,
	TLS_CHUNK_MAX = 16384,	 /* plaintext of a record */
	TLS_EXPANSION_LEAST = 8, /* what protection adds to it */
	TLS_EXPANSION_MAX = 2048,
};

/* A call ends, or another begins: a write whose end was not seen has left so much. */
static __always_inline void tls_leave_off(struct tls_thread *th)
{
	if (th->call != TLS_WRITE || th->done >= th->num)
		return;
	th->left = th->num - th->done;
	th->left_ssl = th->ssl;
}

/* All ciphertext before this position is accounted for. */
static __always_inline void tls_placed(struct tls_session *t, u32 at)
{
	t->tx_next = at;
	t->is_placed = 1;
}

/* Can records of so many bytes hold this plaintext? */
static __always_inline bool tls_holds(u32 unseen, u32 text)
{
	u32 records = text / TLS_CHUNK_MAX + 1;

	return unseen >= text + TLS_HEAD + TLS_EXPANSION_LEAST &&
	       unseen <= text + records * (TLS_HEAD + TLS_EXPANSION_MAX);
}

/* The plaintext of records of which all but the last are full; 0: what is added to each is not
 * known yet, so that there was none before. */
static __always_inline u32 tls_text_of(const struct tls_session *t, u32 unseen)
{
	u32 added = TLS_HEAD + t->expansion, full = TLS_CHUNK_MAX + added;
	u32 records = (unseen + full - 1) / full;

	if (!t->expansion || unseen <= records * added)
		return 0;
	return unseen - records * added;
}

/* What a write before the operation at hand has left. */
static __always_inline u32 tls_left(const struct tls_thread *th, const struct tls_session *t,
				    bool is_inside)
{
	if (th->call == TLS_WRITE && !is_inside && th->ssl == t->c.tls_ssl && th->done < th->num)
		return th->num - th->done;
	return th->left_ssl == t->c.tls_ssl ? th->left : 0;
}

static __always_inline void tls_forget_left(struct tls_thread *th, const struct tls_session *t)
{
	if (th->left_ssl == t->c.tls_ssl)
		th->left = 0;
}

static __always_inline void tls_hole(struct tls_thread *th, struct tls_session *t, u32 text, u32 at)
{
	if (text)
		__sync_fetch_and_add(&t->c.own_seq[SONDE_TX], text);
	tls_forget_left(th, t);
	tls_placed(t, at);
}

/* In a write under way, how much of what it was given has the hole taken? */
static __always_inline u32 tls_own_part(struct tls_thread *th, const struct tls_session *t,
					u32 unseen, u32 text)
{
	if (th->call != TLS_WRITE || th->ssl != t->c.tls_ssl)
		return 0;
	if (t->is_blocked && th->done < t->tx_done)
		th->done = t->tx_done;
	if (!text && tls_holds(unseen, TLS_CHUNK_MAX))
		text = TLS_CHUNK_MAX; /* its first record */
	if (!th->done && !th->goroutine && text % TLS_CHUNK_MAX)
		return 0; /* of another thread's write */
	return text < th->num - th->done ? text : 0;
}

/*
 * The connection sends at this position. Is it known where records begin, from here on? Global, as
 * tls_takes() is.
 */
__noinline int tls_make_up(struct tls_thread *th, struct tls_session *t, u32 at, u32 is_inside,
			   u32 is_begun)
{
	u32 unseen, rest, left, text, own;

	if (!th || !t)
		return is_begun;
	unseen = at - t->tx_next;
	if (!t->is_placed || t->is_apart || t->is_memory || t->is_deferred || unseen > __INT_MAX__)
		return is_begun || t->tx_left;
	/* of a record that was sent in part */
	rest = unseen < t->tx_left ? unseen : t->tx_left;
	t->tx_left -= rest;
	t->tx_next += rest;
	unseen -= rest;
	if (!unseen) {
		tls_forget_left(th, t); /* it was not sent: another call will try again */
		return is_begun || t->tx_left;
	}
	if (!is_begun)
		return 0; /* in the middle of one: by the next it is known how much of it there was */
	left = tls_left(th, t, is_inside);
	text = tls_text_of(t, unseen);
	if (left && tls_holds(unseen, left)) {
		tls_hole(th, t, left, at);
		return 1;
	}
	own = is_inside ? tls_own_part(th, t, unseen, text) : 0;
	th->done += own;
	tls_hole(th, t, own ?: text, at);
	return 1;
}

/* The connection receives, and its only thread has sent so far: has a write before left unseen as a
 * whole? Then what comes now came after it. */
static __always_inline void tls_make_up_before(struct tls_thread *th, struct tls_session *t, u32 at)
{
	u32 unseen = at - t->tx_next, left = tls_left(th, t, false);

	if (!t->is_placed || t->is_apart || t->is_memory || t->is_deferred ||
	    unseen > __INT_MAX__ || t->tx_left)
		return;
	if (left && tls_holds(unseen, left)) {
		tls_hole(th, t, left, at);
		if (th->call == TLS_WRITE)
			th->done = th->num;
	}
}

#endif
