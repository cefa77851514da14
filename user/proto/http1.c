/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1.0 and HTTP/1.1 framing, RFC 9112: which bytes are a head, which its body, and where the
 * next message begins. A response's framing depends on its request, so the requests that are
 * outstanding are remembered, one bit each.
 */
#include "proto/http1.h"

#include <errno.h>
#include "proto/grpc.h"
#include "proto/http1_parts.h"

struct http1 {
	struct http1_side side[2];
	uint32_t requests; /* heads seen, and answered: modulo 2^32, the difference outstanding */
	uint32_t responses;
	uint32_t connect_at; /* number of the last request that was CONNECT, and that */
	uint32_t upgrade_at; /* may end HTTP on this connection */
	bool has_connect, has_upgrade;
	bool is_missed;				  /* the oldest outstanding was never seen */
	uint64_t is_head[HTTP1_OUTSTANDING / 64]; /* ring by number: HEAD, no body in the answer */
};

_Static_assert(sizeof(struct http1) <= 256, "one for each connection");

enum body { BODY_NONE, BODY_LENGTH, BODY_CHUNKED, BODY_TO_CLOSE, BODY_UNKNOWN };

static int fail(struct http1_side *s, int err)
{
	*s = (struct http1_side){ .phase = HTTP1_FAILED };
	return err;
}

static void set_is_head(struct http1 *st, uint32_t number, bool is_head)
{
	uint64_t bit = 1ULL << (number % 64),
		 *word = &st->is_head[number / 64 % (HTTP1_OUTSTANDING / 64)];

	*word = is_head ? *word | bit : *word & ~bit;
}

static bool is_head(const struct http1 *st, uint32_t number)
{
	return st->is_head[number / 64 % (HTTP1_OUTSTANDING / 64)] >> (number % 64) & 1;
}

static void remember_request(struct http1 *st, const struct http1_head *h)
{
	uint32_t number = st->requests++;

	set_is_head(st, number, slice_eq(h->method, SLICE("HEAD")));
	if (slice_eq(h->method, SLICE("CONNECT"))) {
		st->has_connect = true;
		st->connect_at = number;
	}
	if (h->is_upgrade || slice_eq(h->method, SLICE("CONNECT"))) {
		st->has_upgrade = true;
		st->upgrade_at = number;
	}
}

static void forget_request(struct http1 *st)
{
	uint32_t number = st->responses;

	if (number == st->requests)
		return;
	if (st->has_connect && st->connect_at == number)
		st->has_connect = false;
	if (st->has_upgrade && st->upgrade_at == number)
		st->has_upgrade = false;
	st->responses++;
}

static void take_back_missed(struct http1 *st)
{
	if (st->is_missed)
		st->responses++;
	st->is_missed = false;
}

static enum body request_body(const struct http1_head *h)
{
	switch (http1_last_coding(h->transfer_encoding)) {
	case HTTP1_CHUNKED: return BODY_CHUNKED; /* overrides a length, RFC 9112 6.3 */
	case HTTP1_OTHER_CODING: return BODY_UNKNOWN;
	case HTTP1_IDENTITY: break;
	}
	if (h->is_length_bad)
		return BODY_UNKNOWN;
	return h->has_length ? BODY_LENGTH : BODY_NONE;
}

static enum body response_body(const struct http1_head *h, bool answers_head)
{
	if (answers_head || h->status < 200 || h->status == 204 || h->status == 304)
		return BODY_NONE;
	switch (http1_last_coding(h->transfer_encoding)) {
	case HTTP1_CHUNKED: return BODY_CHUNKED;
	case HTTP1_OTHER_CODING: return BODY_TO_CLOSE;
	case HTTP1_IDENTITY: break;
	}
	if (h->is_length_bad)
		return BODY_UNKNOWN;
	return h->has_length ? BODY_LENGTH : BODY_TO_CLOSE;
}

static void frame(struct http1_side *s, enum body body, const struct http1_head *h, struct msg *out)
{
	*s = (struct http1_side){ .phase = HTTP1_HEAD };
	switch (body) {
	case BODY_NONE: out->flags |= MSG_END; break;
	case BODY_LENGTH:
		out->flags |= MSG_END;
		out->skip = out->body_bytes = h->content_length;
		if (h->asks_first)
			out->flags |= MSG_ASKS;
		break;
	case BODY_CHUNKED:
		s->phase = HTTP1_CHUNK;
		s->may_refrain = h->asks_first;
		break;
	case BODY_TO_CLOSE:
		s->phase = HTTP1_TO_CLOSE;
		out->flags |= MSG_LAST;
		out->skip = UINT64_MAX;
		break;
	case BODY_UNKNOWN:
		s->phase = HTTP1_LOST;
		out->flags |= MSG_CUT;
		break;
	}
}

/* gRPC-Web: the status is in the head of a response without messages; else in the last bytes of its
 * body, which are not looked at. */
static void describe_call(const struct http1_head *h, enum proto_dir dir, struct msg *out)
{
	int status = grpc_status(h->grpc_status);

	if (!h->is_grpc_web)
		return;
	out->proto = PROTO_GRPC;
	out->system = SLICE("grpc");
	if (dir == PROTO_REQUEST || (status < 0 && h->status < 300))
		return;
	if (status < 0)
		status = grpc_status_of_http(h->status);
	out->status_text = grpc_status_name(status);
	if (status)
		out->flags |= MSG_ERROR;
}

static void found_request(struct http1 *st, const struct http1_head *h, bool is_cut,
			  struct msg *out)
{
	remember_request(st, h);
	describe_call(h, PROTO_REQUEST, out);
	if (!context_traceparent(out->traceparent, &out->context))
		context_b3(&h->b3, &out->context);
	frame(&st->side[PROTO_REQUEST], is_cut ? BODY_UNKNOWN : request_body(h), h, out);
}

static void found_response(struct http1 *st, const struct http1_head *h, bool is_cut,
			   struct msg *out)
{
	struct http1_side *s = &st->side[PROTO_RESPONSE];
	bool is_interim = h->status < 200 && h->status != 101;
	bool is_outstanding = st->responses != st->requests;
	bool answers_connect = is_outstanding && st->has_connect && st->connect_at == st->responses;
	bool answers_head = is_outstanding && is_head(st, st->responses);
	enum body body = response_body(h, answers_head);

	out->status = h->status;
	describe_call(h, PROTO_RESPONSE, out);
	if (h->status == 101 && h->is_h2c) { /* RFC 7540 3.2 */
		out->flags |= MSG_INTERIM | MSG_END;
		out->next = PROTO_HTTP2;
		return;
	}
	if (h->status >= 500 && h->status < 600)
		out->flags |= MSG_ERROR;
	if (is_interim) { /* whose the next one is will be said anew */
		out->flags |= MSG_INTERIM;
		take_back_missed(st);
	} else {
		forget_request(st);
		st->is_missed = false;
	}
	if (h->status == 101 || (answers_connect && h->status >= 200 && h->status < 300)) {
		/* RFC 9110 7.8 and 9.3.6 */
		out->flags |= MSG_UPGRADE | MSG_END;
		/* a 101 names the one protocol it switches to */
		if (h->status == 101 && h->is_websocket)
			out->flags |= MSG_WEBSOCKET;
		st->side[PROTO_REQUEST] = st->side[PROTO_RESPONSE] =
			(struct http1_side){ .phase = HTTP1_UPGRADED };
		return;
	}
	if (h->is_event_stream && body != BODY_NONE)
		out->flags |= MSG_STREAM;
	frame(s, is_cut ? BODY_UNKNOWN : body, h, out);
}

static void describe(const struct http1_head *h, struct msg *out)
{
	out->flags = MSG_BEGIN;
	out->version = h->version;
	out->method = h->method;
	out->target = h->target;
	out->host = h->host;
	out->request_id = h->request_id;
	if (!h->has_two_parents) {
		out->traceparent = h->traceparent;
		out->tracestate = h->tracestate;
	}
	if (h->connection.n && http1_list_has(h->connection, SLICE("close")))
		out->flags |= MSG_LAST;
}

/* Has the head at hand been searched as far as it goes, without its end? Each byte is looked at
 * once, however often we are called, and the head is read only when it is complete. */
static bool is_incomplete(struct http1_side *s, struct slice in)
{
	if (s->scanned == 0)
		return false;
	if (s->is_line_checked)
		return http1_empty_line(in, &s->scanned) == 0;
	if (memchr(in.p + s->scanned, '\n', in.n - s->scanned))
		return false;
	s->scanned = (uint32_t)in.n;
	return true;
}

/* Not at a request: unless a request that may have ended HTTP is still to be answered, when these
 * may be the first bytes of what follows it. */
static ssize_t bad_start(struct http1 *st, struct http1_side *s, enum proto_dir dir)
{
	if (dir == PROTO_REQUEST && st->has_upgrade)
		return 0;
	return fail(s, -EBADMSG);
}

static ssize_t parse_head(struct http1 *st, enum proto_dir dir, struct slice in, struct msg *out)
{
	struct http1_side *s = &st->side[dir];
	bool is_cut = s->phase == HTTP1_CUT;
	struct http1_head h = { 0 };
	struct slice line;
	size_t next, end, lead = http1_leading_lines(in);

	if (lead || (in.n == 1 && in.p[0] == '\r'))
		return (ssize_t)lead;
	if (!is_cut && is_incomplete(s, in))
		return in.n > HTTP1_HEAD_MAX ? fail(s, -EMSGSIZE) : 0;
	if (!http1_line(in, 0, &line, &next)) {
		if (!http1_may_begin(in, dir))
			return bad_start(st, s, dir);
		s->scanned = (uint32_t)in.n;
		return in.n > HTTP1_HEAD_MAX ? fail(s, -EMSGSIZE) : 0;
	}
	if (http1_start_line(line, dir, &h) < 0)
		return bad_start(st, s, dir);
	s->is_line_checked = true;
	end = http1_fields(in, next, &h);
	if (!end && !is_cut) {
		s->scanned = (uint32_t)in.n;
		return in.n > HTTP1_HEAD_MAX ? fail(s, -EMSGSIZE) : 0;
	}
	if (dir == PROTO_REQUEST && st->requests - st->responses >= HTTP1_OUTSTANDING)
		return fail(s, -EOVERFLOW);
	describe(&h, out);
	if (dir == PROTO_REQUEST)
		found_request(st, &h, is_cut, out);
	else
		found_response(st, &h, is_cut, out);
	return (ssize_t)(end ? end : in.n);
}

/* Instead of the first chunk, of a request that has asked whether to send any (RFC 9110, 10.1.1),
 * may be the next request: 1 it is, 0 not to be told yet, -1 it is not. */
static int is_next_instead(struct http1_side *s, enum proto_dir dir, struct slice in)
{
	int is_next = s->phase == HTTP1_CHUNK && s->may_refrain ? http1_detect(in, dir) : -1;

	if (is_next)
		s->may_refrain = false;
	if (is_next > 0)
		*s = (struct http1_side){ .phase = HTTP1_HEAD };
	return is_next;
}

static ssize_t http1_parse(void *state, enum proto_dir dir, struct slice in, struct msg *out)
{
	struct http1 *st = state;
	struct http1_side *s = &st->side[dir];
	ssize_t r;

	if (in.n == 0 || is_next_instead(s, dir, in) == 0)
		return 0;
	switch ((enum http1_phase)s->phase) {
	case HTTP1_CHUNK:
	case HTTP1_CHUNK_DATA:
	case HTTP1_TRAILERS:
	case HTTP1_ADRIFT:
		r = http1_chunked(s, dir, in, out);
		if (r < 0)
			return fail(s, (int)r);
		if (r > 0 || s->phase != HTTP1_HEAD)
			return r;
		return parse_head(st, dir, in, out);
	case HTTP1_HEAD:
	case HTTP1_CUT: return parse_head(st, dir, in, out);
	case HTTP1_TO_CLOSE:
	case HTTP1_UPGRADED:
		out->body_bytes = s->phase == HTTP1_TO_CLOSE ? in.n : 0;
		out->skip = UINT64_MAX;
		return (ssize_t)in.n;
	case HTTP1_LOST:
	case HTTP1_FAILED: break;
	}
	return -EBADMSG;
}

static int http1_gap(void *state, enum proto_dir dir, uint64_t len)
{
	struct http1_side *s = &((struct http1 *)state)->side[dir];

	switch ((enum http1_phase)s->phase) {
	case HTTP1_CHUNK:
	case HTTP1_CHUNK_DATA:
	case HTTP1_TRAILERS:
	case HTTP1_ADRIFT: return http1_chunked_gap(s, len);
	case HTTP1_TO_CLOSE:
	case HTTP1_UPGRADED: return 0;
	case HTTP1_HEAD:
		if (s->is_line_checked) {
			s->phase = HTTP1_CUT;
			return 1;
		}
		break;
	case HTTP1_CUT:
	case HTTP1_LOST:
	case HTTP1_FAILED: break;
	}
	*s = (struct http1_side){ .phase = HTTP1_LOST };
	return -EBADMSG;
}

static size_t http1_resync(void *state, enum proto_dir dir, struct slice in)
{
	struct http1 *st = state;
	struct http1_side *s = &st->side[dir];
	size_t at = http1_find_start(in, dir, s->phase == HTTP1_FAILED);

	if (at < in.n)
		*s = (struct http1_side){ .phase = HTTP1_HEAD };
	if (at < in.n && dir == PROTO_RESPONSE)
		take_back_missed(st);
	return at;
}

static bool http1_end(void *state, enum proto_dir dir)
{
	enum http1_phase phase = ((struct http1 *)state)->side[dir].phase;

	/* adrift: the end lay in the hole, or else nothing could have followed */
	return phase == HTTP1_TO_CLOSE || phase == HTTP1_ADRIFT;
}

static bool http1_awaits_request(const void *state)
{
	const struct http1 *st = state;

	return st->responses == st->requests;
}

static void http1_drop_requests(void *state, uint32_t n)
{
	while (n-- && !http1_awaits_request(state))
		forget_request(state);
}

static void http1_miss_request(void *state)
{
	struct http1 *st = state;

	if (st->is_missed || st->requests - st->responses >= HTTP1_OUTSTANDING)
		return;
	st->is_missed = true;
	st->responses--;
	set_is_head(st, st->responses, false);
}

const struct proto proto_http1 = {
	.name = "http",
	.id = PROTO_HTTP1,
	.match = MATCH_FIFO,
	.state_size = sizeof(struct http1),
	.detect = http1_detect,
	.parse = http1_parse,
	.gap = http1_gap,
	.resync = http1_resync,
	.resync_keep = HTTP1_LINE_MAX,
	.end = http1_end,
	.awaits_request = http1_awaits_request,
	.drop_requests = http1_drop_requests,
	.miss_request = http1_miss_request,
};
