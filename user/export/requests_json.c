/* SPDX-License-Identifier: Apache-2.0 */
#include "export/requests_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "proto/context.h"
#include "util/clock.h"

static void put(json_t *o, const char *name, json_t *value)
{
	json_object_set_new(o, name, value);
}

static json_t *number(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static json_t *wait(uint64_t ns)
{
	return ns == TXN_WAIT_UNKNOWN ? json_null() : number(ns);
}

static json_t *text_or_null(const char *s)
{
	return *s ? json_string(s) : json_null();
}

static const char *proto_name(enum proto_id id)
{
	const struct proto *proto = proto_get(id);

	return proto ? proto->name : "tcp";
}

static const char *role_name(enum sonde_role role)
{
	return role == SONDE_ROLE_SERVER ? "server" : "client";
}

/* RFC 3339 in UTC, as a transaction's. */
static void put_time(json_t *o, uint64_t start_ns, int64_t realtime_offset_ns)
{
	uint64_t unix_ns = start_ns + (uint64_t)realtime_offset_ns;
	time_t s = (time_t)(unix_ns / NS_PER_S);
	char date[32], text[64];
	struct tm tm;

	gmtime_r(&s, &tm);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text, sizeof(text), "%s.%09lluZ", date, (unsigned long long)(unix_ns % NS_PER_S));
	put(o, "time", json_string(text));
	put(o, "time_unix_nano", number(unix_ns));
}

static json_t *waits_json(const struct txn_waits *w)
{
	json_t *o = json_object();

	for (int i = 0; i < WAIT_MAX; i++)
		put(o, txn_wait_name(i), wait(w->ns[i]));
	return o;
}

static json_t *blocked_on_json(const struct txn_blocked_on *on)
{
	json_t *o;

	if (!on->is_known)
		return json_null();
	o = json_object();
	put(o, "disk", wait(on->disk_ns));
	put(o, "lock", wait(on->lock_ns));
	put(o, "network", wait(on->network_ns));
	put(o, "fault", wait(on->fault_ns));
	put(o, "retransmit", wait(on->retransmit_ns));
	return o;
}

static void put_id(json_t *o, const char *name, const uint8_t *id, size_t n)
{
	char hex[33];

	context_hex(id, n, hex);
	put(o, name, hex[strspn(hex, "0")] ? json_string(hex) : json_null());
}

json_t *request_json(const struct recent_request *t, int64_t realtime_offset_ns)
{
	json_t *o = json_object();

	put_time(o, t->start_ns, realtime_offset_ns);
	put(o, "duration_ns", number(t->end_ns - t->start_ns));
	put(o, "protocol", json_string(proto_name(t->proto)));
	put(o, "role", json_string(role_name(t->role)));
	put(o, "service", json_string(t->service));
	put(o, "pid", number(t->tgid));
	put(o, "tid", number(t->tid));
	put(o, "peer", text_or_null(t->peer));
	put(o, "tls", json_boolean(t->is_tls));
	put(o, "endpoint", json_string(t->endpoint));
	put(o, "request", text_or_null(t->what));
	put(o, "status", t->status > 0 ? json_integer(t->status) : text_or_null(t->status_text));
	if (t->error_type[0])
		put(o, "error_type", json_string(t->error_type));
	put(o, "request_bytes", number(t->request_bytes));
	put(o, "response_bytes", number(t->response_bytes));
	put(o, "waits_ns", waits_json(&t->waits));
	put(o, "blocked_on", blocked_on_json(&t->waits.blocked_on));
	put(o, "shared", json_boolean(t->waits.shared));
	put_id(o, "trace_id", t->trace_id, sizeof(t->trace_id));
	put_id(o, "span_id", t->span_id, sizeof(t->span_id));
	return o;
}

/* 0, or -1: out of memory. */
static int put_finished(json_t *o, const char *name, const struct recent *r,
			const struct recent_query *q, enum recent_kind kind, int64_t offset_ns,
			size_t max)
{
	struct recent_request *list = calloc(max, sizeof(*list));
	json_t *out = json_array();
	size_t n = list ? recent_requests(r, q, kind, list, max) : 0;

	for (size_t i = 0; i < n; i++)
		json_array_append_new(out, request_json(&list[i], offset_ns));
	put(o, name, out);
	free(list);
	return list ? 0 : -1;
}

static int put_in_flight(json_t *o, const struct recent *r, const struct recent_query *q,
			 int64_t offset_ns, size_t max)
{
	struct recent_request *list = calloc(max, sizeof(*list));
	json_t *out = json_array();
	size_t n = list ? recent_in_flight(r, q, list, max) : 0;

	for (size_t i = 0; i < n; i++)
		json_array_append_new(out, request_json(&list[i], offset_ns));
	put(o, "in_flight", out);
	free(list);
	return list ? 0 : -1;
}

char *requests_json(const struct recent *r, const struct recent_query *q, int64_t offset_ns,
		    size_t max)
{
	json_t *o = json_object();
	char *text = NULL;

	put(o, "time_unix_nano", number(q->now_ns + (uint64_t)offset_ns));
	if (!put_finished(o, "recent", r, q, RECENT_LATEST, offset_ns, max) &&
	    !put_finished(o, "slowest", r, q, RECENT_SLOWEST, offset_ns, max) &&
	    !put_in_flight(o, r, q, offset_ns, max))
		text = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	return text;
}

/* --- and back --- */

static void copy(char *out, size_t size, const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	snprintf(out, size, "%s", s ? s : "");
}

static uint64_t number_of(const json_t *o, const char *name)
{
	json_int_t n = json_integer_value(json_object_get(o, name));

	return n > 0 ? (uint64_t)n : 0;
}

void request_parse(const json_t *o, struct recent_request *t, int64_t offset_ns)
{
	const json_t *waits = json_object_get(o, "waits_ns");
	const json_t *status = json_object_get(o, "status");
	char protocol[32], role[16];
	const struct proto *proto;

	*t = (struct recent_request){ 0 };
	t->start_ns = number_of(o, "time_unix_nano") - (uint64_t)offset_ns;
	t->end_ns = t->start_ns + number_of(o, "duration_ns");
	copy(protocol, sizeof(protocol), o, "protocol");
	proto = proto_by_name(slice_str(protocol));
	t->proto = proto ? proto->id : PROTO_UNKNOWN;
	copy(role, sizeof(role), o, "role");
	t->role = strcmp(role, "server") == 0 ? SONDE_ROLE_SERVER : SONDE_ROLE_CLIENT;
	copy(t->service, sizeof(t->service), o, "service");
	copy(t->endpoint, sizeof(t->endpoint), o, "endpoint");
	copy(t->peer, sizeof(t->peer), o, "peer");
	copy(t->what, sizeof(t->what), o, "request");
	copy(t->error_type, sizeof(t->error_type), o, "error_type");
	t->status = json_is_integer(status) ? (int)json_integer_value(status) : 0;
	copy(t->status_text, sizeof(t->status_text), o, "status");
	t->tgid = (uint32_t)number_of(o, "pid");
	t->tid = (uint32_t)number_of(o, "tid");
	t->is_tls = json_is_true(json_object_get(o, "tls"));
	t->request_bytes = number_of(o, "request_bytes");
	t->response_bytes = number_of(o, "response_bytes");
	for (int i = 0; i < WAIT_MAX; i++)
		t->waits.ns[i] = number_of(waits, txn_wait_name(i));
}
