/* SPDX-License-Identifier: Apache-2.0 */
#include "export/otlp_span.h"

#include <string.h>
#include "export/otlp_attr.h"
#include "export/otlp_words.h"

/* opentelemetry/proto/trace/v1/trace.proto: Span, Status */
static const struct otlp_field f_trace_id = OTLP_FIELD(1, "traceId");
static const struct otlp_field f_span_id = OTLP_FIELD(2, "spanId");
static const struct otlp_field f_trace_state = OTLP_FIELD(3, "traceState");
static const struct otlp_field f_parent_span_id = OTLP_FIELD(4, "parentSpanId");
static const struct otlp_field f_name = OTLP_FIELD(5, "name");
static const struct otlp_field f_kind = OTLP_FIELD(6, "kind");
static const struct otlp_field f_start = OTLP_FIELD(7, "startTimeUnixNano");
static const struct otlp_field f_end = OTLP_FIELD(8, "endTimeUnixNano");
static const struct otlp_field f_status = OTLP_FIELD(15, "status");
static const struct otlp_field f_code = OTLP_FIELD(3, "code");
static const struct otlp_field f_flags = OTLP_FIELD(16, "flags");

enum {
	SPAN_ATTRIBUTES = 9,
	STATUS_ERROR = 2,
	FLAG_SAMPLED = 0x01,	 /* W3C Trace Context 2, 3.2.2.5 */
	FLAG_HAS_REMOTE = 0x100, /* whether the parent is remote is known */
	FLAG_IS_REMOTE = 0x200,
};

static bool is_id(const uint8_t id[8])
{
	return octets_load(id) != 0;
}

bool otlp_span_wanted(const struct txn *t)
{
	const uint8_t *trace = t->trace.trace_id;

	return t->trace.is_sampled && (octets_load(trace) | octets_load(trace + 8)) &&
	       is_id(t->trace.span_id);
}

/* A parent known by what was on the wire is another process's. */
static uint32_t span_flags(const struct txn *t)
{
	enum txn_parent parent = t->trace.parent;
	uint32_t flags = FLAG_SAMPLED | FLAG_HAS_REMOTE;

	if (parent == TXN_PARENT_HEADER || parent == TXN_PARENT_CONNECTION)
		flags |= FLAG_IS_REMOTE;
	return flags;
}

static void waits(const struct otlp_attrs *a, const struct txn_waits *w)
{
	static const struct attr_key keys[WAIT_MAX] = {
		[WAIT_RECEIVE_QUEUE] = ATTR_KEY("sonde.wait.receive_queue", ATTR_JSON_DOUBLE),
		[WAIT_RUNQUEUE] = ATTR_KEY("sonde.wait.runqueue", ATTR_JSON_DOUBLE),
		[WAIT_CPU] = ATTR_KEY("sonde.wait.cpu", ATTR_JSON_DOUBLE),
		[WAIT_BLOCKED] = ATTR_KEY("sonde.wait.blocked", ATTR_JSON_DOUBLE),
		[WAIT_THROTTLED] = ATTR_KEY("sonde.wait.throttled", ATTR_JSON_DOUBLE),
		[WAIT_DOWNSTREAM] = ATTR_KEY("sonde.wait.downstream", ATTR_JSON_DOUBLE),
		[WAIT_UNKNOWN] = ATTR_KEY("sonde.wait.unknown", ATTR_JSON_DOUBLE),
	};

	for (int i = 0; i < WAIT_MAX; i++)
		if (w->ns[i] != TXN_WAIT_UNKNOWN)
			attr_known_seconds(a, &keys[i], w->ns[i]);
	if (w->shared)
		ATTR_BOOL(a, "sonde.shared", true);
}

static void attributes(struct otlp_out *o, const struct txn *t, const struct span_words *words)
{
	struct otlp_attrs a = otlp_attrs(o, SPAN_ATTRIBUTES);

	words->attributes(&a, t);
	ATTR_STRING_IF(&a, "error.type", slice_str(t->error_type));
	if (t->tid)
		ATTR_INT(&a, "thread.id", t->tid);
	ATTR_WORD(&a, "sonde.parent", slice_str(txn_parent_name(t->trace.parent)));
	waits(&a, &t->waits);
	otlp_attrs_end(&a);
}

static void status(struct otlp_out *o, const struct txn *t)
{
	size_t at;

	if (!t->error_type[0])
		return; /* unset, which is what it means not to be there */
	at = otlp_begin(o, f_status);
	otlp_enum(o, f_code, STATUS_ERROR);
	otlp_end(o, at);
}

size_t otlp_span_name(const struct txn *t, char out[SPAN_NAME_MAX])
{
	return span_words(t)->name(t, out, SPAN_NAME_MAX);
}

void otlp_span(struct otlp_out *o, const struct txn *t, int64_t realtime_offset_ns)
{
	const struct txn_trace *trace = &t->trace;
	const struct span_words *words = span_words(t);
	uint64_t start = t->start_ns + (uint64_t)realtime_offset_ns;
	char name[SPAN_NAME_MAX];
	size_t n = words->name(t, name, sizeof(name));

	otlp_root(o);
	otlp_hex(o, f_trace_id, trace->trace_id, sizeof(trace->trace_id));
	otlp_hex(o, f_span_id, trace->span_id, sizeof(trace->span_id));
	if (trace->state[0])
		otlp_string(o, f_trace_state, slice_str(trace->state));
	if (is_id(trace->parent_span_id))
		otlp_hex(o, f_parent_span_id, trace->parent_span_id, sizeof(trace->parent_span_id));
	otlp_string(o, f_name, (struct slice){ (const uint8_t *)name, n });
	otlp_enum(o, f_kind, words->kind(t));
	otlp_fixed64(o, f_start, start);
	otlp_fixed64(o, f_end, start + txn_duration_ns(t));
	attributes(o, t, words);
	status(o, t);
	otlp_fixed32(o, f_flags, span_flags(t));
	otlp_root_end(o);
}
