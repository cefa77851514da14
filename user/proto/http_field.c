// SPDX-License-Identifier: Apache-2.0
#include "proto/http_field.h"

#include <string.h>

/* By length. */
static const struct {
	const char *name;
	uint8_t len, id, rank;
} fields[] = {
#define FIELD(name, id, rank)                                 \
	{                                                     \
		name, sizeof(name) - 1, HTTP_FIELD_##id, rank \
	}
	FIELD("b3", B3, 0),
	FIELD("host", HOST, 0),
	FIELD(":path", PATH, 0),
	FIELD("cf-ray", REQUEST_ID, 1),
	FIELD(":method", METHOD, 0),
	FIELD(":status", STATUS, 0),
	FIELD("upgrade", UPGRADE, 0),
	FIELD(":protocol", PROTOCOL, 0),
	FIELD("connection", CONNECTION, 0),
	FIELD("tracestate", TRACESTATE, 0),
	FIELD("request-id", REQUEST_ID, 7),
	FIELD("x-b3-flags", B3_FLAGS, 0),
	FIELD(":authority", AUTHORITY, 0),
	FIELD("traceparent", TRACEPARENT, 0),
	FIELD("x-b3-spanid", B3_SPAN_ID, 0),
	FIELD("grpc-status", GRPC_STATUS, 0),
	FIELD("content-type", CONTENT_TYPE, 0),
	FIELD("x-request-id", REQUEST_ID, 9),
	FIELD("x-b3-traceid", B3_TRACE_ID, 0),
	FIELD("x-b3-sampled", B3_SAMPLED, 0),
	FIELD("grpc-timeout", GRPC_TIMEOUT, 0),
	FIELD("content-length", CONTENT_LENGTH, 0),
	FIELD("correlation-id", REQUEST_ID, 6),
	FIELD("x-amzn-trace-id", REQUEST_ID, 2),
	FIELD("x-ms-request-id", REQUEST_ID, 3),
	FIELD("x-correlation-id", REQUEST_ID, 8),
	FIELD("x-amzn-requestid", REQUEST_ID, 5),
	FIELD("x-amz-request-id", REQUEST_ID, 4),
	FIELD("transfer-encoding", TRANSFER_ENCODING, 0),
#undef FIELD
};

enum { N_FIELDS = sizeof(fields) / sizeof(fields[0]), FIELD_MAX = 17 };

enum http_field http_field_find(struct slice name, uint8_t *rank)
{
	static const bool first[256] = {
		['b'] = true, ['B'] = true, ['c'] = true, ['h'] = true, ['r'] = true, ['t'] = true,
		['u'] = true, ['x'] = true, ['C'] = true, ['H'] = true, ['R'] = true, ['T'] = true,
		['U'] = true, ['X'] = true, ['g'] = true, ['G'] = true, [':'] = true,
	};

	*rank = 0;
	if (name.n == 0 || name.n > FIELD_MAX || !first[name.p[0]])
		return HTTP_FIELD_OTHER;
	for (int i = 0; i < N_FIELDS && fields[i].len <= name.n; i++) {
		if (fields[i].len != name.n ||
		    !slice_ieq(name, (struct slice){ (const uint8_t *)fields[i].name, name.n }))
			continue;
		*rank = fields[i].rank;
		return (enum http_field)fields[i].id;
	}
	return HTTP_FIELD_OTHER;
}

bool http_type_is(struct slice content_type, struct slice type)
{
	const uint8_t *end = memchr(content_type.p, ';', content_type.n);

	if (end)
		content_type.n = (size_t)(end - content_type.p);
	while (content_type.n && (content_type.p[content_type.n - 1] == ' ' ||
				  content_type.p[content_type.n - 1] == '\t'))
		content_type.n--;
	return slice_ieq(content_type, type);
}
