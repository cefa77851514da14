/* SPDX-License-Identifier: Apache-2.0 */
/* A transaction for people, one line:
 *
 * 06:15:11.123 shop             server GET /a?b=1  200  1.23 ms  78 B in 1.2 kB out
 * 06:15:11.125 shop             client GET /slow   -    30.0 s   80 B out 0 B in  10.0.0.7:80
 * timeout
 */
#include "export/json.h"

#include <stdio.h>
#include <time.h>
#include "export/address.h"
#include "export/line.h"
#include "identity/process.h"
#include "util/clock.h"
#include "util/slice.h"
#include "util/utf8.h"

enum { TEXT_SERVICE_WIDTH = 16 };

/* Hostile bytes never reach a terminal: controls and what is no UTF-8 print as \xNN. */
static size_t text_safe(struct line *l, struct slice s)
{
	static const char hex[] = "0123456789abcdef";
	size_t width = 0;

	while (s.n) {
		size_t n = utf8_next(s);

		if (n && !utf8_is_control(s.p, n)) {
			line_put(l, s.p, n);
			width += utf8_is_wide(s.p, n) ? 2 : 1;
		} else {
			char code[4] = { '\\', 'x', hex[s.p[0] >> 4], hex[s.p[0] & 15] };

			n = 1;
			line_put(l, code, sizeof(code));
			width += sizeof(code);
		}
		s.p += n;
		s.n -= n;
	}
	return width;
}

static void text_time(struct line *l, uint64_t unix_ns)
{
	time_t s = (time_t)(unix_ns / NS_PER_S);
	struct tm tm;

	gmtime_r(&s, &tm);
	line_fixed(l, (uint64_t)tm.tm_hour, 2);
	LINE_PUT(l, ":");
	line_fixed(l, (uint64_t)tm.tm_min, 2);
	LINE_PUT(l, ":");
	line_fixed(l, (uint64_t)tm.tm_sec, 2);
	LINE_PUT(l, ".");
	line_fixed(l, unix_ns % NS_PER_S / NS_PER_MS, 3);
	LINE_PUT(l, " ");
}

/* Three significant digits and a unit: "1.23 ms", "456 us". */
static void text_scaled(struct line *l, double value, double base, const char *const units[])
{
	char text[32];
	int n;

	/* 999.5 and more would print as 1000 of the smaller unit */
	while (value >= base * 0.9995 && units[1]) {
		value /= base;
		units++;
	}
	n = snprintf(text, sizeof(text), "%.3g %s", value, units[0]);
	if (value >= 999.5)
		n = snprintf(text, sizeof(text), "%.0f %s", value, units[0]);
	line_put(l, text, (size_t)n);
}

static void text_duration(struct line *l, uint64_t ns)
{
	static const char *const units[] = { "ns", "us", "ms", "s", NULL };

	text_scaled(l, (double)ns, 1000, units);
}

static void text_bytes(struct line *l, uint64_t bytes)
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB", NULL };

	text_scaled(l, (double)bytes, 1000, units);
}

static void text_database(struct line *l, const struct txn *t)
{
	text_safe(l, slice_str(t->system));
	LINE_PUT(l, " ");
	text_safe(l, slice_str(t->summary[0] ? t->summary : t->operation));
	if (t->collection[0]) {
		LINE_PUT(l, " ");
		text_safe(l, slice_str(t->collection));
	}
	LINE_PUT(l, "  ");
	if (t->status_text[0])
		text_safe(l, slice_str(t->status_text));
	else
		line_str(l, t->first_response_ns ? "ok" : "-");
}

static void text_names(struct line *l, const struct txn *t)
{
	text_safe(l, slice_str(t->method));
	LINE_PUT(l, " ");
	text_safe(l, slice_str(t->target));
	LINE_PUT(l, "  ");
	text_safe(l, slice_str(t->status_text[0] ? t->status_text : "-"));
}

static void text_rpc(struct line *l, const struct txn *t)
{
	text_safe(l, slice_str(t->system));
	LINE_PUT(l, " ");
	text_safe(l, slice_str(t->target[0] == '/' ? t->target + 1 : t->target));
	LINE_PUT(l, "  ");
	text_safe(l, slice_str(t->status_text[0] ? t->status_text : "-"));
}

static void text_http(struct line *l, const struct txn *t)
{
	const char *object = t->target[0] ? t->target : t->route;

	text_safe(l, slice_str(t->method[0] ? t->method : t->operation));
	if (object[0]) {
		LINE_PUT(l, " ");
		text_safe(l, slice_str(object));
	}
	LINE_PUT(l, "  ");
	if (t->status > 0)
		line_u64(l, (uint64_t)t->status);
	else
		LINE_PUT(l, "-");
}

static void text_what(struct line *l, const struct txn *t)
{
	const struct proto *proto = proto_get(t->proto);

	if (!proto) { /* a connect */
		text_http(l, t);
		return;
	}
	switch (proto->kind) {
	case KIND_WEB: text_http(l, t); break;
	case KIND_DATABASE: text_database(l, t); break;
	case KIND_NAMES: text_names(l, t); break;
	case KIND_RPC: text_rpc(l, t); break;
	}
}

static void text_sizes(struct line *l, const struct txn *t)
{
	bool is_server = t->role == SONDE_ROLE_SERVER;

	LINE_PUT(l, "  ");
	text_bytes(l, t->request_bytes);
	line_str(l, is_server ? " in " : " out ");
	text_bytes(l, t->response_bytes);
	line_str(l, is_server ? " out" : " in");
}

size_t txn_text(const struct txn *t, int64_t realtime_offset_ns, char *out, size_t size)
{
	struct line line = { .p = out, .end = out + size }, *l = &line;
	char peer[ADDRESS_MAX];
	size_t width;

	text_time(l, t->start_ns + (uint64_t)realtime_offset_ns);
	width = text_safe(l, slice_str(t->service ? t->service->name : "-"));
	for (; width < TEXT_SERVICE_WIDTH; width++)
		LINE_PUT(l, " ");
	line_str(l, t->role == SONDE_ROLE_SERVER ? " server " : " client ");
	text_what(l, t);
	LINE_PUT(l, "  ");
	text_duration(l, txn_duration_ns(t));
	if (t->proto != PROTO_UNKNOWN)
		text_sizes(l, t);
	if (t->role == SONDE_ROLE_CLIENT) {
		LINE_PUT(l, "  ");
		text_safe(l, (struct slice){ (uint8_t *)peer, address_peer(t, peer) });
	}
	if (t->error_type[0]) {
		LINE_PUT(l, "  ");
		text_safe(l, slice_str(t->error_type));
	}
	return l->is_full ? 0 : (size_t)(l->p - out);
}
