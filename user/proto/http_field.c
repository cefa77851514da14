// SPDX-License-Identifier: Apache-2.0
#include "proto/http_field.h"

#include <string.h>

struct field {
	const char *name; /* NULL: no more of them */
	uint8_t id, rank;
};

/* Those of each length. */
static const struct field *const fields[] = {
#define FIELD(name, id, rank)               \
	{                                   \
		name, HTTP_FIELD_##id, rank \
	}
#define NONE               \
	{                  \
		NULL, 0, 0 \
	}
#define OF_LENGTH(n, ...)            \
	[n] = (const struct field[]) \
	{                            \
		__VA_ARGS__, NONE    \
	}
	OF_LENGTH(2, FIELD("b3", B3, 0)),
	OF_LENGTH(4, FIELD("host", HOST, 0)),
	OF_LENGTH(5, FIELD(":path", PATH, 0)),
	OF_LENGTH(6, FIELD("cf-ray", REQUEST_ID, 1), FIELD("expect", EXPECT, 0)),
	OF_LENGTH(7, FIELD(":method", METHOD, 0), FIELD(":status", STATUS, 0),
		  FIELD("upgrade", UPGRADE, 0)),
	OF_LENGTH(9, FIELD(":protocol", PROTOCOL, 0)),
	OF_LENGTH(10, FIELD("connection", CONNECTION, 0), FIELD("tracestate", TRACESTATE, 0),
		  FIELD("request-id", REQUEST_ID, 7), FIELD("x-b3-flags", B3_FLAGS, 0),
		  FIELD(":authority", AUTHORITY, 0)),
	OF_LENGTH(11, FIELD("traceparent", TRACEPARENT, 0), FIELD("x-b3-spanid", B3_SPAN_ID, 0),
		  FIELD("grpc-status", GRPC_STATUS, 0)),
	OF_LENGTH(12, FIELD("content-type", CONTENT_TYPE, 0), FIELD("x-request-id", REQUEST_ID, 9),
		  FIELD("x-b3-traceid", B3_TRACE_ID, 0), FIELD("x-b3-sampled", B3_SAMPLED, 0),
		  FIELD("grpc-timeout", GRPC_TIMEOUT, 0)),
	OF_LENGTH(14, FIELD("content-length", CONTENT_LENGTH, 0),
		  FIELD("correlation-id", REQUEST_ID, 6)),
	OF_LENGTH(15, FIELD("x-amzn-trace-id", REQUEST_ID, 2),
		  FIELD("x-ms-request-id", REQUEST_ID, 3)),
	OF_LENGTH(16, FIELD("x-correlation-id", REQUEST_ID, 8),
		  FIELD("x-amzn-requestid", REQUEST_ID, 5),
		  FIELD("x-amz-request-id", REQUEST_ID, 4)),
	OF_LENGTH(17, FIELD("transfer-encoding", TRANSFER_ENCODING, 0)),
#undef OF_LENGTH
#undef NONE
#undef FIELD
};

enum { FIELD_MAX = sizeof(fields) / sizeof(fields[0]) - 1 };

enum http_field http_field_find(struct slice name, uint8_t *rank)
{
	const struct field *f = name.n <= FIELD_MAX ? fields[name.n] : NULL;

	*rank = 0;
	for (; f && f->name; f++) {
		/* the first letter tells most of them apart; as slice_ieq() folds it */
		if ((name.p[0] | 0x20) != (f->name[0] | 0x20) ||
		    !slice_ieq(name, (struct slice){ (const uint8_t *)f->name, name.n }))
			continue;
		*rank = f->rank;
		return (enum http_field)f->id;
	}
	return HTTP_FIELD_OTHER;
}

const char *http_field_name(size_t i)
{
	for (size_t n = 0; n <= FIELD_MAX; n++)
		for (const struct field *f = fields[n]; f && f->name; f++)
			if (!i--)
				return f->name;
	return NULL;
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
