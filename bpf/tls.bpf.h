/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Plaintext of encrypted connections, from the calls of TLS libraries. Which socket a plaintext
 * belongs to is told by the socket operation nested in the call, on the same thread:
 *
 *     SSL_write(ssl, buf, n)            entry: what is about to be written
 *        send(fd, 17 03 03 LL LL ...)   a record of application data: so much of it, and this socket
 *     SSL_read(ssl, buf, n)             entry
 *        recv(fd, ...)                  this socket
 *     = m                               return: what was read
 *
 * A write needs its entry alone, for it has succeeded as far as its records were sent; that it is
 * still under way is told by its return address, which lies untouched on the stack. Programs that
 * take records from memory nest no operation: there the receive that the thread did last before the
 * call is the one, and what was written is taken when the call returns; for those alone the return
 * of a write is watched.
 *
 * Positions in plaintext are running counts. Plaintext whose socket is not certain is counted, and
 * given to none.
 *
 * Not a file of its own for the compiler: bpftool can link only one object that calls kernel
 * functions.
 */
#ifndef TLS_BPF_H
#define TLS_BPF_H

#include "tls_others.bpf.h"
#include "tls_tell.bpf.h"

enum {
	TLS_TRIES = 16, /* operations of a connection that may come before its first record */
};

static __always_inline u32 tls_record_len(const u8 *head)
{
	u32 len = head[3] << 8 | head[4];

	if (head[0] < TLS_CHANGE_CIPHER_SPEC || head[0] > TLS_APPLICATION_DATA || head[1] != 3 ||
	    head[2] > 4 || len > TLS_CHUNK_MAX + TLS_EXPANSION_MAX)
		return 0;
	return len;
}

/* Where the operation's first bytes are in the process. */
static __noinline u64 tls_base(const struct op *op, struct pt_regs *regs)
{
	struct user_bytes ub = {};
	struct iovec iov;

	user_bytes_of(op, regs, &ub);
	if (!ub.n_iov)
		return ub.base;
	if (bpf_probe_read_user(&iov, sizeof(iov), (void *)ub.base))
		return 0;
	return (u64)iov.iov_base;
}

/* How much of a write's plaintext is in this record. 0: it is none of the write's. */
static __always_inline u32 tls_chunk(const struct tls_thread *th, const struct tls_session *t,
				     u32 record, u64 record_at)
{
	u32 chunk = th->num - th->done, added = t ? t->expansion : 0;

	if (chunk > TLS_CHUNK_MAX)
		chunk = TLS_CHUNK_MAX;
	if (th->goroutine) {
		added = go_expansion(th->ssl, record_at, record);
		if (added)
			return record > added && record - added <= chunk ? record - added : 0;
	}
	/* smaller pieces than the standard's were agreed on: what is added to each is known by then
	 */
	if (record < chunk + TLS_EXPANSION_LEAST && added && record > added)
		chunk = record - added;
	if (record < chunk + TLS_EXPANSION_LEAST || record > chunk + TLS_EXPANSION_MAX)
		return 0;
	return chunk;
}

/* A record was sent within a write: which part of the plaintext it has in it. */
static __noinline void tls_sent(struct tls_thread *th, struct conn *c, const struct op *op,
				const u8 *head, struct tls_text *x)
{
	u32 record = tls_record_len(head), chunk;
	struct tls_session *t = NULL;

	if (c->tls_ssl == th->ssl)
		t = tls_session_at(c);
	if (t && t->is_deferred)
		return; /* a record of an earlier call: the return of this one tells */
	if (t && (t->tx_left || t->is_blocked)) {
		/* tried again, the library goes on where it stopped */
		if (th->done < t->tx_done)
			th->done = t->tx_done;
		th->is_nested = 1;
		t->is_blocked = 0;
	}
	if (t && t->tx_left) {
		t->tx_left -= op->len < t->tx_left ? op->len : t->tx_left;
		if (!t->tx_left && th->done >= th->num)
			th->call = TLS_NONE;
		return;
	}
	if (t && !record)
		th->is_nested = 1; /* the kernel encrypts: it is told of as what it is */
	if (head[0] != TLS_APPLICATION_DATA || !record || th->done >= th->num)
		return;
	chunk = tls_chunk(th, t, record, x->base);
	if (!chunk)
		return;
	t = tls_bound(th, c, bpf_get_current_pid_tgid() >> 32);
	if (!t)
		return;
	c->flags |= CONN_TLS;
	x->base = th->buf + th->done;
	x->len = chunk;
	th->is_nested = 1;
	th->done += chunk;
	t->is_within = 1;
	t->expansion = record - chunk;
	t->tx_done = th->done;
	t->tx_left = op->len < TLS_HEAD + record ? TLS_HEAD + record - op->len : 0;
	if (!t->tx_left && th->done >= th->num)
		th->call = TLS_NONE;
}

/* An object shook hands with what was received on it. */
static __always_inline void tls_learn_shaken(struct conn *c)
{
	u64 cookie = c->cookie;
	struct tls_shaken *s = bpf_map_lookup_elem(&tls_shaken, &cookie);
	struct tls_session *t;

	if (!s)
		return;
	t = tls_session_of(s->ssl, s->tgid);
	if (t && t->is_memory && t->c.cookie == cookie) {
		c->tls_ssl = s->ssl;
		c->tls_is_memory = 1;
		c->tgid = s->tgid;
	}
	tls_shaken_drop(cookie);
}

/* The connection learns what its plaintext was bound by. */
static __always_inline void tls_learn(const struct tls_thread *th, struct conn *c)
{
	struct tls_session *t;

	if (th->bound_ssl && th->bound_cookie == c->cookie) {
		c->tls_ssl = th->bound_ssl;
		c->tls_is_memory = !th->goroutine;
		c->flags |= CONN_TLS;
	}
	if (c->flags & CONN_TLS)
		return;
	tls_learn_shaken(c);
	t = tls_session_at(c);
	if (t && (t->is_apart || t->is_memory) && t->c.own_seq[SONDE_TX] + t->c.own_seq[SONDE_RX])
		c->flags |= CONN_TLS;
}

/* What a library has of a plaintext it hands out before it asks for more: what came with the
 * handshake's end is over by then. */
static __always_inline void tls_arrived(struct tls_session *t, u64 arrival_ns)
{
	if (!t->arrival_ns || t->is_shaking)
		t->arrival_ns = arrival_ns ?: bpf_ktime_get_ns();
	if (!t->is_apart)
		t->is_shaking = 0;
}

/* Ciphertext came: for the read under way, or for one that takes it from memory. True: it need not
 * be told. */
static __always_inline bool tls_received(struct tls_thread *th, struct conn *c, const struct op *op,
					 struct task_struct *task, struct pt_regs *regs,
					 const u8 *head)
{
	struct tls_session *t = NULL;
	u64 arrival = 0;
	u32 tgid = task->tgid;

	if (c->tls_ssl && is_alone(task)) {
		t = tls_session_at(c);
		if (t)
			tls_make_up_before(th, t, op->other_seq);
		t = NULL;
	}
	if (c->flags & CONN_TLS && !is_syscall_tier)
		arrival = rx_arrival(c, NULL, op->seq, op->seq + op->len);
	if (th->call == TLS_READ) {
		th->is_nested = 1;
		if (c->flags & CONN_TLS && c->tls_ssl == th->ssl)
			t = tls_session_at(c);
		if (!t && tls_record_len(head) && head[0] == TLS_APPLICATION_DATA) {
			t = tls_bound(th, c, tgid);
			c->flags |= CONN_TLS;
			if (!is_syscall_tier)
				arrival = rx_arrival(c, NULL, op->seq, op->seq + op->len);
		}
		if (t) {
			t->is_memory = c->tls_is_memory = 0;
			tls_arrived(t, arrival);
		}
		return c->flags & CONN_TLS;
	}
	if (th->call == TLS_HANDSHAKE && tls_is_inside(th, regs)) {
		t = tls_bound(th, c, tgid);
		/* the first plaintext may be in what was read with the handshake's end */
		if (t) {
			t->arrival_ns = bpf_ktime_get_ns();
			t->is_shaking = 1;
		}
		return c->flags & CONN_TLS;
	}
	tls_learn(th, c);
	th->rx_ssl = c->tls_ssl;
	if (c->tls_ssl && !c->tls_is_memory) {
		t = tls_session_at(c);
		if (t)
			tls_arrived(t, arrival);
		return c->flags & CONN_TLS;
	}
	if (th->rx_cookie != c->cookie)
		th->rx_is_behind = th->rx_cookie && !th->rx_claim;
	if (th->rx_cookie != c->cookie || th->rx_is_used) {
		th->rx_arrival_ns = arrival ?: bpf_ktime_get_ns();
		th->rx_len = 0;
		th->rx_claim = 0;
	}
	th->rx_cookie = c->cookie;
	th->rx_established_ns = c->established_ns;
	th->rx_len += op->len;
	th->rx_slot = c->slot;
	th->rx_fd = CALL_ARG1(regs);
	th->rx_family = c->family;
	th->rx_role = c->role;
	th->rx_flags = c->flags;
	th->rx_is_over = c->is_over;
	th->rx_is_used = 0;
	return c->flags & CONN_TLS;
}

static __always_inline void tls_mirror(struct conn *c, const struct tls_session *t)
{
	c->own_seq[SONDE_TX] = t->c.own_seq[SONDE_TX];
	c->own_seq[SONDE_RX] = t->c.own_seq[SONDE_RX];
}

/* What the kernel knows of when a send began and ended, as capture() has it. */
static __always_inline void tls_send_times(struct tls_text *x, const struct op *op)
{
	u64 now = bpf_ktime_get_ns();

	x->start_ns = op->start_ns ?: op->wstamp_ns && op->wstamp_ns < now ? op->wstamp_ns : now;
	x->sent_ns = now;
	if (op->is_sent && op->wstamp_ns < now)
		x->sent_ns = op->wstamp_ns > x->start_ns ? op->wstamp_ns : x->start_ns;
}

/* Global, as those in syscall.bpf.h are: the verifier walks it once. */
__noinline int tls_takes(struct op *op, struct conn *c)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
	u8 head[TLS_HEAD] = {};
	struct tls_session *t;
	struct tls_thread *th;
	struct tls_text *x;
	struct scratch *s;
	u32 dir, at, is_begun;
	bool is_inside;

	if (!op || !c)
		return TLS_LEAVES;
	dir = op->dir & 1;
	at = bpf_get_smp_processor_id() * 2 + dir;
	s = bpf_map_lookup_elem(&scratches, &at);
	if (!s)
		return TLS_LEAVES;
	x = &s->text;
	__builtin_memset(x, 0, sizeof(*x));
	x->dir = dir;
	x->goroutine = go_seen ? goroutine_of(task) : 0;
	if (!op->len) {
		t = c->flags & CONN_TLS ? tls_session_at(c) : NULL;
		if (t)
			tls_tell(s, t, x);
		return c->flags & CONN_TLS ? TLS_TAKES : TLS_LEAVES;
	}
	if (!(c->flags & CONN_TLS) || dir == SONDE_TX) {
		x->base = tls_base(op, regs);
		bpf_probe_read_user(head, sizeof(head), (void *)x->base);
	}
	if (c->tls != TLS_YES) {
		if (!tls_record_len(head)) {
			/* answers to CONNECT are read byte by byte, as what follows is not theirs */
			if (op->len >= TLS_HEAD && ++c->tls_tries >= TLS_TRIES)
				c->tls = TLS_NO;
			return TLS_LEAVES;
		}
		c->tls = TLS_YES;
	}
	if (!(c->flags & CONN_OPENED))
		return TLS_DESCRIBE;
	th = tls_at_work(task, x->goroutine, dir == SONDE_RX);
	if (!th)
		return c->flags & CONN_TLS ? TLS_TAKES : TLS_LEAVES;
	tls_forget_other(th);
	if (dir == SONDE_RX)
		return tls_received(th, c, op, task, regs, head) ? TLS_TAKES : TLS_LEAVES;
	tls_learn(th, c);
	is_inside = th->call && tls_is_inside(th, regs);
	if (th->call == TLS_HANDSHAKE && !c->tls_ssl && is_inside)
		tls_bound(th, c, task->tgid);
	if (th->call == TLS_SENDS && is_inside)
		tls_apart(th, c, task->tgid);
	t = tls_session_at(c);
	is_begun = tls_record_len(head);
	if (t)
		is_begun = tls_make_up(th, t, op->seq, is_inside, is_begun);
	if (th->call == TLS_WRITE && is_inside)
		tls_sent(th, c, op, head, x);
	t = tls_session_at(c);
	if (t && is_begun)
		tls_placed(t, op->seq + op->len);
	if (t && x->len) {
		tls_send_times(x, op);
		tls_tell(s, t, x);
	}
	if (t)
		tls_mirror(c, t);
	return c->flags & CONN_TLS ? TLS_TAKES : TLS_LEAVES;
}

/* An operation that moved nothing: the read it was nested in was no read of memory; the write will
 * be tried again. */
static __always_inline void tls_failed(u32 dir, const struct conn *c)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct tls_thread *th;
	struct tls_session *t;

	if (!is_tls_wanted)
		return;
	th = tls_at_work(task, go_seen ? goroutine_of(task) : 0, false);
	if (!th || th->call == TLS_NONE)
		return;
	if (dir == SONDE_RX) {
		th->is_nested = 1;
		return;
	}
	t = c && c->tls_ssl == th->ssl ? tls_session_at(c) : NULL;
	if (t && th->call == TLS_WRITE && !t->is_deferred) {
		th->is_nested = 1;
		/* tried once more in vain, it stands where it stood */
		if (!(t->is_blocked || t->tx_left) || th->done > t->tx_done)
			t->tx_done = th->done;
		t->is_blocked = 1;
	}
}

#endif
