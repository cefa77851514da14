// SPDX-License-Identifier: Apache-2.0
#include "metrics/request_time.h"

#include "metrics/red.h"

/* What tells the requests of a protocol apart, and few enough of them. */
static struct slice operation_of(const struct txn *t, const struct proto *proto)
{
	switch (proto->kind) {
	case KIND_WEB: return SLICE(""); /* the route says it */
	case KIND_DATABASE: return slice_str(t->operation);
	case KIND_NAMES: return slice_str(t->method);
	case KIND_RPC: return red_rpc_method(t);
	}
	return SLICE("");
}

void request_time_add(struct series_store *st, const struct txn *t)
{
	const struct proto *proto = proto_get(t->proto);
	const struct txn_waits *w = &t->waits;
	struct slice route = slice_str(t->route);
	const struct {
		struct slice state;
		uint64_t ns;
	} parts[] = {
		{ SLICE("receive_queue"), w->receive_queue_ns },
		{ SLICE("runqueue"), w->runqueue_ns },
		{ SLICE("cpu"), w->cpu_ns },
		{ SLICE("blocked"), w->blocked_ns },
		{ SLICE("throttled"), w->throttled_ns },
		{ SLICE("downstream"), w->downstream_ns },
		{ SLICE("unknown"), w->unknown_ns },
	};

	if (!proto || t->role != SONDE_ROLE_SERVER)
		return;
	if (proto->kind != KIND_WEB)
		route.n = 0;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		struct slice v[] = { slice_str(proto->name), route, operation_of(t, proto),
				     parts[i].state };
		struct series *s;

		if (!parts[i].ns || parts[i].ns == TXN_WAIT_UNKNOWN)
			continue;
		s = series_get(st, METRIC_REQUEST_TIME, t->service, v, t->end_ns);
		if (s)
			s->value += parts[i].ns;
	}
}
