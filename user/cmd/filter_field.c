/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/filter_field.h"

#include <string.h>
#include "export/address.h"
#include "identity/process.h"
#include "proto/context.h"
#include "util/nearest.h"

#define TEXT(name, member)                                                 \
	static bool name(const struct txn *t, char *buf, const char **out) \
	{                                                                  \
		*out = t->member;                                          \
		return t->member[0];                                       \
	}

#define NUMBER(name, expr, known)                            \
	static bool name(const struct txn *t, uint64_t *out) \
	{                                                    \
		*out = (uint64_t)(expr);                     \
		return known;                                \
	}

TEXT(version, version)
TEXT(comm, comm)
TEXT(method, method)
TEXT(operation, operation)
TEXT(target, target)
TEXT(route, route)
TEXT(error_type, error_type)
TEXT(request_id, request_id)
TEXT(system, system)
TEXT(collection, collection)
TEXT(name_space, name_space)
TEXT(query, query)
TEXT(summary, summary)

NUMBER(status, t->status, t->status > 0)
NUMBER(pid, t->tgid, true)
NUMBER(tid, t->tid, true)
NUMBER(request_bytes, t->request_bytes, true)
NUMBER(response_bytes, t->response_bytes, true)
NUMBER(rows, t->rows, t->is_rows_known)
NUMBER(duration, txn_duration_ns(t), true)

static bool protocol(const struct txn *t, char *buf, const char **out)
{
	const struct proto *p = proto_get(t->proto);

	*out = p ? p->name : "tcp";
	return true;
}

static bool role(const struct txn *t, char *buf, const char **out)
{
	*out = t->role == SONDE_ROLE_SERVER ? "server" : "client";
	return true;
}

static bool service(const struct txn *t, char *buf, const char **out)
{
	*out = t->service ? t->service->name : "";
	return **out;
}

static bool local(const struct txn *t, char *buf, const char **out)
{
	buf[address_local(t, buf)] = '\0';
	*out = buf;
	return *buf;
}

static bool peer(const struct txn *t, char *buf, const char **out)
{
	buf[address_peer(t, buf)] = '\0';
	*out = buf;
	return *buf;
}

static bool is_name(const struct txn *t)
{
	const struct proto *p = proto_get(t->proto);

	return p && p->kind == KIND_NAMES;
}

/* Of a lookup, what the JSON form calls by words of its own. */
static bool question(const struct txn *t, char *buf, const char **out)
{
	*out = t->target;
	return is_name(t) && t->target[0];
}

static bool type(const struct txn *t, char *buf, const char **out)
{
	*out = t->method;
	return is_name(t) && t->method[0];
}

static bool rcode(const struct txn *t, char *buf, const char **out)
{
	*out = t->status_text;
	return is_name(t) && t->status_text[0];
}

static bool trace_id(const struct txn *t, char *buf, const char **out)
{
	context_hex(t->trace.trace_id, sizeof(t->trace.trace_id), buf);
	*out = buf;
	return buf[strspn(buf, "0")];
}

static bool parent(const struct txn *t, char *buf, const char **out)
{
	*out = txn_parent_name(t->trace.parent);
	return true;
}

static bool tls(const struct txn *t, char *buf, const char **out)
{
	*out = t->is_tls ? "true" : "false";
	return true;
}

_Static_assert((int)ADDRESS_MAX < (int)FIELD_TEXT_MAX, "an address and its end");

static const char *const words_role[] = { "server", "client", NULL };
static const char *const words_bool[] = { "true", "false", NULL };
static const char *const words_parent[] = { "unknown",	  "none",   "header",
					    "connection", "thread", "goroutine",
					    "handover",	  "proxy",  NULL };
static const char *const words_protocol[] = {
#define PROTO(ID, symbol, name) name,
#include "proto/protos.def"
#undef PROTO
	"tcp", NULL
};

static const struct field fields[] = {
	{ "duration", FIELD_DURATION, .number = duration },
	{ "duration_ns", FIELD_NUMBER, .number = duration },
	{ "protocol", FIELD_WORD, words_protocol, .text = protocol },
	{ "version", FIELD_TEXT, .text = version },
	{ "role", FIELD_WORD, words_role, .text = role },
	{ "service", FIELD_TEXT, .text = service },
	{ "pid", FIELD_NUMBER, .number = pid },
	{ "tid", FIELD_NUMBER, .number = tid },
	{ "comm", FIELD_TEXT, .text = comm },
	{ "local", FIELD_TEXT, .text = local },
	{ "peer", FIELD_TEXT, .text = peer },
	{ "tls", FIELD_WORD, words_bool, .text = tls },
	{ "method", FIELD_TEXT, .text = method },
	{ "operation", FIELD_TEXT, .text = operation },
	{ "target", FIELD_TEXT, .text = target },
	{ "route", FIELD_TEXT, .text = route },
	{ "status", FIELD_NUMBER, .number = status },
	{ "error_type", FIELD_TEXT, .text = error_type },
	{ "request_id", FIELD_TEXT, .text = request_id },
	{ "system", FIELD_TEXT, .text = system },
	{ "collection", FIELD_TEXT, .text = collection },
	{ "namespace", FIELD_TEXT, .text = name_space },
	{ "query", FIELD_TEXT, .text = query },
	{ "summary", FIELD_TEXT, .text = summary },
	{ "rows", FIELD_NUMBER, .number = rows },
	{ "question", FIELD_TEXT, .text = question },
	{ "type", FIELD_TEXT, .text = type },
	{ "rcode", FIELD_TEXT, .text = rcode },
	{ "trace_id", FIELD_TEXT, .text = trace_id },
	{ "parent", FIELD_WORD, words_parent, .text = parent },
	{ "request_bytes", FIELD_NUMBER, .number = request_bytes },
	{ "response_bytes", FIELD_NUMBER, .number = response_bytes },
};

const struct field *field_find(const char *name, char *hint, size_t size)
{
	struct nearest n = { 0 };

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (strcmp(fields[i].name, name) == 0)
			return &fields[i];
		nearest_offer(&n, name, fields[i].name);
	}
	nearest_say(&n, "", hint, size);
	return NULL;
}
