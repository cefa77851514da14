// SPDX-License-Identifier: Apache-2.0
/*
 * HTTP/2, RFC 9113: the frames of two directions into requests and responses by stream. The body of
 * a DATA frame is skipped by its length, of a gRPC call up to the next message's prefix. Pushed
 * responses answer nobody's request and are no messages here; their blocks are read, since they
 * change the table.
 */
#include <errno.h>
#include <string.h>

#include "proto/http2_parts.h"

_Static_assert(sizeof(struct http2) <= 256, "one for each connection");

enum { GOAWAY_LEAST = 8 }; /* its last stream and why; what follows is for people */

static int fail(struct http2_side *s, int err)
{
	s->phase = HTTP2_FAILED;
	s->walked = s->seen = 0;
	return err;
}

static uint32_t frame_max(const struct http2_side *s)
{
	return s->frame_max ? s->frame_max : HTTP2_FRAME_MAX;
}

/* --- streams --- */

/* The stream of a request's fields: NULL when they are trailers, or come after its end. One that is
 * refused is not remembered: it is `over`. */
static struct http2_stream *ask(struct http2 *st, uint32_t id, struct http2_stream *over)
{
	struct http2_streams *ss = &st->streams;
	struct http2_stream *s = http2_stream_get(ss, id);

	if (id <= ss->last_id) /* identifiers only grow, RFC 9113 5.1.1 */
		return NULL;
	if (!s)
		s = http2_is_refused(ss, id) ? over : http2_stream_add(ss, id);
	if (!s)
		return NULL;
	s->is_asked = true;
	ss->last_id = id;
	if (!ss->first_id)
		ss->first_id = id;
	return s;
}

/* The stream of a response's fields; NULL: it is over already. */
static struct http2_stream *answer(struct http2 *st, uint32_t id)
{
	struct http2_streams *ss = &st->streams;
	struct http2_stream *s = http2_stream_get(ss, id);

	if (s || id % 2 == 0 || (id <= ss->last_id && id >= ss->first_id) ||
	    http2_is_refused(ss, id))
		return s;
	return http2_stream_add(ss, id); /* seen before its request */
}

/* What comes of a request after its response is nothing to the exchange. */
static void end_side(struct http2 *st, struct http2_stream *s, enum proto_dir dir)
{
	s->ended[dir] = true;
	if (s->ended[PROTO_RESPONSE] && s->is_asked)
		http2_stream_del(&st->streams, s->id);
}

/* --- what a call came to --- */

static void set_grpc_status(struct msg *out, int status)
{
	out->status_text = grpc_status_name(status);
	if (status)
		out->flags |= MSG_ERROR;
}

/* The end of a call's response; `h`: its last fields, NULL if it ends with data. */
static void end_grpc(const struct http2_stream *s, const struct http2_head *h, struct msg *out)
{
	if (h && h->grpc_status >= 0)
		set_grpc_status(out, h->grpc_status);
	else if (!h || !h->has_unknown)
		set_grpc_status(out, grpc_status_of_http(s->status));
}

/* --- blocks of fields --- */

static void begin_request(struct http2 *st, const struct http2_frame *f, struct http2_head *h)
{
	struct http2_stream over = { .id = f->id }, *s = ask(st, f->id, &over);
	struct msg *out = h->out;

	if (!s) {
		s = http2_stream_get(&st->streams, f->id);
		msg_clear(out);
		if (!s || s->ended[PROTO_REQUEST])
			return;
		out->id = f->id;
	} else {
		s->is_grpc |= h->is_grpc;
		s->is_vague = h->has_unknown && !h->has_type;
		s->is_connect = slice_eq(out->method, SLICE("CONNECT"));
		s->is_websocket = s->is_connect && h->is_websocket;
		out->id = f->id;
		out->flags = MSG_BEGIN;
		out->version = SLICE("2");
		out->proto = s->is_grpc ? PROTO_GRPC : PROTO_HTTP1;
		if (s->is_grpc)
			out->system = SLICE("grpc");
		if (!out->host.n)
			out->host = h->host;
		if (h->has_two_parents)
			out->traceparent = out->tracestate = (struct slice){ 0 };
		if (!context_traceparent(out->traceparent, &out->context))
			context_b3(&h->b3, &out->context);
	}
	if (f->flags & NGHTTP2_FLAG_END_STREAM) {
		out->flags |= MSG_END;
		end_side(st, s, PROTO_REQUEST);
	}
}

static void describe_response(struct http2_stream *s, const struct http2_head *h)
{
	struct msg *out = h->out;

	s->is_answered = true;
	s->status = (uint16_t)h->status;
	s->is_grpc |= h->is_grpc;
	s->is_vague &= !h->has_type;
	out->flags |= MSG_BEGIN;
	out->version = SLICE("2");
	out->status = h->status;
	out->proto = s->is_grpc ? PROTO_GRPC : PROTO_UNKNOWN;
	if (h->status >= 500)
		out->flags |= MSG_ERROR;
	if (h->is_event_stream)
		out->flags |= MSG_STREAM;
	if (s->is_websocket && h->status >= 200 && h->status < 300) /* RFC 8441 */
		out->flags |= MSG_STREAM | MSG_WEBSOCKET;
}

static void begin_response(struct http2 *st, const struct http2_frame *f, struct http2_head *h)
{
	struct http2_stream *s = answer(st, f->id);
	struct msg *out = h->out;
	struct slice request_id = out->request_id;

	msg_clear(out);
	if (!s || s->ended[PROTO_RESPONSE])
		return;
	out->id = f->id;
	out->request_id = request_id;
	if (h->status >= 100 && h->status < 200) {
		out->flags = MSG_BEGIN | MSG_END | MSG_INTERIM;
		return;
	}
	if (!s->is_answered)
		describe_response(s, h);
	if (f->flags & NGHTTP2_FLAG_END_STREAM) {
		if (s->is_grpc)
			end_grpc(s, h, out);
		out->flags |= MSG_END;
		end_side(st, s, PROTO_RESPONSE);
	}
}

/* Offset behind the block that `in` begins with; 0: it is not whole. */
static ssize_t block_end(struct http2_side *s, struct slice in, uint32_t id)
{
	for (;;) {
		struct http2_frame f;

		if (in.n - s->walked < HTTP2_FRAME_HEAD)
			break;
		http2_frame_read(in.p + s->walked, &f);
		if (s->walked && (f.type != NGHTTP2_CONTINUATION || f.id != id))
			return -EBADMSG; /* nothing may come between, RFC 9113 6.10 */
		if (f.len > frame_max(s))
			return -EBADMSG;
		if (s->walked + f.len > HTTP2_BLOCK_MAX)
			return -EMSGSIZE;
		if (in.n - s->walked - HTTP2_FRAME_HEAD < f.len)
			break;
		s->walked += HTTP2_FRAME_HEAD + f.len;
		if (f.flags & NGHTTP2_FLAG_END_HEADERS)
			return (ssize_t)s->walked;
	}
	s->seen = (uint32_t)in.n;
	return 0;
}

/* What of a frame's payload, as much as is there, are fields. */
static struct slice fragment(const struct http2_frame *f, struct slice in)
{
	size_t from = 0, n = f->len, pad = 0;

	if (f->type != NGHTTP2_CONTINUATION && f->flags & NGHTTP2_FLAG_PADDED) {
		pad = in.n ? in.p[0] : 0;
		from = 1;
	}
	if (f->type == NGHTTP2_HEADERS && f->flags & NGHTTP2_FLAG_PRIORITY)
		from += 5;
	else if (f->type == NGHTTP2_PUSH_PROMISE)
		from += 4; /* the promised stream */
	n = from + pad <= n ? n - pad : 0;
	if (n > in.n)
		n = in.n;
	return from < n ? (struct slice){ in.p + from, n - from } : (struct slice){ in.p, 0 };
}

/* The fields of the block's frames, of the last one as far as it is there. */
static int inflate(struct http2_side *s, struct slice in, struct http2_head *h)
{
	int err = 0;

	while (in.n >= HTTP2_FRAME_HEAD && !err) {
		struct http2_frame f;
		struct slice rest = { in.p + HTTP2_FRAME_HEAD, in.n - HTTP2_FRAME_HEAD };

		http2_frame_read(in.p, &f);
		err = http2_hpack_inflate(&s->hpack, fragment(&f, rest),
					  f.flags & NGHTTP2_FLAG_END_HEADERS && f.len <= rest.n, h);
		if (f.len > rest.n)
			break;
		in.p += HTTP2_FRAME_HEAD + f.len;
		in.n -= HTTP2_FRAME_HEAD + f.len;
	}
	return err;
}

/* Of the block's last frame, what lies behind a hole. */
static uint64_t missing(const struct http2_side *s, struct slice in)
{
	struct http2_frame f;

	http2_frame_read(in.p + s->walked, &f);
	return s->walked + HTTP2_FRAME_HEAD + f.len - in.n;
}

static ssize_t parse_block(struct http2 *st, enum proto_dir dir, const struct http2_frame *f,
			   struct slice in, struct msg *out)
{
	struct http2_side *s = &st->side[dir];
	struct http2_head h = { .out = out, .grpc_status = -1 };
	ssize_t end = s->is_cut ? (ssize_t)in.n : block_end(s, in, f->id);
	uint64_t skip = s->is_cut ? missing(s, in) : 0;

	if (end < 0)
		return fail(s, (int)end);
	if (end == 0)
		return 0;
	if (inflate(s, (struct slice){ in.p, (size_t)end }, &h) < 0 || s->is_cut) {
		h.has_unknown = true;
		http2_hpack_forget(&s->hpack);
	}
	s->is_cut = false;
	s->walked = s->seen = 0;
	if (f->type == NGHTTP2_PUSH_PROMISE)
		msg_clear(out);
	else if (dir == PROTO_REQUEST)
		begin_request(st, f, &h);
	else
		begin_response(st, f, &h);
	out->skip = skip;
	return end;
}

/* --- the other frames --- */

/* Goes on in a call's DATA frame, `used` bytes of `in` being consumed. */
static ssize_t parse_messages(struct http2 *st, enum proto_dir dir, struct slice in, size_t used,
			      struct msg *out)
{
	struct http2_side *s = &st->side[dir];
	struct http2_stream *stream = http2_stream_get(&st->streams, s->data_id);
	size_t there = in.n - used < s->data_left ? in.n - used : s->data_left;
	uint64_t skip;

	s->data_left -= (uint32_t)there;
	if (stream) {
		struct grpc_side *g = &stream->grpc[dir];

		grpc_walk(g, (struct slice){ in.p + used, there }, &out->messages);
		skip = g->left < s->data_left && !g->is_none ? g->left : s->data_left;
		g->left -= skip < g->left ? (uint32_t)skip : g->left;
		out->id = s->data_id;
		out->body_bytes = there + skip;
	} else {
		skip = s->data_left;
	}
	s->data_left -= (uint32_t)skip;
	out->skip = skip;
	s->phase = HTTP2_DATA;
	if (s->data_left)
		return (ssize_t)(used + there);
	s->phase = HTTP2_FRAMES;
	out->skip += s->pad;
	if (stream && s->ends) {
		if (dir == PROTO_RESPONSE)
			end_grpc(stream, NULL, out);
		out->flags |= MSG_END;
		end_side(st, stream, dir);
	}
	return (ssize_t)(used + there);
}

/* Where the type of the content is not known: a length that is right to the last of its 32 bits is
 * no accident. */
static void look_for_message(struct http2_stream *s, struct slice payload, uint32_t len,
			     struct msg *out)
{
	s->is_vague = false;
	if (!grpc_is_message(payload, len))
		return;
	s->is_grpc = true;
	out->flags |= MSG_DESCRIBES;
	out->proto = PROTO_GRPC;
	out->system = SLICE("grpc");
}

static ssize_t parse_data(struct http2 *st, enum proto_dir dir, const struct http2_frame *f,
			  struct slice in, struct msg *out)
{
	struct http2_side *s = &st->side[dir];
	struct http2_stream *stream = http2_stream_get(&st->streams, f->id);
	bool is_padded = f->flags & NGHTTP2_FLAG_PADDED;
	size_t used = HTTP2_FRAME_HEAD + is_padded;

	if (in.n < used)
		return 0;
	s->pad = is_padded ? in.p[HTTP2_FRAME_HEAD] : 0;
	if ((uint32_t)is_padded + s->pad > f->len)
		return fail(s, -EBADMSG);
	s->data_left = f->len - is_padded - s->pad;
	s->ends = f->flags & NGHTTP2_FLAG_END_STREAM;
	if (stream && (stream->ended[dir] || (dir == PROTO_RESPONSE && !stream->is_answered)))
		stream = NULL;
	s->data_id = stream ? f->id : 0;
	if (stream && stream->is_vague && s->data_left >= GRPC_PREFIX) {
		if (in.n < used + GRPC_PREFIX)
			return 0;
		look_for_message(stream, (struct slice){ in.p + used, in.n - used }, s->data_left,
				 out);
	}
	if (stream && stream->is_grpc)
		return parse_messages(st, dir, in, used, out);
	out->skip = s->data_left + s->pad;
	if (!stream)
		return (ssize_t)used;
	out->id = f->id;
	out->body_bytes = s->data_left;
	if (s->ends) {
		out->flags |= MSG_END;
		end_side(st, stream, dir);
	}
	return (ssize_t)used;
}

/* RFC 9113 7, the error types of exchanges that end with them. */
static struct slice reset_name(uint32_t code)
{
	static const char *const names[] = {
		"no_error",
		"protocol_error",
		"internal_error",
		"flow_control_error",
		"settings_timeout",
		"stream_closed",
		"frame_size_error",
		"refused_stream",
		"cancel",
		"compression_error",
		"connect_error",
		"enhance_your_calm",
		"inadequate_security",
		"http_1_1_required",
	};

	return slice_str(code < sizeof(names) / sizeof(names[0]) ? names[code] : "unknown_error");
}

static void describe_reset(const struct http2_stream *s, enum proto_dir dir, uint32_t code,
			   struct msg *out)
{
	bool gave_up = code == NGHTTP2_NO_ERROR || (dir == PROTO_REQUEST && code == NGHTTP2_CANCEL);

	if (s->is_grpc) {
		out->proto = PROTO_GRPC;
		set_grpc_status(out, dir == PROTO_REQUEST ? grpc_status_of_reset(NGHTTP2_CANCEL)
							  : grpc_status_of_reset(code));
		if (dir == PROTO_REQUEST)
			out->late_text = SLICE("DEADLINE_EXCEEDED");
	} else if (!gave_up) {
		out->status_text = reset_name(code);
		out->flags |= MSG_ERROR;
	}
}

/* The stream is over for both ends, RFC 9113 6.4. */
static ssize_t parse_reset(struct http2 *st, enum proto_dir dir, const struct http2_frame *f,
			   struct slice in, struct msg *out)
{
	struct http2_stream *s;
	uint32_t code;

	if (in.n < HTTP2_FRAME_HEAD + 4)
		return 0;
	memcpy(&code, in.p + HTTP2_FRAME_HEAD, sizeof(code));
	code = __builtin_bswap32(code);
	s = dir == PROTO_REQUEST ? http2_stream_get(&st->streams, f->id) : answer(st, f->id);
	if (!s || (dir == PROTO_REQUEST && !s->is_asked))
		return HTTP2_FRAME_HEAD + 4;
	if (!s->ended[PROTO_RESPONSE]) {
		out->id = f->id;
		describe_reset(s, dir, code, out);
		if (s->is_asked || s->is_answered)
			out->flags |= MSG_RESET;
		else /* seen before its request */
			out->flags |= MSG_BEGIN | MSG_END;
	}
	end_side(st, s, PROTO_RESPONSE);
	return HTTP2_FRAME_HEAD + 4;
}

static void describe_refusal(enum proto_id id, struct msg *out)
{
	const struct http2_stream s = { .is_grpc = id == PROTO_GRPC };

	describe_reset(&s, PROTO_RESPONSE, NGHTTP2_REFUSED_STREAM, out);
}

/* Of the streams that the client opened, those above the last one that the server names were not
 * processed and never will be, RFC 9113 6.8. A shutdown in good order names first the highest that
 * there can be, then the one it is: never a higher one than before, and not one after another. */
static ssize_t parse_goaway(struct http2 *st, const struct http2_frame *f, struct slice in,
			    struct msg *out)
{
	struct http2_streams *ss = &st->streams;
	uint32_t last;

	if (in.n < HTTP2_FRAME_HEAD + GOAWAY_LEAST)
		return 0;
	memcpy(&last, in.p + HTTP2_FRAME_HEAD, sizeof(last));
	last = __builtin_bswap32(last) & HTTP2_ID_MASK;
	if ((!ss->refused_from || last + 1 < ss->refused_from) &&
	    ss->n_refusals < HTTP2_REFUSALS_MAX) {
		out->refused_from = ss->refused_from = last + 1;
		ss->n_refusals++;
	}
	out->skip = f->len - GOAWAY_LEAST;
	return HTTP2_FRAME_HEAD + GOAWAY_LEAST;
}

/* What one end says it takes bounds what the other one sends, once it has heard of it: so bounds
 * here only widen. */
static ssize_t parse_settings(struct http2 *st, enum proto_dir dir, const struct http2_frame *f,
			      struct slice in)
{
	struct http2_side *other = &st->side[!dir];
	size_t end = HTTP2_FRAME_HEAD + f->len;

	if (in.n < end)
		return 0;
	for (size_t at = HTTP2_FRAME_HEAD; at < end; at += 6) {
		uint32_t value;

		memcpy(&value, in.p + at + 2, sizeof(value));
		value = __builtin_bswap32(value);
		if ((in.p[at] << 8 | in.p[at + 1]) == NGHTTP2_SETTINGS_MAX_FRAME_SIZE &&
		    value > frame_max(other) && value <= HTTP2_LENGTH_MAX)
			other->frame_max = value;
	}
	return (ssize_t)end;
}

static ssize_t parse_frame(struct http2 *st, enum proto_dir dir, struct slice in, struct msg *out)
{
	struct http2_side *s = &st->side[dir];
	struct http2_frame f;

	if (in.n < HTTP2_FRAME_HEAD)
		return 0;
	http2_frame_read(in.p, &f);
	if (f.type <= NGHTTP2_CONTINUATION) {
		/* flags that are not defined are ignored, RFC 9113 4.1 */
		struct http2_frame known = f;

		if (f.type != NGHTTP2_DATA && f.type != NGHTTP2_HEADERS &&
		    f.type != NGHTTP2_PUSH_PROMISE)
			known.flags = f.type == NGHTTP2_SETTINGS ? f.flags & NGHTTP2_FLAG_ACK : 0;
		else
			known.flags &= NGHTTP2_FLAG_PADDED | NGHTTP2_FLAG_PRIORITY;
		if (f.type != NGHTTP2_HEADERS)
			known.flags &= (uint8_t)~NGHTTP2_FLAG_PRIORITY;
		if (!http2_frame_may_be(&known, dir, frame_max(s)))
			return fail(s, -EBADMSG);
	} else if (f.len > frame_max(s)) {
		return fail(s, -EBADMSG);
	}
	switch (f.type) {
	case NGHTTP2_HEADERS:
	case NGHTTP2_PUSH_PROMISE: return parse_block(st, dir, &f, in, out);
	case NGHTTP2_DATA: return parse_data(st, dir, &f, in, out);
	case NGHTTP2_RST_STREAM: return parse_reset(st, dir, &f, in, out);
	case NGHTTP2_SETTINGS: return parse_settings(st, dir, &f, in);
	case NGHTTP2_GOAWAY:
		if (dir == PROTO_RESPONSE)
			return parse_goaway(st, &f, in, out);
		break; /* of streams that the server opened */
	default: break;
	}
	out->skip = f.len;
	return HTTP2_FRAME_HEAD;
}

static ssize_t http2_parse(void *state, enum proto_dir dir, struct slice in, struct msg *out)
{
	struct http2 *st = state;
	struct http2_side *s = &st->side[dir];
	struct slice preface = HTTP2_PREFACE;

	if (in.n == 0)
		return 0;
	switch ((enum http2_phase)s->phase) {
	case HTTP2_START:
		s->phase = HTTP2_FRAMES;
		if (dir == PROTO_REQUEST && slice_starts(in, preface))
			return (ssize_t)preface.n;
		if (dir == PROTO_REQUEST && slice_starts(preface, in)) {
			s->phase = HTTP2_START;
			return 0;
		}
		return parse_frame(st, dir, in, out);
	case HTTP2_FRAMES: return parse_frame(st, dir, in, out);
	case HTTP2_DATA: return parse_messages(st, dir, in, 0, out);
	case HTTP2_LOST:
	case HTTP2_FAILED: break;
	}
	return -EBADMSG;
}

/* Of a block of which a frame's head is there, the length is known: what is there is told, and the
 * rest passed over. */
static int http2_gap(void *state, enum proto_dir dir, uint64_t len)
{
	struct http2_side *s = &((struct http2 *)state)->side[dir];

	if (s->phase == HTTP2_FRAMES && s->seen >= s->walked + HTTP2_FRAME_HEAD) {
		s->is_cut = true;
		return 1;
	}
	s->phase = HTTP2_LOST;
	s->walked = s->seen = 0;
	return -EBADMSG;
}

static size_t http2_resync(void *state, enum proto_dir dir, struct slice in)
{
	struct http2 *st = state;
	struct http2_side *s = &st->side[dir];
	size_t at = http2_find_frame(in, dir, frame_max(s), s->phase == HTTP2_FAILED);

	if (at == in.n && s->phase != HTTP2_FAILED &&
	    http2_stream_get(&st->streams, http2_bulk_of(in, dir, frame_max(s))))
		at = 0;
	if (at < in.n) {
		s->phase = HTTP2_FRAMES;
		s->walked = s->seen = 0;
		http2_hpack_forget(&s->hpack);
	}
	return at;
}

static bool http2_end(void *state, enum proto_dir dir)
{
	return false; /* only END_STREAM ends a message */
}

static void http2_joined(void *state)
{
	struct http2 *st = state;

	for (int d = 0; d < 2; d++) {
		st->side[d].frame_max = HTTP2_LENGTH_MAX;
		http2_hpack_forget(&st->side[d].hpack);
	}
}

/* RFC 7540 3.2: what was asked in HTTP/1.1 is stream 1. */
static void http2_upgraded(void *state, struct msg *out)
{
	struct http2 *st = state;
	struct http2_stream *s = ask(st, 1, NULL);

	if (s)
		s->ended[PROTO_REQUEST] = true;
	out->id = 1;
	out->version = SLICE("2");
	out->proto = PROTO_HTTP1;
}

static void http2_close(void *state)
{
	struct http2 *st = state;

	for (int d = 0; d < 2; d++)
		http2_hpack_free(&st->side[d].hpack);
	http2_streams_free(&st->streams);
}

const struct proto proto_http2 = {
	.name = "http2",
	.id = PROTO_HTTP2,
	.kind = KIND_WEB,
	.match = MATCH_MULTIPLEXED,
	.state_size = sizeof(struct http2),
	.detect = http2_detect,
	.parse = http2_parse,
	.gap = http2_gap,
	.resync = http2_resync,
	.resync_keep = HTTP2_RESYNC_KEEP,
	.end = http2_end,
	.joined = http2_joined,
	.upgraded = http2_upgraded,
	.refuse = describe_refusal,
	.close = http2_close,
};
