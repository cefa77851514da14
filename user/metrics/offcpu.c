// SPDX-License-Identifier: Apache-2.0
#include "metrics/offcpu.h"

#include <stdlib.h>
#include "metrics/delays.h"

static const char *const reasons[SONDE_WAIT_MAX] = {
	[SONDE_WAIT_DISK] = "disk",	  [SONDE_WAIT_LOCK] = "lock",
	[SONDE_WAIT_NETWORK] = "network", [SONDE_WAIT_FAULT] = "fault",
	[SONDE_WAIT_SLEEP] = "sleep",	  [SONDE_WAIT_OTHER] = "other",
};

static void add(struct series_store *st, enum metric_id id, const struct service *service,
		struct slice label, uint64_t ns, uint64_t now_ns)
{
	struct series *s = ns ? series_get(st, id, service, &label, now_ns) : NULL;

	if (s)
		s->value += ns;
}

static void add_delays(struct series_store *st, const struct service *service,
		       const struct sonde_offcpu *last, const struct sonde_offcpu *now,
		       uint64_t now_ns)
{
	struct slice none = SLICE("");
	struct series *s;

	if (!delays_grown(last->delays, now->delays))
		return;
	s = series_get(st, METRIC_RUNQUEUE_LATENCY, service, &none, now_ns);
	if (s)
		delays_add(&s->hist, last->delays, now->delays,
			   now->wait_ns[SONDE_WAIT_RUNQUEUE] - last->wait_ns[SONDE_WAIT_RUNQUEUE]);
}

/* Figures only grow: lower ones are a process's that has taken the number of one that is gone. */
static bool is_another(const struct sonde_offcpu *last, const struct sonde_offcpu *now)
{
	for (int i = 0; i < SONDE_WAIT_MAX; i++)
		if (now->wait_ns[i] < last->wait_ns[i])
			return true;
	for (int i = 0; i < SONDE_DELAYS; i++)
		if (now->delays[i] < last->delays[i])
			return true;
	return false;
}

void offcpu_take(struct offcpu *o, struct series_store *st, const struct service *service,
		 uint32_t tgid, const struct sonde_offcpu *now, uint64_t now_ns)
{
	struct sonde_offcpu *last = map_get(&o->last, tgid);

	if (!last) {
		last = calloc(1, sizeof(*last));
		if (!last || map_put(&o->last, tgid, last) < 0) {
			free(last);
			return;
		}
	}
	if (is_another(last, now))
		*last = (struct sonde_offcpu){ 0 };
	add_delays(st, service, last, now, now_ns);
	add(st, METRIC_THROTTLED, service, SLICE(""),
	    now->wait_ns[SONDE_WAIT_THROTTLED] - last->wait_ns[SONDE_WAIT_THROTTLED], now_ns);
	for (int i = SONDE_WAIT_DISK; i < SONDE_WAIT_MAX; i++)
		add(st, METRIC_OFFCPU, service, slice_str(reasons[i]),
		    now->wait_ns[i] - last->wait_ns[i], now_ns);
	*last = *now;
}

void offcpu_forget(struct offcpu *o, uint32_t tgid)
{
	free(map_del(&o->last, tgid));
}

void offcpu_free(struct offcpu *o)
{
	uint64_t key;
	void *value;

	for (size_t i = 0; map_next(&o->last, &i, &key, &value);)
		free(value);
	map_free(&o->last);
}
