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

#include "go_conn.bpf.h"
#include "tls_thread.bpf.h"

/* RFC 8446, 5.1 and 5.2; RFC 5246, 6.2 */
enum {
	TLS_HEAD = 5,
	TLS_CHANGE_CIPHER_SPEC = 0x14,
	TLS_APPLICATION_DATA = 0x17,
	TLS_CHUNK_MAX = 16384,	 /* plaintext of a record */
	TLS_EXPANSION_LEAST = 8, /* what protection adds to it */
	TLS_EXPANSION_MAX = 2048,
	TLS_TRIES = 16, /* operations of a connection that may come before its first record */
};

/* Never written: what a connection's plaintext begins as. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct tls_session);
} tls_blanks SEC(".maps");

/* For uprobes, which may lose their CPU to another thread that runs one: who takes it owns it. */
enum { TLS_SCRATCH_TRIES = 4 };

struct tls_scratch {
	struct scratch s;
	u32 is_taken;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TLS_SCRATCH_TRIES); /* and the number of CPUs, set at load */
	__type(key, u32);
	__type(value, struct tls_scratch);
} tls_scratches SEC(".maps");

/* The attach cookie, without the low bits, of what is being attached to at the moment; and until
 * when attaching to something has taken longer than its cookie says. Written by user space. */
__u64 tls_attaching;
__u64 tls_unsure_until_ns;

static __always_inline u32 tls_record_len(const u8 *head)
{
	u32 len = head[3] << 8 | head[4];

	if (head[0] < TLS_CHANGE_CIPHER_SPEC || head[0] > TLS_APPLICATION_DATA || head[1] != 3 ||
	    head[2] > 4 || len > TLS_CHUNK_MAX + TLS_EXPANSION_MAX)
		return 0;
	return len;
}

/* --- who belongs to whom --- */

struct tls_bond {
	u64 ssl, cookie, established_ns, attached_ns;
	u32 slot;
	u8 family, role, flags, is_memory;
};

/* Was the library watched before the connection was there? Then it is known from its first byte. */
static __always_inline bool tls_is_fresh(const struct tls_bond *b)
{
	return b->flags & CONN_FRESH && b->established_ns > b->attached_ns &&
	       b->established_ns > tls_unsure_until_ns &&
	       (b->attached_ns & ~(u64)SONDE_TLS_COOKIE_BITS) != tls_attaching;
}

static __noinline struct tls_session *tls_bind(const struct tls_bond *b, u32 tgid)
{
	struct tls_key key = { .ssl = b->ssl, .tgid = tgid };
	struct tls_session *t, *blank;
	u32 zero = 0;

	blank = bpf_map_lookup_elem(&tls_blanks, &zero);
	if (!blank || bpf_map_update_elem(&tls_sessions, &key, blank, BPF_ANY)) {
		count(SONDE_CNT_NO_STORAGE);
		return NULL;
	}
	t = bpf_map_lookup_elem(&tls_sessions, &key);
	if (!t)
		return NULL;
	t->c.cookie = b->cookie;
	t->c.slot = b->slot;
	t->c.role = b->role;
	t->c.family = b->family;
	t->c.tgid = tgid;
	t->c.last_dir = 2; /* neither */
	t->c.flags = CONN_OWN_SEQ | CONN_OPENED | CONN_TLS;
	if (tls_is_fresh(b))
		t->c.flags |= CONN_FRESH;
	t->is_memory = b->is_memory;
	return t;
}

/* The session of the call under way, bound to this connection: now, if it was not. */
static __noinline struct tls_session *tls_bound(const struct tls_thread *th, struct conn *c,
						u32 tgid)
{
	struct tls_session *t = tls_session_of(th->ssl, tgid);

	if (!t || t->c.cookie != c->cookie) {
		struct tls_bond b = {
			.ssl = th->ssl,
			.cookie = c->cookie,
			.established_ns = c->established_ns,
			.attached_ns = th->attached_ns,
			.slot = c->slot,
			.family = c->family,
			.role = c->role,
			.flags = c->flags,
		};

		t = tls_bind(&b, tgid);
		if (!t)
			return NULL;
	}
	t->is_memory = 0;
	c->tls_ssl = th->ssl;
	c->tls_is_memory = 0;
	c->tgid = tgid;
	return t;
}

/* Is the operation at hand part of the call? Of reads the return is watched. */
static __always_inline bool tls_is_inside(const struct tls_thread *th, struct pt_regs *regs)
{
	u64 returns_to = 0, page;

	if (th->call == TLS_READ)
		return true;
	if (th->goroutine)
		return go_is_inside(th, regs);
	if (STACK_OF(regs) >= th->stack)
		return false;
	if (!HAS_RETURN_ON_STACK)
		return true;
	bpf_probe_read_user(&returns_to, sizeof(returns_to), (void *)th->stack);
	if (returns_to == th->returns_to)
		return true;
	/* its return is watched, by whomever: then it leads to the kernel's own page */
	page = BPF_CORE_READ(bpf_get_current_task_btf(), mm, uprobes_state.xol_area, vaddr);
	return page && returns_to >> 12 == page >> 12;
}

/* The first record of a library that is given plaintext apart from sending it. Whoever called
 * before may have left its return address on the stack: it is believed of one operation. */
static __always_inline void tls_apart(struct tls_thread *th, struct conn *c, u32 tgid)
{
	struct tls_session *t = c->tls_ssl ? NULL : tls_bound(th, c, tgid);

	th->call = TLS_NONE;
	if (t)
		t->is_apart = t->is_shaking = 1;
}

/* --- telling --- */

/* Global: as tls_takes(). */
__noinline int tls_tell(struct scratch *s, struct tls_session *t, struct tls_text *x)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct sonde_ev_data *ev;
	u32 from, want, dir;
	struct conn *c;

	if (!s || !t || !x)
		return 0;
	ev = &s->ev;
	c = &t->c;
	dir = x->dir & 1;
	rest_begin(s, dir, x->base);
	ev->h.kind = SONDE_EV_DATA;
	ev->h.flags = SONDE_F_TLS | (c->flags & CONN_FRESH ? SONDE_F_TLS_FRESH : 0) |
		      (is_alone(task) ? SONDE_F_ALONE : 0);
	ev->h.ts_ns = bpf_ktime_get_ns();
	ev->dir = dir;
	ev->seq = __sync_fetch_and_add(&c->own_seq[dir], x->len);
	ev->other_seq = c->own_seq[!dir];
	ev->len = x->len;
	ev->copied = ev->tail = 0;
	ev->start_ns = x->start_ns;
	ev->sent_ns = x->sent_ns;
	ev->arrival_ns = x->arrival_ns;
	if (!x->len)
		ev->h.flags |= SONDE_F_EOF | SONDE_F_NO_BYTES;
	if (!obey_verdict(ev, c, &from, &want, &s->whole)) {
		c->skipped_ns[dir] = ev->h.ts_ns;
		count(SONDE_CNT_SKIPPED);
		return 0;
	}
	ev->cookie = c->cookie;
	ev->slot = c->slot;
	ev->lost = c->lost[dir];
	ev->skipped_ns = c->skipped_ns[dir];
	if (ev->skipped_ns)
		ev->h.flags |= SONDE_F_SKIPPED;
	ev->tgid = task->tgid;
	ev->tid = task->pid;
	ev->reserved = 0;
	ev->goroutine = x->goroutine;
	ev->syscall = 0;
	read_sched(task, ev->h.ts_ns, &ev->sched);
	s->rest.is_followed = is_followed(ev, c, from);
	if (want && !s->rest.is_followed && copy_buffer(s, x->base, from, want, x->len)) {
		ev->h.flags |= SONDE_F_FAULT;
		ev->copied = ev->tail = 0;
		count(SONDE_CNT_FAULT);
	}
	submit_whole(s, c, from, true);
	return 0;
}

/* --- socket operations of connections that look encrypted --- */

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
	t->expansion = record - chunk;
	t->tx_done = th->done;
	t->tx_left = op->len < TLS_HEAD + record ? TLS_HEAD + record - op->len : 0;
	if (!t->tx_left && th->done >= th->num)
		th->call = TLS_NONE;
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
	if (c->flags & CONN_TLS || !c->tls_ssl)
		return;
	t = tls_session_at(c);
	if (t && t->is_apart && t->c.own_seq[SONDE_TX] + t->c.own_seq[SONDE_RX])
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
	u32 dir, at;

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
			if (++c->tls_tries >= TLS_TRIES)
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
	if (dir == SONDE_RX)
		return tls_received(th, c, op, task, regs, head) ? TLS_TAKES : TLS_LEAVES;
	tls_learn(th, c);
	if (th->call == TLS_HANDSHAKE && !c->tls_ssl && tls_is_inside(th, regs))
		tls_bound(th, c, task->tgid);
	if (th->call == TLS_SENDS && tls_is_inside(th, regs))
		tls_apart(th, c, task->tgid);
	if (th->call == TLS_WRITE && tls_is_inside(th, regs))
		tls_sent(th, c, op, head, x);
	t = tls_session_at(c);
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
	if (t && th->call == TLS_WRITE) {
		th->is_nested = 1;
		/* tried once more in vain, it stands where it stood */
		if (!(t->is_blocked || t->tx_left) || th->done > t->tx_done)
			t->tx_done = th->done;
		t->is_blocked = 1;
	}
}

/* --- calls of the library --- */

static __noinline void tls_tell_here(struct tls_session *t, struct tls_text *x)
{
	bool is_held = cpu_hold(bpf_get_current_task_btf());
	u32 cpu = bpf_get_smp_processor_id();

	for (u32 i = 0; i < TLS_SCRATCH_TRIES; i++) {
		u32 at = cpu + i;
		struct tls_scratch *s = bpf_map_lookup_elem(&tls_scratches, &at);

		if (!s || __sync_lock_test_and_set(&s->is_taken, 1))
			continue;
		tls_tell(&s->s, t, x);
		__sync_lock_test_and_set(&s->is_taken, 0);
		cpu_release(is_held);
		return;
	}
	cpu_release(is_held);
	count(SONDE_CNT_TLS_UNBOUND);
}

static __always_inline void tls_unbound(struct task_struct *task)
{
	if (!filter.n_ports && filter_wants(task->tgid, task, NULL))
		count(SONDE_CNT_TLS_UNBOUND);
}

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
static __always_inline void tls_freed(u64 ssl, u32 tgid)
{
	struct tls_session *t = tls_session_of(ssl, tgid);

	if (t && t->is_over)
		tls_session_drop(ssl, tgid);
	else if (t)
		t->is_freed = 1;
}

/* A process that the filter has spoken against is let alone. */
static __always_inline bool tls_is_left_out(u32 tgid)
{
	u32 *known;

	if (tgid == self_tgid || !filter_has_pid(tgid))
		return true;
	known = bpf_map_lookup_elem(&processes, &tgid);
	if (known && *known & SONDE_P_OUTSIDE)
		return true;
	return known && (*known & (SONDE_P_DECIDED | SONDE_P_OBSERVED)) == SONDE_P_DECIDED;
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

/* A call begins. False: nothing is to be learnt from its return. */
static __noinline bool tls_enter(const struct tls_args *a, u64 cookie)
{
	struct task_struct *task = bpf_get_current_task_btf();
	u32 fn = cookie & SONDE_TLS_FN_BITS, call = tls_call_of(fn);
	s64 num = tls_asked(a, fn);
	struct tls_thread *th;

	if (fn == SONDE_TLS_FREE) {
		tls_freed(a->ssl, task->tgid);
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
	th->since_ns = bpf_ktime_get_ns();
	th->stack = a->stack;
	if (HAS_RETURN_ON_STACK && call != TLS_READ)
		bpf_probe_read_user(&th->returns_to, sizeof(th->returns_to), (void *)a->stack);
	return call == TLS_READ || (call == TLS_WRITE && !th->is_shared);
}

/* How much the call that returns has moved. */
static __always_inline u64 tls_moved(const struct tls_thread *th, s64 ret)
{
	u64 n = 0;

	if (ret <= 0)
		return 0;
	if (!th->length_at)
		n = ret;
	else
		bpf_probe_read_user(&n, sizeof(n), (void *)th->length_at);
	return n > th->num ? th->num : n;
}

/* No operation nested in the call: it took what the thread received before. */
static __always_inline struct tls_session *tls_by_memory(struct tls_thread *th,
							 struct tls_session *t, u32 tgid)
{
	if (th->rx_is_used || !th->rx_cookie || th->rx_claim != th->ssl)
		return t;
	th->rx_is_used = 1;
	if (!t && !(th->rx_flags & CONN_TLS)) {
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

		t = tls_bind(&b, tgid);
	}
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

static __always_inline int tls_read_ends(struct tls_thread *th, s64 ret)
{
	struct task_struct *task = bpf_get_current_task_btf();
	u32 n = tls_moved(th, ret), tgid = task->tgid;
	struct tls_session *t = tls_session_of(th->ssl, tgid);
	struct tls_text x = { .base = th->buf, .len = n, .dir = SONDE_RX };

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
		tls_unbound(task);
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
	u32 n = tls_moved(th, ret);
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
	if (!t)
		tls_unbound(task);
	else
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
	th->call = TLS_NONE;
	return 0;
}

#endif
