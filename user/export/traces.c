// SPDX-License-Identifier: Apache-2.0
#include "export/traces.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "export/address.h"
#include "export/otlp_span.h"
#include "identity/service.h"
#include "util/decimal.h"

struct span {
	uint64_t start_ns, duration_ns;
	uint8_t trace_id[16], span_id[8], parent_span_id[8];
	uint32_t tgid;
	uint8_t proto, role, parent, is_sampled;
	char name[128];
	char service[64];
	char peer[48];
	char error_type[TXN_STATUS_LEN];
	char status[TXN_STATUS_LEN];
};

struct traces {
	struct span *ring; /* owned */
	size_t max;
	uint64_t taken; /* since the start: the next one's place, modulo max */
};

struct traces *traces_new(size_t max)
{
	struct traces *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->max = max ? max : TRACES_SPANS_MAX;
	s->ring = calloc(s->max, sizeof(*s->ring)); /* resident as it fills */
	if (s->ring)
		return s;
	free(s);
	return NULL;
}

void traces_free(struct traces *s)
{
	if (!s)
		return;
	free(s->ring);
	free(s);
}

static void put(char *out, size_t size, const char *text)
{
	slice_copy(out, size, slice_str(text));
}

static void on_txn(void *self, const struct txn *t)
{
	struct traces *s = self;
	struct span *span = &s->ring[s->taken++ % s->max];
	char name[SPAN_NAME_MAX], peer[ADDRESS_MAX];

	*span = (struct span){
		.start_ns = t->start_ns,
		.duration_ns = txn_duration_ns(t),
		.tgid = t->tgid,
		.proto = (uint8_t)t->proto,
		.role = (uint8_t)t->role,
		.parent = (uint8_t)t->trace.parent,
		.is_sampled = t->trace.is_sampled,
	};
	memcpy(span->trace_id, t->trace.trace_id, sizeof(span->trace_id));
	memcpy(span->span_id, t->trace.span_id, sizeof(span->span_id));
	memcpy(span->parent_span_id, t->trace.parent_span_id, sizeof(span->parent_span_id));
	otlp_span_name(t, name);
	put(span->name, sizeof(span->name), name);
	put(span->service, sizeof(span->service), t->service ? t->service->name : "");
	put(span->error_type, sizeof(span->error_type), t->error_type);
	if (t->status > 0)
		span->status[decimal_u64(span->status, (uint64_t)t->status)] = '\0';
	else
		put(span->status, sizeof(span->status), t->status_text);
	slice_copy(span->peer, sizeof(span->peer),
		   (struct slice){ (const uint8_t *)peer, address_peer(t, peer) });
}

void traces_exporter(struct traces *s, struct exporter *out)
{
	*out = (struct exporter){ .name = "traces", .self = s, .on_txn = on_txn };
}

/* --- the way out --- */

static json_t *id_json(const uint8_t *id, size_t n)
{
	char hex[33];

	context_hex(id, n, hex);
	return hex[strspn(hex, "0")] ? json_string(hex) : json_null();
}

/* null: not known; what is no UTF-8, or was cut within a character, is not shown. */
static json_t *text_json(const char *text)
{
	json_t *o = text[0] ? json_string(text) : NULL;

	return o ? o : json_null();
}

static json_t *span_json(const struct span *span, int64_t realtime_offset_ns)
{
	const struct proto *proto = proto_get(span->proto);
	json_t *o = json_object();

	json_object_set_new(o, "span_id", id_json(span->span_id, 8));
	json_object_set_new(o, "parent_span_id", id_json(span->parent_span_id, 8));
	json_object_set_new(o, "parent", json_string(txn_parent_name(span->parent)));
	json_object_set_new(o, "name", text_json(span->name));
	json_object_set_new(o, "kind",
			    json_string(span->role == SONDE_ROLE_SERVER ? "server" : "client"));
	json_object_set_new(o, "service", text_json(span->service));
	json_object_set_new(o, "pid", json_integer(span->tgid));
	json_object_set_new(o, "protocol", json_string(proto ? proto->name : "tcp"));
	json_object_set_new(o, "peer", text_json(span->peer));
	json_object_set_new(o, "time_unix_nano",
			    json_integer((json_int_t)span->start_ns + realtime_offset_ns));
	json_object_set_new(o, "duration_ns", json_integer((json_int_t)span->duration_ns));
	json_object_set_new(o, "status", text_json(span->status));
	if (span->error_type[0])
		json_object_set_new(o, "error_type", text_json(span->error_type));
	json_object_set_new(o, "sampled", json_boolean(span->is_sampled));
	return o;
}

static int by_start(const void *a, const void *b)
{
	const struct span *x = *(const struct span *const *)a, *y = *(const struct span *const *)b;

	if (x->start_ns != y->start_ns)
		return x->start_ns < y->start_ns ? -1 : 1;
	return x->duration_ns > y->duration_ns ? -1 : x->duration_ns < y->duration_ns;
}

enum { SHOWN_MAX = 4096 }; /* spans of one trace in an answer */

static char *list_json(const char *hex, const struct span **found, size_t n, size_t left_out,
		       int64_t realtime_offset_ns)
{
	json_t *o = json_object(), *list = json_array();
	char *text;

	qsort(found, n, sizeof(*found), by_start);
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, span_json(found[i], realtime_offset_ns));
	json_object_set_new(o, "trace_id", json_string(hex));
	json_object_set_new(o, "spans", list);
	json_object_set_new(o, "left_out", json_integer((json_int_t)left_out));
	text = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	return text;
}

char *traces_json(const struct traces *s, const char *hex, int64_t realtime_offset_ns)
{
	const struct span **found = calloc(SHOWN_MAX, sizeof(*found));
	char id[33], *text = NULL;
	size_t n = 0, left_out = 0;

	for (size_t i = 0; found && i < traces_held(s); i++) {
		const struct span *span = &s->ring[i];

		context_hex(span->trace_id, sizeof(span->trace_id), id);
		if (strcasecmp(id, hex) != 0)
			continue;
		if (n < SHOWN_MAX)
			found[n++] = span;
		else
			left_out++;
	}
	if (n)
		text = list_json(hex, found, n, left_out, realtime_offset_ns);
	free(found);
	return text;
}

size_t traces_held(const struct traces *s)
{
	return s->taken < s->max ? (size_t)s->taken : s->max;
}

uint64_t traces_overwritten(const struct traces *s)
{
	return s->taken - traces_held(s);
}
