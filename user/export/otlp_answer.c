/* SPDX-License-Identifier: Apache-2.0 */
#include "export/otlp_answer.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include "export/otlp_in.h"
#include "util/protobuf.h"
#include "util/clock.h"

/* https://github.com/grpc/grpc/blob/master/doc/statuscodes.md */
enum {
	GRPC_OK = 0,
	GRPC_CANCELLED = 1,
	GRPC_DEADLINE_EXCEEDED = 4,
	GRPC_RESOURCE_EXHAUSTED = 8,
	GRPC_ABORTED = 10,
	GRPC_OUT_OF_RANGE = 11,
	GRPC_UNAVAILABLE = 14,
	GRPC_DATA_LOSS = 15,
};

#define RETRY_INFO "type.googleapis.com/google.rpc.RetryInfo"

/* A message for a terminal: what is no printable ASCII becomes a question mark. */
static void say(struct otlp_verdict *out, struct slice text)
{
	size_t n = text.n < sizeof(out->why) - 1 ? text.n : sizeof(out->why) - 1;

	for (size_t i = 0; i < n; i++)
		out->why[i] = text.p[i] >= 0x20 && text.p[i] < 0x7f ? (char)text.p[i] : '?';
	out->why[n] = '\0';
}

/* Export*PartialSuccess{ rejected = 1, error_message = 2 }, in the field 1 of the response. An
 * empty one, which real collectors send, means nothing. */
static void partial_protobuf(struct slice body, struct otlp_verdict *out)
{
	struct protobuf_field f;

	while (protobuf_next(&body, &f) > 0) {
		struct slice inner = f.bytes;
		struct protobuf_field g;

		if (f.number != 1 || f.kind != PROTOBUF_BYTES)
			continue;
		while (protobuf_next(&inner, &g) > 0) {
			if (g.number == 1 && g.kind == PROTOBUF_VARINT && (int64_t)g.value > 0)
				out->rejected = g.value;
			else if (g.number == 2 && g.kind == PROTOBUF_BYTES)
				say(out, g.bytes);
		}
	}
}

/* A 64-bit integer of JSON may be a number or a string. */
static uint64_t count(const json_t *v)
{
	long long n =
		json_is_string(v) ? strtoll(json_string_value(v), NULL, 10) : json_integer_value(v);

	return n > 0 ? (uint64_t)n : 0;
}

static void partial_json(struct slice body, struct otlp_verdict *out)
{
	json_t *all = json_loadb((const char *)body.p, body.n, 0, NULL);
	const json_t *partial = json_object_get(all, "partialSuccess");
	const char *why = json_string_value(json_object_get(partial, "errorMessage"));

	out->rejected = count(json_object_get(partial, "rejectedSpans"));
	if (!out->rejected)
		out->rejected = count(json_object_get(partial, "rejectedDataPoints"));
	if (why)
		say(out, slice_str(why));
	json_decref(all);
}

static bool is_later(int http)
{
	return http == 429 || http == 502 || http == 503 || http == 504;
}

static void judge_http(const struct otlp_reply *r, struct otlp_verdict *out)
{
	char text[64];

	if (r->status == 200) {
		out->fate = OTLP_TAKEN;
		if (r->is_json)
			partial_json(r->body, out);
		else
			partial_protobuf(r->body, out);
		return;
	}
	out->fate = is_later(r->status) ? OTLP_LATER : OTLP_REFUSED;
	out->wait_ns = r->retry_after_ns;
	snprintf(text, sizeof(text), "it answers with HTTP status %d", r->status);
	say(out, slice_str(text));
}

/* google.rpc.Status{ details = 3: Any{ type_url = 1, value = 2 } };
 * RetryInfo{ retry_delay = 1: Duration{ seconds = 1, nanos = 2 } } */
static bool retry_info(struct slice status, uint64_t *wait_ns)
{
	struct protobuf_field f, g;
	bool found = false;

	while (protobuf_next(&status, &f) > 0) {
		struct slice any = f.bytes, type = SLICE(""), value = SLICE("");

		if (f.number != 3 || f.kind != PROTOBUF_BYTES)
			continue;
		while (protobuf_next(&any, &g) > 0)
			*(g.number == 1 ? &type : &value) = g.bytes;
		if (!slice_eq(type, SLICE(RETRY_INFO)))
			continue;
		found = true;
		if (protobuf_next(&value, &f) <= 0 || f.number != 1 || f.kind != PROTOBUF_BYTES)
			continue;
		value = f.bytes;
		while (protobuf_next(&value, &g) > 0)
			if (g.kind == PROTOBUF_VARINT && g.value < 1000000000)
				*wait_ns += g.number == 1 ? g.value * NS_PER_S : g.value;
	}
	return found;
}

static enum otlp_fate grpc_fate(const struct otlp_reply *r, uint64_t *wait_ns)
{
	uint8_t bytes[OTLP_DETAILS_MAX];
	bool says_when = retry_info(otlp_in_base64(r->details, bytes), wait_ns);

	switch (r->grpc_status) {
	case GRPC_OK: return OTLP_TAKEN;
	case GRPC_CANCELLED:
	case GRPC_DEADLINE_EXCEEDED:
	case GRPC_ABORTED:
	case GRPC_OUT_OF_RANGE:
	case GRPC_UNAVAILABLE:
	case GRPC_DATA_LOSS: return OTLP_LATER;
	case GRPC_RESOURCE_EXHAUSTED: return says_when ? OTLP_LATER : OTLP_REFUSED;
	default: return OTLP_REFUSED;
	}
}

/* https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md: a byte, which says whether it is
 * compressed, and four of length stand before a message. */
static void judge_grpc(const struct otlp_reply *r, struct otlp_verdict *out)
{
	char text[64];

	if (r->grpc_status == GRPC_NO_STATUS) {
		/* not from a gRPC server: doc/http-grpc-status-mapping.md */
		out->fate = is_later(r->status) ? OTLP_LATER : OTLP_REFUSED;
		out->wait_ns = r->retry_after_ns;
		snprintf(text, sizeof(text), "no gRPC status in its answer (HTTP status %d)",
			 r->status);
		say(out, slice_str(text));
		return;
	}
	out->fate = grpc_fate(r, &out->wait_ns);
	if (out->fate != OTLP_TAKEN) {
		snprintf(text, sizeof(text), "it answers with gRPC status %d", r->grpc_status);
		say(out, slice_str(r->message[0] ? r->message : text));
	} else if (r->body.n > 5 && r->body.p[0] == 0) {
		partial_protobuf((struct slice){ r->body.p + 5, r->body.n - 5 }, out);
	}
}

void otlp_judge(const struct otlp_reply *r, struct otlp_verdict *out)
{
	*out = (struct otlp_verdict){ .fate = OTLP_LATER };
	if (r->status == 0)
		say(out, slice_str(r->message));
	else if (r->is_grpc)
		judge_grpc(r, out);
	else
		judge_http(r, out);
}
