// SPDX-License-Identifier: Apache-2.0
#include "trace/trace.h"

#include <stdlib.h>
#include <string.h>

#include "trace/ids.h"

struct trace {
	struct trace_opts opts;
};

struct trace *trace_new(const struct trace_opts *opts)
{
	struct trace *tr = calloc(1, sizeof(*tr));

	if (tr)
		tr->opts = *opts;
	return tr;
}

void trace_free(struct trace *tr)
{
	free(tr);
}

static void place(const struct trace *tr, const struct ids *ids, struct txn_trace *t)
{
	const struct sampler *s = &tr->opts.sampler;

	memcpy(t->span_id, ids->span_id, sizeof(t->span_id));
	if (t->parent == TXN_PARENT_HEADER && !t->is_deferred) {
		t->is_sampled = sampler_child(s, t->trace_id, t->is_sampled);
		return;
	}
	if (t->parent != TXN_PARENT_HEADER)
		memcpy(t->trace_id, ids->trace_id, sizeof(t->trace_id));
	t->is_sampled = sampler_root(s, t->trace_id);
}

void trace_txn(struct trace *tr, struct txn *t)
{
	struct ids_seed seed = {
		.salt = tr->opts.salt,
		.cookie = t->cookie,
		.start_ns = t->start_ns,
		.request_seq = t->request_seq,
		.role = t->role,
	};
	struct ids ids;

	ids_make(&seed, &ids);
	place(tr, &ids, &t->trace);
	tr->opts.deliver(tr->opts.ctx, t);
}
