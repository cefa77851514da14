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

	if (!proto || t->role != SONDE_ROLE_SERVER)
		return;
	if (proto->kind != KIND_WEB)
		route.n = 0;
	for (int i = 0; i < WAIT_MAX; i++) {
		struct slice v[] = { slice_str(proto->name), route, operation_of(t, proto),
				     slice_str(txn_wait_name(i)) };
		struct series *s;

		if (!txn_waits_known(w, i))
			continue;
		s = series_get(st, METRIC_REQUEST_TIME, t->service, v, t->end_ns);
		if (s)
			s->value += w->ns[i];
	}
}
