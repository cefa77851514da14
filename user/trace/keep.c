// SPDX-License-Identifier: Apache-2.0
#include "trace/keep.h"

#include <stdlib.h>
#include <string.h>

struct keep {
	struct keep_opts opts;
	uint64_t ids[KEEP_SPANS_MAX]; /* of the trace of each span that waits; 0: none */
	uint64_t kept[KEEP_TRACES_MAX];
	size_t next, next_kept;
	struct txn *spans; /* owned */
};

struct keep *keep_new(const struct keep_opts *opts)
{
	struct keep *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	k->opts = *opts;
	k->spans = calloc(KEEP_SPANS_MAX, sizeof(*k->spans)); /* resident as it fills */
	if (k->spans)
		return k;
	free(k);
	return NULL;
}

void keep_free(struct keep *k)
{
	if (!k)
		return;
	free(k->spans);
	free(k);
}

/* The right half: the left one is zero in traces of 64 bits. */
static uint64_t id_of(const struct txn *t)
{
	uint64_t id;

	memcpy(&id, t->trace.trace_id + 8, sizeof(id));
	return id;
}

static void give_out(const struct keep *k, struct txn *t)
{
	t->trace.is_sampled = true;
	k->opts.deliver(k->opts.ctx, t);
}

static bool is_kept(const struct keep *k, uint64_t id)
{
	for (size_t i = 0; i < KEEP_TRACES_MAX; i++)
		if (k->kept[i] == id)
			return true;
	return false;
}

static void keep_trace(struct keep *k, uint64_t id)
{
	k->kept[k->next_kept++ % KEEP_TRACES_MAX] = id;
	for (size_t i = 0; i < KEEP_SPANS_MAX; i++) {
		size_t at = (k->next + i) % KEEP_SPANS_MAX; /* oldest first */

		if (k->ids[at] != id)
			continue;
		k->ids[at] = 0;
		give_out(k, &k->spans[at]);
	}
}

static bool is_wanted(const struct keep *k, const struct txn *t)
{
	return (k->opts.errors && t->error_type[0]) ||
	       (k->opts.slow && txn_duration_ns(t) >= KEEP_SLOW_NS);
}

void keep_txn(struct keep *k, const struct txn *t)
{
	size_t at = k->next % KEEP_SPANS_MAX;
	uint64_t id = id_of(t);
	bool was_kept = is_kept(k, id);

	if (!was_kept && is_wanted(k, t)) {
		keep_trace(k, id);
		was_kept = true;
	}
	k->spans[at] = *t;
	if (was_kept) {
		k->ids[at] = 0;
		give_out(k, &k->spans[at]);
	} else {
		k->ids[at] = id;
		k->next++;
	}
}
