/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/minute.h"

void minute_free(struct minute *m)
{
	for (int i = 0; i < MINUTE_SLOTS; i++)
		hist_free(&m->slots[i].durations);
}

void minute_add(struct minute *m, const struct txn *t)
{
	uint64_t epoch = t->end_ns / MINUTE_SLOT_NS;
	struct minute_slot *slot = &m->slots[epoch % MINUTE_SLOTS];

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

static void tell(const struct hist *all, uint64_t errors, uint64_t covered_ns,
		 struct minute_figures *out)
{
	*out = (struct minute_figures){
		.count = all->count,
		.errors = errors,
		.rate = (double)all->count * (double)NS_PER_S / (double)covered_ns,
		.error_ratio = (double)errors / (double)all->count,
		.p50_ns = (uint64_t)hist_quantile(all, 0.5),
		.p95_ns = (uint64_t)hist_quantile(all, 0.95),
		.p99_ns = (uint64_t)hist_quantile(all, 0.99),
		.max_ns = all->max,
	};
}

void minute_read(const struct minute *m, uint64_t began_ns, uint64_t now_ns,
		 struct minute_figures *out)
{
	uint64_t last = now_ns / MINUTE_SLOT_NS, errors = 0;
	uint64_t first = now_ns > MINUTE_NS ? (now_ns - MINUTE_NS) / MINUTE_SLOT_NS : 0;
	struct hist all = { 0 };

	if (began_ns < first * MINUTE_SLOT_NS)
		began_ns = first * MINUTE_SLOT_NS;
	for (int i = 0; i < MINUTE_SLOTS; i++) {
		const struct minute_slot *slot = &m->slots[i];

		if (slot->epoch >= first && slot->epoch <= last &&
		    hist_merge(&all, &slot->durations) == 0)
			errors += slot->errors;
	}
	*out = (struct minute_figures){ 0 };
	if (all.count && now_ns > began_ns)
		tell(&all, errors, now_ns - began_ns, out);
	hist_free(&all);
}
