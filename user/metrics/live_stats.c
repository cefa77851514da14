/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/live_stats.h"

#include <stdlib.h>
#include <string.h>
#include "identity/process.h"
#include "metrics/hist.h"
#include "util/clock.h"
#include "util/map.h"

struct live_slot {
	uint64_t epoch; /* which LIVE_SLOT_NS since the start of the clock it holds */
	uint64_t errors;
	struct hist durations; /* no explicit boundaries */
};

struct live_entry {
	char name[128];
	char name_space[64];
	uint32_t service_id;
	enum sonde_role role;
	uint64_t last_ns;
	struct live_slot slots[LIVE_SLOTS];
};

struct live_stats {
	uint64_t began_ns;
	struct live_entry *entries[LIVE_SERVICES_MAX]; /* owned */
	size_t n;
	struct map by_key; /* service id and role -> entry */
};

struct live_stats *live_stats_new(uint64_t now_ns)
{
	struct live_stats *ls = calloc(1, sizeof(*ls));

	if (ls)
		ls->began_ns = now_ns;
	return ls;
}

static void live_entry_clear(struct live_entry *e)
{
	for (size_t i = 0; i < LIVE_SLOTS; i++)
		hist_free(&e->slots[i].durations);
}

void live_stats_free(struct live_stats *ls)
{
	if (!ls)
		return;
	for (size_t i = 0; i < ls->n; i++) {
		live_entry_clear(ls->entries[i]);
		free(ls->entries[i]);
	}
	map_free(&ls->by_key);
	free(ls);
}

static uint64_t live_key(uint32_t service_id, enum sonde_role role)
{
	return (uint64_t)service_id << 2 | role;
}

static struct live_entry *live_oldest(struct live_stats *ls)
{
	struct live_entry *oldest = ls->entries[0];

	for (size_t i = 1; i < ls->n; i++)
		if (ls->entries[i]->last_ns < oldest->last_ns)
			oldest = ls->entries[i];
	map_del(&ls->by_key, live_key(oldest->service_id, oldest->role));
	live_entry_clear(oldest);
	return oldest;
}

static struct live_entry *live_entry_get(struct live_stats *ls, const struct service *service,
					 enum sonde_role role)
{
	uint64_t key = live_key(service->id, role);
	struct live_entry *e = map_get(&ls->by_key, key);

	if (e)
		return e;
	if (ls->n == LIVE_SERVICES_MAX) {
		e = live_oldest(ls);
	} else {
		e = malloc(sizeof(*e));
		if (!e)
			return NULL;
		ls->entries[ls->n++] = e;
	}
	*e = (struct live_entry){ .service_id = service->id, .role = role };
	slice_copy(e->name, sizeof(e->name), slice_str(service->name));
	slice_copy(e->name_space, sizeof(e->name_space), slice_str(service->name_space));
	if (map_put(&ls->by_key, key, e) < 0)
		return NULL; /* silent, so the first to go */
	return e;
}

void live_stats_add(struct live_stats *ls, const struct service *service, const struct txn *t)
{
	uint64_t epoch = t->end_ns / LIVE_SLOT_NS;
	struct live_entry *e;
	struct live_slot *slot;

	e = live_entry_get(ls, service, t->role);
	if (!e)
		return;
	e->last_ns = t->end_ns > e->last_ns ? t->end_ns : e->last_ns;
	slot = &e->slots[epoch % LIVE_SLOTS];
	if (epoch < slot->epoch)
		return; /* over a minute old: nobody will ask */
	if (epoch > slot->epoch) {
		hist_clear(&slot->durations);
		slot->epoch = epoch;
		slot->errors = 0;
	}
	hist_record(&slot->durations, txn_duration_ns(t));
	slot->errors += t->error_type[0] != '\0';
}

void live_stats_txn(struct live_stats *ls, const struct txn *t)
{
	if (t->service)
		live_stats_add(ls, t->service, t);
}

static uint64_t live_quantile(const struct hist *h, double q)
{
	return h->count ? (uint64_t)hist_quantile(h, q) : 0;
}

/* False: it did nothing in the slots first..last. */
static bool live_row_fill(const struct live_entry *e, uint64_t first, uint64_t last,
			  uint64_t covered_ns, struct live_row *row)
{
	struct hist all = { 0 };

	*row = (struct live_row){ .service_id = e->service_id, .role = e->role };
	for (size_t i = 0; i < LIVE_SLOTS; i++) {
		const struct live_slot *slot = &e->slots[i];

		if (slot->epoch < first || slot->epoch > last)
			continue;
		if (hist_merge(&all, &slot->durations) == 0)
			row->errors += slot->errors;
	}
	row->count = all.count;
	if (row->count) {
		slice_copy(row->name, sizeof(row->name), slice_str(e->name));
		slice_copy(row->name_space, sizeof(row->name_space), slice_str(e->name_space));
		row->rate = (double)row->count * (double)NS_PER_S / (double)covered_ns;
		row->error_ratio = (double)row->errors / (double)row->count;
		row->p50_ns = live_quantile(&all, 0.5);
		row->p95_ns = live_quantile(&all, 0.95);
		row->p99_ns = live_quantile(&all, 0.99);
		row->max_ns = all.max;
	}
	hist_free(&all);
	return row->count > 0;
}

static int live_row_compare(const void *a, const void *b)
{
	const struct live_row *x = a, *y = b;
	int order;

	if (x->count != y->count)
		return x->count < y->count ? 1 : -1;
	order = strcmp(x->name, y->name);
	if (order)
		return order;
	if (x->service_id != y->service_id)
		return x->service_id < y->service_id ? -1 : 1;
	return (int)x->role - (int)y->role;
}

size_t live_stats_read(const struct live_stats *ls, uint64_t now_ns, uint64_t window_ns,
		       struct live_row *out, size_t max)
{
	const uint64_t longest = (LIVE_SLOTS - 1) * LIVE_SLOT_NS;
	uint64_t last = now_ns / LIVE_SLOT_NS, first, begin_ns;
	struct live_row *rows;
	size_t n = 0;

	window_ns = window_ns < longest ? window_ns : longest;
	first = now_ns > window_ns ? (now_ns - window_ns) / LIVE_SLOT_NS : 0;
	begin_ns = first * LIVE_SLOT_NS > ls->began_ns ? first * LIVE_SLOT_NS : ls->began_ns;
	rows = calloc(ls->n ? ls->n : 1, sizeof(*rows));
	if (!rows || now_ns <= begin_ns) {
		free(rows);
		return 0;
	}
	for (size_t i = 0; i < ls->n; i++)
		n += live_row_fill(ls->entries[i], first, last, now_ns - begin_ns, &rows[n]);
	qsort(rows, n, sizeof(*rows), live_row_compare);
	n = n < max ? n : max;
	memcpy(out, rows, n * sizeof(*out));
	free(rows);
	return n;
}
