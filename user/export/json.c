/* SPDX-License-Identifier: Apache-2.0 */
#include "export/json.h"

#include <time.h>
#include "export/address.h"
#include "export/line.h"
#include "export/quote.h"
#include "identity/process.h"
#include "util/clock.h"

static void json_str(struct line *l, const char *s)
{
	quote_json(l, slice_str(s));
}

/* An empty string applies but is not known. */
static void json_str_or_null(struct line *l, const char *s)
{
	if (s[0])
		json_str(l, s);
	else
		LINE_PUT(l, "null");
}

static void json_bool(struct line *l, bool is_true)
{
	if (is_true)
		LINE_PUT(l, "true");
	else
		LINE_PUT(l, "false");
}

/* RFC 3339 in UTC, with all nine digits. */
static void json_time(struct line *l, uint64_t unix_ns)
{
	time_t s = (time_t)(unix_ns / NS_PER_S);
	struct tm tm;

	gmtime_r(&s, &tm);
	LINE_PUT(l, "\"");
	line_fixed(l, (uint64_t)tm.tm_year + 1900, 4);
	LINE_PUT(l, "-");
	line_fixed(l, (uint64_t)tm.tm_mon + 1, 2);
	LINE_PUT(l, "-");
	line_fixed(l, (uint64_t)tm.tm_mday, 2);
	LINE_PUT(l, "T");
	line_fixed(l, (uint64_t)tm.tm_hour, 2);
	LINE_PUT(l, ":");
	line_fixed(l, (uint64_t)tm.tm_min, 2);
	LINE_PUT(l, ":");
	line_fixed(l, (uint64_t)tm.tm_sec, 2);
	LINE_PUT(l, ".");
	line_fixed(l, unix_ns % NS_PER_S, 9);
	LINE_PUT(l, "Z\"");
}

static void json_address(struct line *l, const char *text, size_t n)
{
	if (n)
		quote_json(l, (struct slice){ (const uint8_t *)text, n });
	else
		LINE_PUT(l, "null");
}

static void json_who(struct line *l, const struct txn *t)
{
	char text[ADDRESS_MAX];

	if (t->role == SONDE_ROLE_SERVER)
		LINE_PUT(l, ",\"role\":\"server\",\"service\":");
	else
		LINE_PUT(l, ",\"role\":\"client\",\"service\":");
	json_str_or_null(l, t->service ? t->service->name : "");
	LINE_PUT(l, ",\"pid\":");
	line_u64(l, t->tgid);
	LINE_PUT(l, ",\"tid\":");
	line_u64(l, t->tid);
	LINE_PUT(l, ",\"comm\":");
	json_str_or_null(l, t->comm);
	LINE_PUT(l, ",\"local\":");
	json_address(l, text, address_local(t, text));
	LINE_PUT(l, ",\"peer\":");
	json_address(l, text, address_peer(t, text));
	LINE_PUT(l, ",\"tls\":");
	json_bool(l, t->is_tls);
}

static void json_http(struct line *l, const struct txn *t)
{
	LINE_PUT(l, ",\"method\":");
	json_str_or_null(l, t->method);
	LINE_PUT(l, ",\"target\":");
	json_str_or_null(l, t->target);
	if (t->route[0]) { /* absent when templating is off */
		LINE_PUT(l, ",\"route\":");
		json_str(l, t->route);
	}
	LINE_PUT(l, ",\"status\":");
	if (t->status > 0)
		line_u64(l, (uint64_t)t->status);
	else
		LINE_PUT(l, "null");
}

static void json_wait(struct line *l, uint64_t ns)
{
	if (ns == TXN_WAIT_UNKNOWN)
		LINE_PUT(l, "null");
	else
		line_u64(l, ns);
}

static void json_blocked_on(struct line *l, const struct txn_blocked_on *on)
{
	if (!on->is_known) {
		LINE_PUT(l, "null");
		return;
	}
	LINE_PUT(l, "{\"disk\":");
	json_wait(l, on->disk_ns);
	LINE_PUT(l, ",\"lock\":");
	json_wait(l, on->lock_ns);
	LINE_PUT(l, ",\"network\":");
	json_wait(l, on->network_ns);
	LINE_PUT(l, ",\"fault\":");
	json_wait(l, on->fault_ns);
	LINE_PUT(l, ",\"retransmit\":");
	json_wait(l, on->retransmit_ns);
	LINE_PUT(l, "}");
}

static void json_waits(struct line *l, const struct txn_waits *w)
{
	LINE_PUT(l, ",\"waits_ns\":{");
	for (int i = 0; i < WAIT_MAX; i++) {
		if (i)
			LINE_PUT(l, ",");
		LINE_PUT(l, "\"");
		line_str(l, txn_wait_name(i));
		LINE_PUT(l, "\":");
		json_wait(l, w->ns[i]);
	}
	LINE_PUT(l, "},\"blocked_on\":");
	json_blocked_on(l, &w->blocked_on);
	LINE_PUT(l, ",\"shared\":");
	json_bool(l, w->shared);
}

/* null: there is none, or nobody knows it. */
static void json_id(struct line *l, const uint8_t *id, size_t n)
{
	char hex[2 * sizeof(((struct txn_trace *)0)->trace_id) + 1];

	context_hex(id, n, hex);
	json_str_or_null(l, hex[strspn(hex, "0")] ? hex : "");
}

static void json_trace(struct line *l, const struct txn_trace *t)
{
	LINE_PUT(l, ",\"trace_id\":");
	json_id(l, t->trace_id, sizeof(t->trace_id));
	LINE_PUT(l, ",\"span_id\":");
	json_id(l, t->span_id, sizeof(t->span_id));
	LINE_PUT(l, ",\"parent_span_id\":");
	json_id(l, t->parent_span_id, sizeof(t->parent_span_id));
	LINE_PUT(l, ",\"parent\":\"");
	line_str(l, txn_parent_name(t->parent));
	LINE_PUT(l, "\"");
}

/* A collection is named where the protocol names one: SQL does not. */
static void json_database(struct line *l, const struct txn *t)
{
	LINE_PUT(l, ",\"system\":");
	json_str_or_null(l, t->system);
	LINE_PUT(l, ",\"operation\":");
	json_str_or_null(l, t->operation);
	if (t->collection[0]) {
		LINE_PUT(l, ",\"collection\":");
		json_str(l, t->collection);
	}
	LINE_PUT(l, ",\"namespace\":");
	json_str_or_null(l, t->name_space);
	LINE_PUT(l, ",\"query\":");
	json_str_or_null(l, t->query);
	LINE_PUT(l, ",\"summary\":");
	json_str_or_null(l, t->summary);
	LINE_PUT(l, ",\"status\":");
	json_str_or_null(l, t->status_text);
	LINE_PUT(l, ",\"rows\":");
	if (t->is_rows_known)
		line_u64(l, t->rows);
	else
		LINE_PUT(l, "null");
}

static void json_names(struct line *l, const struct txn *t)
{
	LINE_PUT(l, ",\"question\":");
	json_str_or_null(l, t->target);
	LINE_PUT(l, ",\"type\":");
	json_str_or_null(l, t->method);
	LINE_PUT(l, ",\"rcode\":");
	json_str_or_null(l, t->status_text);
}

/* "/package.Service/Method" without its first slash, as the convention has it. */
static void json_rpc(struct line *l, const struct txn *t)
{
	LINE_PUT(l, ",\"system\":");
	json_str_or_null(l, t->system);
	LINE_PUT(l, ",\"method\":");
	json_str_or_null(l, t->target[0] == '/' ? t->target + 1 : t->target);
	LINE_PUT(l, ",\"status\":");
	json_str_or_null(l, t->status_text);
}

static void json_connect(struct line *l, const struct txn *t)
{
	LINE_PUT(l, ",\"operation\":");
	json_str_or_null(l, t->operation);
}

static void json_what(struct line *l, const struct txn *t, const struct proto *proto)
{
	if (!proto) {
		json_connect(l, t);
	} else {
		switch (proto->kind) {
		case KIND_WEB: json_http(l, t); break;
		case KIND_DATABASE: json_database(l, t); break;
		case KIND_NAMES: json_names(l, t); break;
		case KIND_RPC: json_rpc(l, t); break;
		}
	}
	if (t->error_type[0]) {
		LINE_PUT(l, ",\"error_type\":");
		json_str(l, t->error_type);
	}
	if (t->request_id[0]) {
		LINE_PUT(l, ",\"request_id\":");
		json_str(l, t->request_id);
	}
	LINE_PUT(l, ",\"request_bytes\":");
	line_u64(l, t->request_bytes);
	LINE_PUT(l, ",\"response_bytes\":");
	line_u64(l, t->response_bytes);
}

size_t txn_json(const struct txn *t, int64_t realtime_offset_ns, char *out, size_t size)
{
	struct line line = { .p = out, .end = out + size }, *l = &line;
	uint64_t unix_ns = t->start_ns + (uint64_t)realtime_offset_ns;
	const struct proto *proto = proto_get(t->proto);

	LINE_PUT(l, "{\"time\":");
	json_time(l, unix_ns);
	LINE_PUT(l, ",\"time_unix_nano\":");
	line_u64(l, unix_ns);
	LINE_PUT(l, ",\"duration_ns\":");
	line_u64(l, txn_duration_ns(t));
	LINE_PUT(l, ",\"protocol\":");
	json_str(l, proto ? proto->name : "tcp");
	if (proto && (proto->kind == KIND_WEB || proto->kind == KIND_RPC)) {
		LINE_PUT(l, ",\"version\":");
		json_str_or_null(l, t->version);
	}
	json_who(l, t);
	json_what(l, t, proto);
	json_waits(l, &t->waits);
	json_trace(l, &t->trace);
	LINE_PUT(l, "}");
	return l->is_full ? 0 : (size_t)(l->p - out);
}
