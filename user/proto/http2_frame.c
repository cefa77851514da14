// SPDX-License-Identifier: Apache-2.0
/* Frames, RFC 9113 section 4 and 6: what can be one, and where one begins. */
#include "proto/http2_parts.h"

#include <string.h>

enum {
	TYPES = NGHTTP2_CONTINUATION + 1,
	CHAIN_MIN = 3,	    /* frames one behind the other are no accident */
	CHAIN_ENOUGH = 16,  /* more are not looked at */
	SETTINGS_MAX = 256, /* bytes of the first frame of a server */
};

void http2_frame_read(const uint8_t *p, struct http2_frame *f)
{
	f->len = (uint32_t)(p[0] << 16 | p[1] << 8 | p[2]);
	f->type = p[3];
	f->flags = p[4];
	f->id = ((uint32_t)p[5] << 24 | (uint32_t)(p[6] << 16 | p[7] << 8 | p[8])) & HTTP2_ID_MASK;
}

/* Of each type: the flags it may have, and whether it belongs to a stream. */
static const struct {
	uint8_t flags;
	enum { OF_CONNECTION, OF_STREAM, OF_EITHER } of;
} types[TYPES] = {
	[NGHTTP2_DATA] = { NGHTTP2_FLAG_END_STREAM | NGHTTP2_FLAG_PADDED, OF_STREAM },
	[NGHTTP2_HEADERS] = { NGHTTP2_FLAG_END_STREAM | NGHTTP2_FLAG_END_HEADERS |
				      NGHTTP2_FLAG_PADDED | NGHTTP2_FLAG_PRIORITY,
			      OF_STREAM },
	[NGHTTP2_PRIORITY] = { 0, OF_STREAM },
	[NGHTTP2_RST_STREAM] = { 0, OF_STREAM },
	[NGHTTP2_SETTINGS] = { NGHTTP2_FLAG_ACK, OF_CONNECTION },
	[NGHTTP2_PUSH_PROMISE] = { NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_PADDED, OF_STREAM },
	[NGHTTP2_PING] = { NGHTTP2_FLAG_ACK, OF_CONNECTION },
	[NGHTTP2_GOAWAY] = { 0, OF_CONNECTION },
	[NGHTTP2_WINDOW_UPDATE] = { 0, OF_EITHER },
	[NGHTTP2_CONTINUATION] = { NGHTTP2_FLAG_END_HEADERS, OF_STREAM },
};

static bool is_length_right(const struct http2_frame *f)
{
	uint32_t least = (f->flags & NGHTTP2_FLAG_PADDED ? 1 : 0);

	switch (f->type) {
	case NGHTTP2_DATA: return f->len >= least;
	case NGHTTP2_HEADERS: return f->len > least + (f->flags & NGHTTP2_FLAG_PRIORITY ? 5 : 0);
	case NGHTTP2_PRIORITY: return f->len == 5;
	case NGHTTP2_RST_STREAM:
	case NGHTTP2_WINDOW_UPDATE: return f->len == 4;
	case NGHTTP2_SETTINGS: return f->len % 6 == 0 && !(f->flags & NGHTTP2_FLAG_ACK && f->len);
	case NGHTTP2_PUSH_PROMISE: return f->len >= least + 4;
	case NGHTTP2_PING: return f->len == 8;
	case NGHTTP2_GOAWAY: return f->len >= 8;
	default: return true;
	}
}

bool http2_frame_may_be(const struct http2_frame *f, enum proto_dir dir, uint32_t frame_max)
{
	if (f->len > frame_max || f->type >= TYPES || (f->flags & ~types[f->type].flags))
		return false;
	if (types[f->type].of != OF_EITHER && (types[f->type].of == OF_STREAM) != (f->id != 0))
		return false;
	/* clients open streams with odd numbers, and servers push on even ones */
	if (dir == PROTO_REQUEST && (f->type == NGHTTP2_HEADERS || f->type == NGHTTP2_DATA) &&
	    f->id % 2 == 0)
		return false;
	if (dir == PROTO_REQUEST && f->type == NGHTTP2_PUSH_PROMISE)
		return false;
	return is_length_right(f);
}

/*
 * The field that a block begins with: pseudo-fields come first (RFC 9113 8.3), and of the static
 * table (RFC 7541, A) 8 to 14 are :status, 1 to 7 those of requests. A reference to the dynamic
 * table, or a size update, says nothing.
 */
enum { NOT_OF, MAYBE_OF, SURELY_OF };

static int is_field_of(uint8_t first, enum proto_dir dir)
{
	uint8_t index;

	if (first & 0x80)
		index = first & 0x7f;
	else if (first & 0x40)
		index = first & 0x3f;
	else if (first & 0x20)
		return MAYBE_OF;
	else
		index = first & 0x0f;
	if (index == 0 || index >= 62 || (!(first & 0xc0) && index == 15))
		return MAYBE_OF;
	return (index >= 8) == (dir == PROTO_RESPONSE) && index <= 14 ? SURELY_OF : NOT_OF;
}

/* Does the frame at `at`, a HEADERS, begin a message that goes this way? */
static int is_head_of(struct slice in, size_t at, const struct http2_frame *f, enum proto_dir dir)
{
	size_t pos = at + HTTP2_FRAME_HEAD + (f->flags & NGHTTP2_FLAG_PADDED ? 1 : 0) +
		     (f->flags & NGHTTP2_FLAG_PRIORITY ? 5 : 0);

	return pos < in.n ? is_field_of(in.p[pos], dir) : MAYBE_OF;
}

/* Frames that follow each other from `at` on. */
struct chain {
	unsigned n; /* whole ones */
	bool is_exact, is_broken, has_head;
};

static struct chain follow(struct slice in, size_t at, enum proto_dir dir, uint32_t frame_max)
{
	struct chain c = { 0 };

	while (in.n - at >= HTTP2_FRAME_HEAD) {
		struct http2_frame f;

		http2_frame_read(in.p + at, &f);
		if (in.p[at + 5] & 0x80 || !http2_frame_may_be(&f, dir, frame_max)) {
			c.is_broken = true;
			return c;
		}
		if (f.type == NGHTTP2_HEADERS && !(f.flags & NGHTTP2_FLAG_END_STREAM &&
						   dir == PROTO_RESPONSE)) { /* no trailers */
			int is_of = is_head_of(in, at, &f, dir);

			c.is_broken = is_of == NOT_OF;
			c.has_head |= is_of == SURELY_OF;
			if (c.is_broken)
				return c;
		}
		if (in.n - at - HTTP2_FRAME_HEAD < f.len)
			return c;
		if (++c.n == CHAIN_ENOUGH)
			return c;
		at += HTTP2_FRAME_HEAD + f.len;
	}
	c.is_exact = at == in.n;
	return c;
}

/* Client: the preface. Server: SETTINGS, RFC 9113 3.4. Joined in the middle: frames, a HEADERS
 * among them, since these alone tell which way they go. */
int http2_detect(struct slice first, enum proto_dir dir)
{
	struct slice preface = HTTP2_PREFACE;
	struct http2_frame f;
	struct chain c;
	size_t n = first.n < preface.n ? first.n : preface.n;

	if (dir == PROTO_REQUEST && memcmp(first.p, preface.p, n) == 0)
		return n == preface.n;
	if (first.n && first.p[0])
		return -1;
	if (first.n < HTTP2_FRAME_HEAD) {
		if (first.n > 3 && first.p[3] >= TYPES)
			return -1;
		return 0;
	}
	http2_frame_read(first.p, &f);
	if (first.p[5] & 0x80 || !http2_frame_may_be(&f, dir, HTTP2_FRAME_MAX))
		return -1;
	if (dir == PROTO_RESPONSE && f.type == NGHTTP2_SETTINGS && !f.flags &&
	    f.len <= SETTINGS_MAX)
		return 1;
	c = follow(first, 0, dir, HTTP2_FRAME_MAX);
	if (c.is_broken)
		return -1;
	return c.has_head && (c.is_exact || c.n >= CHAIN_MIN);
}

size_t http2_find_frame(struct slice in, enum proto_dir dir, uint32_t frame_max, size_t least)
{
	for (size_t at = least; at + HTTP2_FRAME_HEAD <= in.n; at++) {
		struct chain c;

		if (in.p[at] || in.p[at + 3] >= TYPES || in.p[at + 5])
			continue; /* so long a frame, so high a stream, and none of these */
		c = follow(in, at, dir, frame_max);
		if (!c.is_broken && c.n && (c.is_exact || c.n >= CHAIN_MIN))
			return at;
	}
	return in.n;
}

uint32_t http2_bulk_of(struct slice in, enum proto_dir dir, uint32_t frame_max)
{
	struct http2_frame f;

	if (in.n < HTTP2_FRAME_HEAD || in.p[5] & 0x80)
		return 0;
	http2_frame_read(in.p, &f);
	if (f.type != NGHTTP2_DATA || f.len < HTTP2_BULK)
		return 0;
	return http2_frame_may_be(&f, dir, frame_max) ? f.id : 0;
}
