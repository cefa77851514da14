/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The head of an HTTP/1 request (RFC 9112) that lies in one piece: where its first line and where
 * all of it ends, how long its body is, and whether it says itself what trace it belongs to. What
 * is not exactly as everybody writes it is in doubt.
 */
#ifndef HEAD_BPF_H
#define HEAD_BPF_H

#include "loop.bpf.h"

enum {
	HEAD_MAX = 8192,
	HEAD_BEYOND = 64, /* what is compared may begin at the last byte */
	HEAD_LEAST = 18,  /* "GET / HTTP/1.1", and two ends of lines */
};

enum {
	HEAD_DOUBT = 1 << 0,
	HEAD_TRACED = 1 << 1, /* it says what trace it belongs to */
	HEAD_LENGTH = 1 << 2,
	HEAD_CHUNKED = 1 << 3, /* or another transfer coding */
	HEAD_UPGRADE = 1 << 4, /* what follows may be another protocol */
	HEAD_OTHER = 1 << 5,   /* with HEAD_DOUBT: it is no HTTP/1 */
};

/* The stack has no room for a head; a CPU's own is not safe where a thread may lose the CPU. */
struct head_room {
	u32 is_taken;
	u32 reserved;
	char line[72];
	char bytes[HEAD_MAX + HEAD_BEYOND];
};

struct head {
	u64 length; /* of the body */
	u32 n;	    /* bytes there are */
	u32 line;   /* where the line at hand begins */
	u32 first;  /* behind the first line; 0: not found */
	u32 end;    /* behind the head; 0: not found */
	u32 flags;
};

#define WORD4(s) ((u64)(s)[0] | (u64)(s)[1] << 8 | (u64)(s)[2] << 16 | (u64)(s)[3] << 24)
#define WORD8(s) (WORD4(s) | WORD4((s) + 4) << 32)

#define ONES	 0x0101010101010101ULL
#define LOWER	 (0x20 * ONES) /* of letters; ':' and '-' stay what they are */
#define BYTES(n) ((1ULL << 8 * (n)) - 1)

static __always_inline u64 head_word_at(const struct head_room *r, u32 at)
{
	return *(const u64 *)(r->bytes + (at & (HEAD_MAX - 1)));
}

/* A method: three to seven capital letters and a space. */
static __always_inline bool is_method(u64 word)
{
	for (int i = 0; i < 8; i++) {
		u8 c = word >> 8 * i;

		if (c == ' ')
			return i >= 3;
		if (c < 'A' || c > 'Z')
			return false;
	}
	return false;
}

/* RFC 9110, 8.6: digits, once. */
static __always_inline u32 head_length(const struct head_room *r, struct head *h, u32 at)
{
	u64 v = 0;
	u32 n = 0;

	for (int i = 0; i < 16; i++) {
		char c = r->bytes[(at + i) & (HEAD_MAX - 1)];

		if (c == ' ' && !n)
			continue;
		if (c == '\r' && n && !(h->flags & HEAD_LENGTH)) {
			h->length = v;
			return HEAD_LENGTH;
		}
		if (c < '0' || c > '9')
			return HEAD_DOUBT;
		v = v * 10 + (c - '0');
		n++;
	}
	return HEAD_DOUBT;
}

static __always_inline u32 head_field(const struct head_room *r, struct head *h, u32 at)
{
	u64 a = head_word_at(r, at), b, c;
	u8 begin = a;

	if (begin == ' ' || begin == '\t') /* RFC 9112, 5.2 */
		return HEAD_DOUBT;
	a |= LOWER;
	b = head_word_at(r, at + 8) | LOWER;
	c = head_word_at(r, at + 16) | LOWER;
	if (a == WORD8("content-") && (b & BYTES(7)) == WORD8("length:\0"))
		return head_length(r, h, at + 15);
	if (a == WORD8("transfer") && b == WORD8("-encodin") && (c & BYTES(2)) == WORD4("g:\0\0"))
		return HEAD_CHUNKED;
	if (a == WORD8("upgrade:"))
		return HEAD_UPGRADE;
	if ((a == WORD8("tracepar") && (b & BYTES(4)) == WORD4("ent:")) ||
	    (a & BYTES(3)) == WORD4("b3:\0") || (a & BYTES(5)) == WORD8("x-b3-\0\0\0"))
		return HEAD_TRACED;
	return 0;
}

/* A line ends at `at`, which is its LF. 1: no further ones are asked for. Global, see copy.bpf.h */
__weak __noinline int head_line(struct head_room *r, struct head *h, u32 at)
{
	u32 from, n;

	if (!r || !h || at >= h->n)
		return 1;
	from = h->line;
	if (at <= from || r->bytes[(at - 1) & (HEAD_MAX - 1)] != '\r') {
		h->flags |= HEAD_DOUBT;
		return 1;
	}
	n = at - 1 - from;
	h->line = at + 1;
	if (!h->first) {
		u64 version = n > 10 ? head_word_at(r, at - 9) : 0;

		h->first = at + 1;
		if (version != WORD8("HTTP/1.1") && version != WORD8("HTTP/1.0"))
			h->flags |= HEAD_DOUBT | HEAD_OTHER;
		else if (head_word_at(r, 0) == WORD8("CONNECT ")) /* RFC 9110, 9.3.6 */
			h->flags |= HEAD_UPGRADE;
	} else if (!n) {
		h->end = at + 1;
	} else {
		h->flags |= head_field(r, h, from);
	}
	return h->end || h->flags & HEAD_DOUBT;
}

/* What a loop is given has to be on the stack. */
struct head_walk {
	struct head_room *r;
	struct head h;
};

/* Eight bytes at a time: is one of them the end of a line? */
static __always_inline long head_look(struct head_room *r, struct head *h, u32 i)
{
	u32 at = i * 8;
	u64 word = head_word_at(r, at), x = word ^ '\n' * ONES;

	if (!((x - ONES) & ~x & 0x80 * ONES))
		return 0;
	for (int k = 0; k < 8; k++)
		if ((u8)(word >> 8 * k) == '\n' && head_line(r, h, at + k))
			return 1;
	return 0;
}

static long head_step(u32 i, struct head_walk *w)
{
	return head_look(w->r, &w->h, i);
}

__weak __noinline int head_bare(struct head_room *r, struct head *h, u32 i)
{
	return !is_bare || !r || !h || head_look(r, h, i);
}

static __always_inline void head_read(struct head_walk *w, u32 n)
{
	w->h.n = n;
	LOOP(i, (n + 7) / 8, head_step, w, i >= HEAD_MAX / 8 || head_bare(w->r, &w->h, i));
}

#endif
