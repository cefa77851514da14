// SPDX-License-Identifier: Apache-2.0
/* What the fields of a message say, RFC 9113 8.3. */
#include <string.h>

#include "proto/http2_parts.h"
#include "proto/http_field.h"

enum {
	HEAD_METHOD_MAX = 31, /* what a transaction takes of each */
	HEAD_TARGET_MAX = 1024,
	HEAD_HOST_MAX = 255,
	HEAD_ID_MAX = 128,
	HEAD_PARENT_MAX = 128,
	HEAD_STATE_MAX = 512,
	HEAD_B3_MAX = 80, /* the longest form of each of the five */
};

_Static_assert(HEAD_METHOD_MAX + HEAD_TARGET_MAX + 2 * HEAD_HOST_MAX + HEAD_ID_MAX +
			       HEAD_PARENT_MAX + HEAD_STATE_MAX + 5 * HEAD_B3_MAX <
		       MSG_ROOM,
	       "each once");

/* Keeps the first value: the texts are the inflater's until its next step. */
static void keep(struct http2_head *h, struct slice *out, struct slice value, size_t max)
{
	char *to = h->out->room + h->room_used;

	if (out->n || value.n == 0)
		return;
	if (value.n > max)
		value.n = max;
	memcpy(to, value.p, value.n);
	*out = (struct slice){ (uint8_t *)to, value.n };
	h->room_used += value.n;
}

/* A better request id takes the room of the one before. */
static void keep_id(struct http2_head *h, struct slice value, uint8_t rank)
{
	struct slice *id = &h->out->request_id;

	if (value.n == 0 || rank <= h->request_id_rank)
		return;
	h->request_id_rank = rank;
	if (value.n > HEAD_ID_MAX)
		value.n = HEAD_ID_MAX;
	if (!id->n) {
		id->p = (uint8_t *)h->out->room + h->room_used;
		h->room_used += HEAD_ID_MAX;
	}
	memcpy(h->out->room + (id->p - (uint8_t *)h->out->room), value.p, value.n);
	id->n = value.n;
}

static int status_of(struct slice value)
{
	if (value.n != 3 || value.p[0] < '1' || value.p[0] > '9')
		return 0;
	for (int i = 1; i < 3; i++)
		if (value.p[i] < '0' || value.p[i] > '9')
			return 0;
	return (value.p[0] - '0') * 100 + (value.p[1] - '0') * 10 + value.p[2] - '0';
}

void http2_field(struct http2_head *h, struct slice name, struct slice value)
{
	struct msg *out = h->out;
	uint8_t rank;

	if (name.n == 0) {
		h->has_unknown = true;
		return;
	}
	switch (http_field_find(name, &rank)) {
	case HTTP_FIELD_METHOD: keep(h, &out->method, value, HEAD_METHOD_MAX); break;
	case HTTP_FIELD_PATH: keep(h, &out->target, value, HEAD_TARGET_MAX); break;
	case HTTP_FIELD_AUTHORITY: keep(h, &out->host, value, HEAD_HOST_MAX); break;
	case HTTP_FIELD_HOST: keep(h, &h->host, value, HEAD_HOST_MAX); break;
	case HTTP_FIELD_STATUS: h->status = status_of(value); break;
	case HTTP_FIELD_PROTOCOL: h->is_websocket = slice_ieq(value, SLICE("websocket")); break;
	case HTTP_FIELD_CONTENT_TYPE:
		h->has_type = true;
		h->is_grpc = grpc_is_type(value);
		h->is_event_stream = http_type_is(value, SLICE("text/event-stream"));
		break;
	case HTTP_FIELD_TRACEPARENT:
		/* two of them name no parent, W3C Trace Context 3.2 */
		h->has_two_parents |= out->traceparent.n > 0;
		keep(h, &out->traceparent, value, HEAD_PARENT_MAX);
		break;
	case HTTP_FIELD_TRACESTATE: keep(h, &out->tracestate, value, HEAD_STATE_MAX); break;
	case HTTP_FIELD_B3: keep(h, &h->b3.single, value, HEAD_B3_MAX); break;
	case HTTP_FIELD_B3_TRACE_ID: keep(h, &h->b3.trace_id, value, HEAD_B3_MAX); break;
	case HTTP_FIELD_B3_SPAN_ID: keep(h, &h->b3.span_id, value, HEAD_B3_MAX); break;
	case HTTP_FIELD_B3_SAMPLED: keep(h, &h->b3.sampled, value, HEAD_B3_MAX); break;
	case HTTP_FIELD_B3_FLAGS: keep(h, &h->b3.flags, value, HEAD_B3_MAX); break;
	case HTTP_FIELD_REQUEST_ID: keep_id(h, value, rank); break;
	case HTTP_FIELD_GRPC_STATUS: h->grpc_status = grpc_status(value); break;
	case HTTP_FIELD_GRPC_TIMEOUT: out->timeout_ns = grpc_timeout(value); break;
	default: break;
	}
}
