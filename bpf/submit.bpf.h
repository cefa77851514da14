/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Into the ring: an operation is one record, or several where all of its bytes are wanted, or the
 * frames of HTTP/2 in it are followed. */
#ifndef SUBMIT_BPF_H
#define SUBMIT_BPF_H

#include "frames.bpf.h"
#include "inject.bpf.h"
#include "session.bpf.h"

/* A record found no room. */
static __always_inline void submit_failed(const struct scratch *s, struct conn *c, u32 dir)
{
	u32 what = SONDE_CNT_LOST_RESPONSE;

	c->lost[dir]++;
	if (!s->ev.len) /* an end of stream: no request and no response was in it */
		what = SONDE_CNT_LOST_CONTROL;
	else if (dir == (c->role == SONDE_ROLE_CLIENT ? SONDE_TX : SONDE_RX))
		what = SONDE_CNT_LOST_REQUEST;
	count(what);
}

static __always_inline void submit(struct scratch *s, struct conn *c, u32 dir)
{
	void *ring = ring_of(c->slot);
	u32 size = sizeof(s->ev) + s->ev.copied + s->ev.tail;

	if (is_propagating && s->ev.h.flags & SONDE_F_INJECTED)
		size += sizeof(struct sonde_injected);
	s->ev.h.size = size;
	asm volatile("" : "+r"(size));
	if (size > sizeof(s->ev) + SONDE_COPY_MAX + SONDE_TAIL_MAX + sizeof(struct sonde_injected))
		return;
	if (!ring || bpf_ringbuf_output(ring, s, size, ring_flags(ring, s->turn++))) {
		submit_failed(s, c, dir);
		return;
	}
	/* what is delivered is counted by whoever reads it */
	if (c->lost[dir])
		c->lost[dir] = 0;
	if (c->skipped_ns[dir])
		c->skipped_ns[dir] = 0;
}

/* Global: see copy.bpf.h. */
__noinline int submit_more(struct scratch *s, struct conn *c, u32 dir)
{
	if (s && c)
		submit(s, c, dir & 1);
	return 0;
}

/* What a loop is given has to be on the stack. */
struct rest_at {
	struct scratch *s;
	struct conn *c;
};

enum { REST_MAX = 31 }; /* records: 1 MiB with the first, more than a socket takes at once */

/* What of an operation is behind its first record, in records of its own. */
static __always_inline long copy_more(struct scratch *s, struct conn *c, bool is_vector)
{
	struct sonde_ev_data *ev = &s->ev;
	struct rest *r = &s->rest;
	u32 dir = r->dir & 1, n = r->len - r->at;
	long err;

	if (n > SONDE_COPY_MAX)
		n = SONDE_COPY_MAX;
	ev->len = r->at + n; /* the operation's end as far as copying goes */
	ev->copied = ev->tail = 0;
	ev->lost = c->lost[dir];
	ev->skipped_ns = 0;
	ev->h.flags &= ~SONDE_F_SKIPPED;
	err = is_vector ? copy_vector(s, r->ub.base, r->ub.n_iov, r->at, n)
			: copy_buffer(s, r->ub.base, r->at, n, ev->len);
	if (err) {
		ev->h.flags |= SONDE_F_FAULT;
		ev->copied = ev->tail = 0;
		count(SONDE_CNT_FAULT);
	}
	ev->seq = r->seq + r->at;
	ev->len = n;
	r->at += n;
	submit_more(s, c, dir);
	return r->at >= r->len;
}

static long copy_next(u32 i, struct rest_at *at)
{
	return copy_more(at->s, at->c, at->s->rest.ub.n_iov);
}

/* Of one buffer: plaintext comes by more calls than the kernel lets a vector follow on. */
static long copy_next_plain(u32 i, struct rest_at *at)
{
	return copy_more(at->s, at->c, false);
}

__weak __noinline int copy_bare(struct scratch *s, struct conn *c)
{
	return !is_bare || !s || !c || copy_more(s, c, s->rest.ub.n_iov);
}

__weak __noinline int copy_bare_plain(struct scratch *s, struct conn *c)
{
	return !is_bare || !s || !c || copy_more(s, c, false);
}

static __always_inline void copy_rest(struct scratch *s, struct conn *c, bool is_plain)
{
	struct rest_at at = { s, c };

	if (is_plain)
		LOOP(i, REST_MAX, copy_next_plain, &at, copy_bare_plain(s, c));
	else
		LOOP(i, REST_MAX, copy_next, &at, copy_bare(s, c));
}

/* A part of the operation, from where its records have got to. */
static __always_inline long copy_part(struct scratch *s, u32 n, bool is_vector)
{
	struct sonde_ev_data *ev = &s->ev;
	struct rest *r = &s->rest;

	ev->len = r->at + n; /* the operation's end as far as copying goes */
	ev->copied = ev->tail = 0;
	if (!n)
		return 0;
	return is_vector ? copy_vector(s, r->ub.base, r->ub.n_iov, r->at, n)
			 : copy_buffer(s, r->ub.base, r->at, n, ev->len);
}

/* The next record of an operation whose frames are followed. */
static __always_inline long follow_more(struct scratch *s, struct conn *c, bool is_vector)
{
	struct rest *r = &s->rest;
	u32 dir = r->dir & 1, rest = r->len - r->at, n;
	struct frames *f = &c->frames[dir];
	struct sonde_ev_data *ev = &s->ev;
	long err;

	ev->lost = c->lost[dir];
	n = frames_ask(s, f, rest);
	err = copy_part(s, n, is_vector);
	if (!err && frames_go(s, f, n) && n < rest) {
		n = rest < SONDE_COPY_MAX ? rest : SONDE_COPY_MAX;
		err = copy_part(s, n, is_vector);
		if (!err)
			frames_go(s, f, n);
	}
	if (err) {
		ev->h.flags |= SONDE_F_FAULT;
		ev->copied = 0;
		c->follows[dir] = FRAMES_OFF;
		count(SONDE_CNT_FAULT);
		n = rest;
	} else {
		n = frames_skip(s, f, rest);
		ev->copied = s->at;
		n += ev->copied;
	}
	ev->tail = 0;
	ev->seq = r->seq + r->at;
	ev->len = n;
	r->at += n;
	submit_more(s, c, dir);
	ev->skipped_ns = 0;
	ev->h.flags &= ~SONDE_F_SKIPPED;
	return r->at >= r->len;
}

static long follow_next(u32 i, struct rest_at *at)
{
	return follow_more(at->s, at->c, at->s->rest.ub.n_iov);
}

static long follow_next_plain(u32 i, struct rest_at *at)
{
	return follow_more(at->s, at->c, false);
}

/* Is it known where the frames of the operation lie? Then they are its own until it is told. */
static __always_inline bool is_followed(struct sonde_ev_data *ev, struct conn *c, u32 from)
{
	u32 dir = ev->dir & 1;

	return !is_bare && c->follows[dir] == FRAMES_ON && ev->len &&
	       frames_reach(c, dir, ev->seq + from, ev->h.flags);
}

/* False: as little is known of where its bytes are as of others. */
static __always_inline bool follow(struct scratch *s, struct conn *c, u32 from, bool is_plain)
{
	struct rest_at at = { s, c };
	struct rest *r = &s->rest;
	u32 dir = r->dir & 1;

	if (r->ub.base) {
		r->at = from;
		r->seq = s->ev.seq;
		r->len = s->ev.len;
		bpf_loop(FRAME_RECORDS, is_plain ? follow_next_plain : follow_next, &at, 0);
	} else {
		c->follows[dir] = FRAMES_OFF;
	}
	frames_leave(c, dir);
	return r->ub.base;
}

/* The bytes of ours go with the operation's first record, and what follows is so much further. One
 * that begins within a message, where none can be, says nothing of them. */
static __always_inline void tell_injected(struct scratch *s, u32 from)
{
	struct sonde_ev_data *ev = &s->ev;
	u32 at = ev->copied + ev->tail;

	asm volatile("" : "+r"(at));
	if (from || at > SONDE_COPY_MAX + SONDE_TAIL_MAX ||
	    !injected_take((struct sonde_injected *)(s->bytes + at))) {
		ev->h.flags &= ~SONDE_F_INJECTED;
		ev->seq += SONDE_INJECTED_LEN;
	} else {
		ev->len += SONDE_INJECTED_LEN;
	}
	s->rest.seq += SONDE_INJECTED_LEN;
}

/* What was copied of an operation, from `from` on, and where all of it is wanted, what follows. */
static __always_inline void submit_whole(struct scratch *s, struct conn *c, u32 from, bool is_plain)
{
	struct sonde_ev_data *ev = &s->ev;
	struct rest *r = &s->rest;

	if (!c->is_framed && (is_preface(s) || is_switch(s)))
		c->is_framed = s->whole = true;
	if (!is_bare && c->follows[r->dir & 1] == FRAMES_NEW && ev->len && !from)
		r->is_followed = frames_begin(s, c, r->dir);
	if (r->is_followed && follow(s, c, from, is_plain))
		return;
	r->at = from + ev->copied;
	r->seq = ev->seq;
	r->len = ev->len;
	if (!ev->tail) /* all of it was copied, or none could be */
		s->whole = false;
	if (s->whole) {
		ev->len = r->at;
		ev->tail = 0;
	}
	if (from && ev->copied) {
		/* the record speaks of what lies behind the verdict only */
		ev->seq += from;
		ev->len -= from;
	}
	if (is_propagating && ev->h.flags & SONDE_F_INJECTED)
		tell_injected(s, from);
	submit(s, c, r->dir & 1);
	if (is_propagating)
		ev->h.flags &= ~SONDE_F_INJECTED;
	if (s->whole)
		copy_rest(s, c, is_plain);
}

#endif
