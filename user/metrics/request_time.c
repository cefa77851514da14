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

static struct series *series_of(struct series_store *st, const struct txn *t, enum txn_wait which)
{
	const struct proto *proto = proto_get(t->proto);
	const struct slice v[] = {
		slice_str(proto->name),
		slice_str(proto->kind == KIND_WEB ? t->route : ""),
		operation_of(t, proto),
		slice_str(txn_wait_name(which)),
	};

	return series_get(st, METRIC_REQUEST_TIME, t->service, v, t->end_ns);
}

void request_time_add(struct series_store *st, const struct txn *t, struct series *held[WAIT_MAX])
{
	if (t->proto == PROTO_UNKNOWN || t->role != SONDE_ROLE_SERVER)
		return;
	for (int i = 0; i < WAIT_MAX; i++) {
		uint64_t ns = txn_waits_known(&t->waits, i);
		struct series *s = held[i];

		if (!ns)
			continue;
		if (!s)
			s = series_of(st, t, i);
		if (!s)
			continue;
		held[i] = s->is_overflow ? NULL : s; /* each one that overflows is told */
		series_touch(s, t->end_ns);
		s->value += ns;
	}
}
