/* SPDX-License-Identifier: Apache-2.0 */
/* The columns of single requests. */
#include <stdio.h>
#include <string.h>
#include "proto/context.h"
#include "top/column_impl.h"

static const struct recent_request *request(const void *item)
{
	return item;
}

static uint64_t duration(const void *item)
{
	const struct recent_request *t = item;

	return t->end_ns > t->start_ns ? t->end_ns - t->start_ns : 0;
}

static enum style state_text(const void *item, char *out)
{
	const struct recent_request *t = item;

	if (t->is_in_flight)
		snprintf(out, COLUMN_TEXT_LEN, "...");
	else if (t->error_type[0] && !t->status)
		snprintf(out, COLUMN_TEXT_LEN, "%s", t->error_type);
	else if (t->status > 0)
		snprintf(out, COLUMN_TEXT_LEN, "%d", t->status);
	else
		snprintf(out, COLUMN_TEXT_LEN, "%s", t->status_text[0] ? t->status_text : "ok");
	return t->error_type[0] ? STYLE_BAD : t->is_in_flight ? STYLE_WARN : STYLE_GOOD;
}

static enum style what_text(const void *item, char *out)
{
	const struct recent_request *t = item;

	snprintf(out, COLUMN_TEXT_LEN, "%s", t->what[0] ? t->what : t->endpoint);
	return STYLE_BOLD;
}

static enum style duration_text(const void *item, char *out)
{
	snprintf(out, COLUMN_TEXT_LEN, "%s", human_duration_column(duration(item)).text);
	return column_time_style(duration(item));
}

static enum style service_text(const void *item, char *out)
{
	snprintf(out, COLUMN_TEXT_LEN, "%s", request(item)->service);
	return STYLE_NORMAL;
}

static enum style peer_text(const void *item, char *out)
{
	snprintf(out, COLUMN_TEXT_LEN, "%s", request(item)->peer);
	return STYLE_NORMAL;
}

static enum style role_text(const void *item, char *out)
{
	snprintf(out, COLUMN_TEXT_LEN, "%s",
		 request(item)->role == SONDE_ROLE_SERVER ? "server" : "client");
	return STYLE_DIM;
}

static enum style pid_text(const void *item, char *out)
{
	snprintf(out, COLUMN_TEXT_LEN, "%u", request(item)->tgid);
	return STYLE_DIM;
}

static enum style in_text(const void *item, char *out)
{
	return column_bytes(request(item)->request_bytes, out);
}

static enum style out_text(const void *item, char *out)
{
	return column_bytes(request(item)->response_bytes, out);
}

static enum style trace_text(const void *item, char *out)
{
	context_hex(request(item)->trace_id, sizeof(request(item)->trace_id), out);
	if (!out[strspn(out, "0")])
		return column_none(out);
	return STYLE_DIM;
}

#define COMPARE(what, left, right)                              \
	static int by_##what(const void *a, const void *b)      \
	{                                                       \
		return ((left) < (right)) - ((left) > (right)); \
	}

COMPARE(duration, duration(a), duration(b))
COMPARE(in, request(a)->request_bytes, request(b)->request_bytes)
COMPARE(out, request(a)->response_bytes, request(b)->response_bytes)
COMPARE(pid, request(a)->tgid, request(b)->tgid)
COMPARE(age, request(b)->age_ns, request(a)->age_ns)

/* What hangs first, then what failed. */
static int severity(const struct recent_request *t)
{
	return t->is_in_flight ? 2 : t->error_type[0] ? 1 : 0;
}

static int by_state(const void *a, const void *b)
{
	int order = severity(b) - severity(a);

	return order ? order : by_duration(a, b);
}

static int by_what(const void *a, const void *b)
{
	return strcmp(request(a)->what, request(b)->what);
}

static int by_service(const void *a, const void *b)
{
	return strcmp(request(a)->service, request(b)->service);
}

static int by_peer(const void *a, const void *b)
{
	return strcmp(request(a)->peer, request(b)->peer);
}

static enum style ago_text(const void *item, char *out)
{
	if (request(item)->is_in_flight)
		return column_none(out);
	snprintf(out, COLUMN_TEXT_LEN, "%.0f s", (double)request(item)->age_ns / NS_PER_S);
	return STYLE_DIM;
}

static const struct column of_requests[] = {
	{ "REQUEST", "as sent, or a query without its literals", COLUMN_LEFT, 24, 80, 1, what_text,
	  by_what, NULL },
	{ "STATUS", "...: in flight", COLUMN_LEFT, 7, 14, 3, state_text, by_state, NULL },
	{ "TIME", "it took, or is under way", COLUMN_RIGHT, 7, 7, 2, duration_text, by_duration,
	  NULL },
	{ "WAITS", "where the time went: in words for the row in hand", COLUMN_WAITS, 10, 24, 4,
	  NULL, NULL, NULL },
	{ "SERVICE", "whose it is", COLUMN_LEFT, 12, 24, 6, service_text, by_service, NULL },
	{ "ROLE", "it served, or it asked", COLUMN_LEFT, 6, 6, 7, role_text, NULL, NULL },
	{ "PEER", "the other end", COLUMN_LEFT, 15, 32, 8, peer_text, by_peer, NULL },
	{ "IN", "bytes of the request", COLUMN_RIGHT, 7, 7, 10, in_text, by_in, NULL },
	{ "OUT", "bytes of the response", COLUMN_RIGHT, 7, 7, 9, out_text, by_out, NULL },
	{ "PID", "of the process", COLUMN_RIGHT, 7, 7, 11, pid_text, by_pid, NULL },
	{ "AGO", "it ended", COLUMN_RIGHT, 5, 5, 5, ago_text, by_age, NULL },
	{ "TRACE", "its trace, for /api/v1/traces", COLUMN_LEFT, 32, 32, 12, trace_text, NULL,
	  NULL },
};

const struct columns columns_of_requests = { of_requests,
					     sizeof(of_requests) / sizeof(of_requests[0]),
					     sizeof(struct recent_request), 2 };
