/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The frames of HTTP/2 (RFC 9113, 4.1), followed from the connection's first byte on, so that large
 * DATA is told by its length and not copied. What is said of a direction follows from its bytes
 * alone: one operation that was not seen whole (its bytes are not known, another thread was at it),
 * and everything behind it is copied as it would be without.
 *
 * Messages of gRPC lie anywhere in the DATA of their stream and are counted by whoever parses; a
 * stream is none of theirs if its DATA does not begin with the byte that all messages of gRPC begin
 * with, which is 0 or 1.
 */
#ifndef FRAMES_BPF_H
#define FRAMES_BPF_H

#include "copy.bpf.h"

/* conn.follows */
enum { FRAMES_NEW, FRAMES_OFF, FRAMES_ON };

enum {
	FRAME_DATA = 0,
	FRAME_HEADERS = 1,
	FRAME_SETTINGS = 4,
	FRAME_PING = 6,
	FRAME_GOAWAY = 7,
	FRAME_PRIORITY_UPDATE = 16, /* RFC 9218; the highest there is */
	FRAME_END_STREAM = 1,
	FRAME_PADDED = 8,
	FRAME_KEEP = 16,      /* of a payload that is left out, so much is copied all the same */
	FRAME_WORTH = 4096,   /* a shorter one costs less than a record of its own */
	FRAME_REST = 1024,    /* and so does the shorter rest of one */
	FRAME_STEPS = 4096,   /* of a walk over what one record can hold */
	FRAME_RECORDS = 4096, /* of an operation */
	FRAME_SETTINGS_MAX = 256, /* the first of a server, as the parser has it */
	FRAMES_PREFACE = 24,
};

#define FRAMES_PLAIN (1U << 31) /* of a stream's id: its DATA holds no messages of gRPC */

static __always_inline u32 *frames_stream(struct frames *f, u32 id)
{
	return &f->streams[id >> 1 & (FRAMES_STREAMS - 1)];
}

static __always_inline u32 frames_id(const struct frames *f)
{
	return ((u32)f->head[5] << 24 | f->head[6] << 16 | f->head[7] << 8 | f->head[8]) &
	       ~FRAMES_PLAIN;
}

/* What can be no head of a frame shows that there was none: bytes were not those that were sent. */
static __always_inline bool is_frame(const struct frames *f, u32 id)
{
	u8 type = f->head[3];

	if (type > FRAME_PRIORITY_UPDATE || f->head[5] & 0x80)
		return false;
	if (type == FRAME_SETTINGS || type == FRAME_PING || type == FRAME_GOAWAY)
		return !id;
	return id || (type != FRAME_DATA && type != FRAME_HEADERS);
}

/* The head of a frame is there. */
static __always_inline void frames_head(struct frames *f)
{
	u32 id = frames_id(f), *stream = frames_stream(f, id);
	u8 type = f->head[3], flags = f->head[4];

	f->left = f->wanted = f->head[0] << 16 | f->head[1] << 8 | f->head[2];
	f->n_head = f->is_first = 0;
	if (!is_frame(f, id)) {
		f->is_lost = 1;
		f->left = 0;
	} else if (type == FRAME_HEADERS && !(flags & FRAME_END_STREAM)) {
		*stream = id; /* its DATA follows */
	} else if (type == FRAME_DATA && flags & FRAME_PADDED) {
		*stream = 0;
	} else if (type == FRAME_DATA && f->left) {
		if (*stream == (id | FRAMES_PLAIN) && f->left >= FRAME_WORTH && f->may_skip)
			f->wanted = FRAME_KEEP;
		f->is_first = *stream == id;
	}
}

/* The first byte of a stream's DATA. */
static __always_inline void frames_judge(struct frames *f, u8 byte)
{
	u32 id = frames_id(f);

	f->is_first = 0;
	*frames_stream(f, id) = byte > 1 ? id | FRAMES_PLAIN : 0;
	if (byte > 1 && f->left >= FRAME_WORTH && f->may_skip)
		f->wanted = FRAME_KEEP;
}

/* What a loop is given has to be on the stack. */
struct frames_walk {
	struct scratch *s;
	struct frames *f;
};

/* A head or a payload, or what there is of it. 1: at the end of what there is, or at what is left
 * out. */
static long frames_step(u32 i, struct frames_walk *w)
{
	struct scratch *s = w->s;
	struct frames *f = w->f;
	u32 at = s->at, there = s->there - at, n = f->n_head;

	if (at >= s->there || n >= FRAME_HEAD)
		return 1;
	if (f->is_lost) {
		s->at = s->there;
		return 1;
	}
	asm volatile("" : "+r"(at));
	at &= 2 * SONDE_COPY_MAX - 1;
	if (f->left) {
		if (f->is_first)
			frames_judge(f, s->bytes[at]);
		n = f->wanted < there ? f->wanted : there;
		s->at += n;
		f->left -= n;
		f->wanted -= n;
		return f->left && !f->wanted;
	}
	if (!n && there >= FRAME_HEAD) {
		__builtin_memcpy(f->head, s->bytes + at, FRAME_HEAD);
		s->at += FRAME_HEAD;
		frames_head(f);
		return 0;
	}
	f->head[n] = s->bytes[at];
	f->n_head = n + 1;
	s->at++;
	if (n + 1 == FRAME_HEAD)
		frames_head(f);
	return 0;
}

/* On through the first `there` bytes of the record. 1: and there could be more. Global, as all that
 * is here: see copy.bpf.h. */
__noinline int frames_go(struct scratch *s, struct frames *f, u32 there)
{
	struct frames_walk w = { s, f };

	if (is_bare || !s || !f)
		return 0;
	s->there = there;
	bpf_loop(FRAME_STEPS, frames_step, &w, 0);
	return s->at == there && !(f->left && !f->wanted);
}

/* How much of the next record to look at first, of `rest` bytes: no further than DATA that may be
 * left out begins. */
__noinline int frames_ask(struct scratch *s, struct frames *f, u32 rest)
{
	u32 n = SONDE_COPY_MAX;

	if (!s || !f)
		return 0;
	s->at = 0;
	if (f->is_lost)
		return n < rest ? n : rest;
	if (f->left < rest && f->left < FRAME_REST)
		f->wanted = f->left;
	if (f->wanted < f->left)
		n = f->wanted;
	else if (rest > FRAME_WORTH && !f->left)
		n = FRAME_HEAD + FRAME_KEEP;
	else if (rest > FRAME_WORTH && f->is_first)
		n = FRAME_KEEP;
	return n < rest ? n : rest;
}

/* How much behind what was copied is left out, of `rest` bytes; the record then is done. */
__noinline int frames_skip(struct scratch *s, struct frames *f, u32 rest)
{
	u32 n = 0;

	if (!s || !f)
		return 0;
	if (f->left && !f->wanted)
		n = f->left < rest - s->at ? f->left : rest - s->at;
	f->left -= n;
	f->next += s->at + n;
	return n;
}

/* Are the frames of this direction known up to `seq`? Payloads may have been passed over, by
 * verdict or because they were not seen. Then they are the caller's, until frames_leave(). */
__noinline int frames_reach(struct conn *c, u32 dir, u32 seq, u32 marks)
{
	struct frames *f;
	u32 ahead;

	if (!c)
		return 0;
	f = &c->frames[dir & 1];
	if (marks & (SONDE_F_RACED | SONDE_F_INJECTED) || __sync_fetch_and_add(&f->is_busy, 1)) {
		c->follows[dir & 1] = FRAMES_OFF;
		return 0;
	}
	ahead = seq - f->next;
	if (f->is_lost || ahead > f->left || (ahead && f->is_first)) {
		c->follows[dir & 1] = FRAMES_OFF;
		return 0;
	}
	f->left -= ahead;
	f->wanted -= ahead < f->wanted ? ahead : f->wanted;
	f->next = seq;
	f->may_skip = c->is_framed;
	return 1;
}

static __always_inline void frames_leave(struct conn *c, u32 dir)
{
	c->frames[dir & 1].is_busy = 0;
}

/* Does the connection begin with HTTP/2's preface? */
static __always_inline bool is_preface(const struct scratch *s)
{
	const u64 *word = (const u64 *)s->bytes; /* PRI * HTTP/2.0 and an end of line */

	return s->ev.copied >= FRAMES_PREFACE && word[0] == 0x5448202a20495250 &&
	       word[1] == 0x0a0d302e322f5054;
}

/* Or, the other way, with a server's SETTINGS? */
static __always_inline bool is_settings(const struct scratch *s)
{
	const u8 *p = s->bytes;

	return s->ev.copied >= FRAME_HEAD && !p[0] && (p[1] << 8 | p[2]) <= FRAME_SETTINGS_MAX &&
	       p[3] == FRAME_SETTINGS && !(p[4] | p[5] | p[6] | p[7] | p[8]);
}

/*
 * Does HTTP/1 end here, and HTTP/2 perhaps begin (RFC 7540, 3.2)? A server may send a window full
 * behind its 101 at once, before user space has read that. To what it switches user space tells: of
 * another protocol nothing is wanted.
 */
static __always_inline bool is_switch(const struct scratch *s)
{
	const u64 *word = (const u64 *)s->bytes; /* HTTP/1.1 101 */

	return s->ev.copied >= FRAMES_PREFACE && word[0] == 0x312e312f50545448 &&
	       (u32)word[1] == 0x31303120;
}

/* The first operation of a direction, as far as it was copied: are frames to be followed? Then they
 * are the caller's, as above. */
__noinline int frames_begin(struct scratch *s, struct conn *c, u32 dir)
{
	bool begins = s && is_preface(s);
	struct frames *f;

	if (!s || !c)
		return 0;
	dir &= 1;
	f = &c->frames[dir];
	c->follows[dir] = FRAMES_OFF;
	if (!(c->flags & CONN_FRESH) || (!begins && !is_settings(s)) ||
	    s->ev.h.flags & (SONDE_F_RACED | SONDE_F_INJECTED) ||
	    __sync_fetch_and_add(&f->is_busy, 1))
		return 0;
	f->left = f->wanted = begins ? FRAMES_PREFACE : 0;
	f->next = s->ev.seq;
	f->may_skip = c->is_framed;
	c->follows[dir] = FRAMES_ON;
	return 1;
}

#endif
