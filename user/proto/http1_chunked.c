/* SPDX-License-Identifier: Apache-2.0 */
/* Chunked bodies, RFC 9112 section 7.1, with or without holes. */
#include "proto/http1_parts.h"

#include <errno.h>

enum { ADRIFT_KEEP = 4096 };

static int hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = slice_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* chunk-size [ chunk-ext ]; -EBADMSG when the line is none. */
static int chunk_size(struct slice line, uint64_t *size)
{
	uint64_t n = 0;
	size_t i;

	for (i = 0; i < line.n && hex_digit(line.p[i]) >= 0; i++) {
		if (n >> 56)
			return -EBADMSG;
		n = n << 4 | (uint64_t)hex_digit(line.p[i]);
	}
	if (i == 0)
		return -EBADMSG;
	if (i < line.n && line.p[i] != ';' && line.p[i] != ' ' && line.p[i] != '\t')
		return -EBADMSG;
	*size = n;
	return 0;
}

static ssize_t size_line(struct http1_side *s, struct slice in, struct msg *out)
{
	struct slice line;
	size_t next, here;
	uint64_t size;

	if (!memchr(in.p + s->scanned, '\n', in.n - s->scanned)) {
		s->scanned = (uint32_t)in.n;
		return in.n > HTTP1_CHUNK_LINE_MAX || hex_digit(in.p[0]) < 0 ? -EBADMSG : 0;
	}
	s->scanned = 0;
	if (!http1_line(in, 0, &line, &next) || chunk_size(line, &size) < 0)
		return -EBADMSG;
	if (size == 0) {
		s->phase = HTTP1_TRAILERS;
		return (ssize_t)next;
	}
	s->phase = HTTP1_CHUNK_DATA;
	s->crlf_seen = 0;
	here = size < in.n - next ? (size_t)size : in.n - next;
	out->body_bytes += size;
	out->skip = size - here;
	return (ssize_t)(next + here);
}

static ssize_t data_end(struct http1_side *s, struct slice in)
{
	/* no lone LF here: RFC 9112 2.2 allows it for lines, and this ends data */
	static const uint8_t crlf[2] = { '\r', '\n' };
	size_t need = 2u - s->crlf_seen;

	if (memcmp(in.p, crlf + s->crlf_seen, in.n < need ? in.n : need) != 0)
		return -EBADMSG;
	if (in.n < need)
		return 0;
	s->phase = HTTP1_CHUNK;
	return (ssize_t)need;
}

static ssize_t trailers(struct http1_side *s, struct slice in, struct msg *out)
{
	size_t end = http1_empty_line(in, &s->scanned);

	if (end == 0)
		return in.n > HTTP1_HEAD_MAX ? -EMSGSIZE : 0;
	*s = (struct http1_side){ .phase = HTTP1_HEAD };
	out->flags |= MSG_END;
	return (ssize_t)end;
}

/* The last chunk's size line, trailers and the empty line, at `pos`: offset behind, 0 when they are
 * not there. */
static size_t terminator_at(struct slice in, size_t pos)
{
	struct slice line;
	uint64_t size;

	if (!http1_line(in, pos, &line, &pos) || chunk_size(line, &size) < 0 || size != 0)
		return 0;
	while (http1_line(in, pos, &line, &pos)) {
		size_t i = 0;

		if (line.n == 0)
			return pos;
		while (i < line.n && http1_is_token(line.p[i]))
			i++;
		if (i == 0 || i == line.n || line.p[i] != ':')
			return 0;
	}
	return 0;
}

/* Offset behind the body's end, or in.n + 1. A last chunk inside of the data would be followed by
 * anything; a real one by the next message, or by nothing yet. */
static size_t find_terminator(struct slice in, enum proto_dir dir, bool is_line_start)
{
	const uint8_t *lf;
	size_t pos = 0, end;

	for (;;) {
		if (is_line_start && pos < in.n && in.p[pos] == '0') {
			end = terminator_at(in, pos);
			if (end && http1_detect((struct slice){ in.p + end, in.n - end }, dir) >= 0)
				return end;
		}
		lf = pos < in.n ? memchr(in.p + pos, '\n', in.n - pos) : NULL;
		if (!lf)
			return in.n + 1;
		pos = (size_t)(lf - in.p) + 1;
		is_line_start = true;
	}
}

static ssize_t adrift(struct http1_side *s, enum proto_dir dir, struct slice in, struct msg *out)
{
	size_t end = find_terminator(in, dir, s->is_behind_hole);
	size_t start = http1_find_start(in, dir, 0);

	if (end <= in.n && end <= start) {
		*s = (struct http1_side){ .phase = HTTP1_HEAD };
		out->flags |= MSG_END;
		return (ssize_t)end;
	}
	if (start < in.n) { /* the end lay in the hole */
		*s = (struct http1_side){ .phase = HTTP1_HEAD };
		return (ssize_t)start;
	}
	if (in.n <= ADRIFT_KEEP)
		return 0;
	s->is_behind_hole = false;
	out->body_bytes = in.n - ADRIFT_KEEP;
	return (ssize_t)(in.n - ADRIFT_KEEP);
}

ssize_t http1_chunked(struct http1_side *s, enum proto_dir dir, struct slice in, struct msg *out)
{
	struct slice rest = in;
	ssize_t r;

	if (s->phase == HTTP1_ADRIFT)
		return adrift(s, dir, in, out);
	while (rest.n && out->skip == 0 && s->phase != HTTP1_HEAD) {
		switch (s->phase) {
		case HTTP1_CHUNK: r = size_line(s, rest, out); break;
		case HTTP1_CHUNK_DATA: r = data_end(s, rest); break;
		default: r = trailers(s, rest, out); break;
		}
		if (r < 0 && rest.n == in.n)
			return r;
		if (r <= 0)
			break;
		rest.p += r;
		rest.n -= (size_t)r;
	}
	return (ssize_t)(in.n - rest.n);
}

int http1_chunked_gap(struct http1_side *s, uint64_t len)
{
	if (s->phase == HTTP1_CHUNK_DATA && len <= 2u - s->crlf_seen) {
		s->crlf_seen += (uint8_t)len;
		if (s->crlf_seen == 2)
			s->phase = HTTP1_CHUNK;
		return 0;
	}
	*s = (struct http1_side){ .phase = HTTP1_ADRIFT, .is_behind_hole = true };
	return 0;
}
