/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Which connection an object of a TLS library belongs to, and what of it is within a call. */
#ifndef TLS_BOND_BPF_H
#define TLS_BOND_BPF_H

#include "go_conn.bpf.h"
#include "tls_unseen.bpf.h"

/* Never written: what a connection's plaintext begins as. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct tls_session);
} tls_blanks SEC(".maps");

/* The attach cookie, without the low bits, of what is being attached to at the moment; and until
 * when attaching to something has taken longer than its cookie says. Written by user space. */
__u64 tls_attaching;
__u64 tls_unsure_until_ns;

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

/* Apache's mod_ssl hands records to filters, which send some within the call and keep others back:
 * by its first records it looks like any other program. As user/capture/tls.c has them. */
static __noinline bool tls_defers(struct task_struct *task)
{
	char comm[8] = "";

	BPF_CORE_READ_STR_INTO(&comm, task, group_leader, comm);
	return (comm[0] == 'a' && comm[1] == 'p' && comm[2] == 'a' && comm[3] == 'c' &&
		comm[4] == 'h' && comm[5] == 'e' && comm[6] == '2') ||
	       (comm[0] == 'h' && comm[1] == 't' && comm[2] == 't' && comm[3] == 'p' &&
		comm[4] == 'd');
}

static __noinline struct tls_session *tls_bind(const struct tls_bond *b, u32 tgid)
{
	struct tls_key key = { .ssl = b->ssl, .tgid = tgid };
	struct tls_session *t, *blank;
	u32 zero = 0;

	blank = bpf_map_lookup_elem(&tls_blanks, &zero);
	t = NULL;
	if (blank && !bpf_map_update_elem(&tls_sessions, &key, blank, BPF_ANY))
		t = bpf_map_lookup_elem(&tls_sessions, &key);
	if (!t) {
		count(SONDE_CNT_NO_STORAGE);
		return NULL;
	}
	t->c.cookie = b->cookie;
	t->c.tls_ssl = b->ssl;
	t->c.slot = b->slot;
	t->c.role = b->role;
	t->c.family = b->family;
	t->c.tgid = tgid;
	t->c.last_dir = 2; /* neither */
	t->c.flags = CONN_OWN_SEQ | CONN_OPENED | CONN_TLS;
	if (tls_is_fresh(b))
		t->c.flags |= CONN_FRESH;
	t->is_memory = b->is_memory;
	t->is_deferred = !b->is_memory && tls_defers(bpf_get_current_task_btf());
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

/* Is the operation at hand part of the call? Of reads the return is watched. Memory that cannot be
 * read at the moment (the kernel moves a page) says nothing against it. */
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
	if (!th->returns_to ||
	    bpf_probe_read_user(&returns_to, sizeof(returns_to), (void *)th->stack) ||
	    returns_to == th->returns_to)
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

#endif
