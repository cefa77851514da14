// SPDX-License-Identifier: Apache-2.0
/* https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md and statuscodes.md beside it. */
#include "proto/grpc.h"

#include <string.h>

#include "proto/proto.h"

enum { GRPC_TIMEOUT_DIGITS = 8 };

static const char *const names[] = {
	"OK",
	"CANCELLED",
	"UNKNOWN",
	"INVALID_ARGUMENT",
	"DEADLINE_EXCEEDED",
	"NOT_FOUND",
	"ALREADY_EXISTS",
	"PERMISSION_DENIED",
	"RESOURCE_EXHAUSTED",
	"FAILED_PRECONDITION",
	"ABORTED",
	"OUT_OF_RANGE",
	"UNIMPLEMENTED",
	"INTERNAL",
	"UNAVAILABLE",
	"DATA_LOSS",
	"UNAUTHENTICATED",
};

enum {
	GRPC_CANCELLED = 1,
	GRPC_UNKNOWN = 2,
	GRPC_PERMISSION_DENIED = 7,
	GRPC_RESOURCE_EXHAUSTED = 8,
	GRPC_UNIMPLEMENTED = 12,
	GRPC_INTERNAL = 13,
	GRPC_UNAVAILABLE = 14,
	GRPC_UNAUTHENTICATED = 16,
	GRPC_STATUSES = sizeof(names) / sizeof(names[0]),
};

void grpc_walk(struct grpc_side *g, struct slice in, uint32_t *messages)
{
	while (in.n && !g->is_none) {
		size_t n = g->left < in.n ? g->left : in.n;

		if (!n) {
			g->is_none = !g->n && in.p[0] > 1; /* compressed or not */
			if (g->n) /* behind the byte that says whether it is compressed */
				g->size = g->size << 8 | in.p[0];
			n = 1;
			if (++g->n == GRPC_PREFIX) {
				*g = (struct grpc_side){ .left = g->size };
				++*messages;
			}
		} else {
			g->left -= (uint32_t)n;
		}
		in.p += n;
		in.n -= n;
	}
}

bool grpc_is_message(struct slice first, uint32_t len)
{
	uint32_t size;

	if (first.n < GRPC_PREFIX || len < GRPC_PREFIX || first.p[0] > 1)
		return false;
	memcpy(&size, first.p + 1, sizeof(size));
	return __builtin_bswap32(size) == len - GRPC_PREFIX;
}

bool grpc_is_type(struct slice type)
{
	static const char grpc[] = "application/grpc";
	size_t n = sizeof(grpc) - 1;

	if (type.n < n || !slice_ieq((struct slice){ type.p, n }, SLICE("application/grpc")))
		return false;
	return type.n == n || type.p[n] == '+' || type.p[n] == ';';
}

bool grpc_is_web_type(struct slice type)
{
	struct slice web = SLICE("application/grpc-web");

	return type.n >= web.n && slice_ieq((struct slice){ type.p, web.n }, web);
}

uint64_t grpc_timeout(struct slice value)
{
	uint64_t n = 0;
	size_t i = 0;

	for (; i < value.n && i < GRPC_TIMEOUT_DIGITS && value.p[i] >= '0' && value.p[i] <= '9';
	     i++)
		n = n * 10 + (uint64_t)(value.p[i] - '0');
	if (i == 0 || i + 1 != value.n)
		return 0;
	switch (value.p[i]) {
	case 'H': return n * 3600 * 1000000000;
	case 'M': return n * 60 * 1000000000;
	case 'S': return n * 1000000000;
	case 'm': return n * 1000000;
	case 'u': return n * 1000;
	case 'n': return n;
	default: return 0;
	}
}

int grpc_status(struct slice value)
{
	int n = 0;

	if (value.n == 0 || value.n > 5)
		return -1;
	for (size_t i = 0; i < value.n; i++) {
		if (value.p[i] < '0' || value.p[i] > '9')
			return -1;
		n = n * 10 + value.p[i] - '0';
	}
	return n;
}

struct slice grpc_status_name(int status)
{
	return slice_str(names[status >= 0 && status < GRPC_STATUSES ? status : GRPC_UNKNOWN]);
}

/* http-grpc-status-mapping.md */
int grpc_status_of_http(int http)
{
	switch (http) {
	case 400: return GRPC_INTERNAL;
	case 401: return GRPC_UNAUTHENTICATED;
	case 403: return GRPC_PERMISSION_DENIED;
	case 404: return GRPC_UNIMPLEMENTED;
	case 429:
	case 502:
	case 503:
	case 504: return GRPC_UNAVAILABLE;
	default: return GRPC_UNKNOWN;
	}
}

/* PROTOCOL-HTTP2.md, "Errors" */
int grpc_status_of_reset(uint32_t code)
{
	switch (code) {
	case 0x7: return GRPC_UNAVAILABLE; /* REFUSED_STREAM */
	case 0x8: return GRPC_CANCELLED;
	case 0xb: return GRPC_RESOURCE_EXHAUSTED; /* ENHANCE_YOUR_CALM */
	case 0xc: return GRPC_PERMISSION_DENIED;  /* INADEQUATE_SECURITY */
	default: return GRPC_INTERNAL;
	}
}

/* Calls come on connections of HTTP/2, which detects and parses them. */
static int grpc_detect(struct slice first, enum proto_dir dir)
{
	return -1;
}

const struct proto proto_grpc = {
	.name = "grpc",
	.id = PROTO_GRPC,
	.kind = KIND_RPC,
	.match = MATCH_MULTIPLEXED,
	.detect = grpc_detect,
};
