// SPDX-License-Identifier: Apache-2.0
/* What processes use for their end: it is told once somebody has waited for them, and all is let go
 * of, when they may be forgotten in every other respect. */
#include <stdlib.h>

#include "pressure/procwalk_impl.h"
#include "util/clock.h"

enum { ENDED_MAX = 16384, SWEPT_MAX = 1024 };

#define REST_NS (300 * NS_PER_S) /* who is not waited for by then */

static void forget(struct procwalk *w, uint32_t tgid)
{
	struct ended *e = map_del(&w->ended, tgid);

	if (!e)
		return;
	e->sums->held--;
	free(e);
}

void procwalk_ended(struct procwalk *w, const struct walked *p, const struct sonde_ev_exit *ev,
		    uint32_t heir)
{
	struct ended *e;

	forget(w, p->tgid);
	if (ev->h.size < sizeof(*ev))
		return;
	e = w->ended.n < ENDED_MAX ? malloc(sizeof(*e)) : NULL;
	if (!e || map_put(&w->ended, p->tgid, e) < 0) {
		free(e);
		w->no_ends++;
		return;
	}
	*e = (struct ended){ ev->start_ns, ev->h.ts_ns, p->sums, p->usage, heir };
	e->sums->held++;
}

static uint64_t more(uint64_t now, uint64_t before)
{
	return now > before ? now - before : 0;
}

void procwalk_rest(struct procwalk *w, const struct sonde_ev_rest *ev)
{
	struct ended *e = map_get(&w->ended, ev->tgid);
	struct walked *p = map_get(&w->walked, ev->tgid);
	uint64_t read_bytes, written_bytes;
	struct usage end;

	if (!e || e->start_ns != ev->start_ns)
		return;
	end = e->told;
	usage_end(&end, ev->run_ns, ev->user_ns, ev->system_ns);
	procwalk_account(e->sums, &e->told, &end);
	read_bytes = more(ev->read_bytes, e->told.read_bytes);
	written_bytes = more(ev->written_bytes, e->told.written_bytes);
	e->sums->read_bytes += read_bytes;
	e->sums->written_bytes += written_bytes;
	procwalk_bequeath(w, e->heir, ev->h.ts_ns, read_bytes, written_bytes);
	if (p && p->gone_ns == e->gone_ns) {
		p->usage.user_ns = end.user_ns;
		p->usage.system_ns = end.system_ns;
		p->usage.read_bytes += read_bytes;
		p->usage.written_bytes += written_bytes;
	}
	forget(w, ev->tgid);
}

void procwalk_sweep_ended(struct procwalk *w, uint64_t now_ns)
{
	uint32_t gone[SWEPT_MAX];
	size_t n = 0;
	uint64_t key;
	void *value;

	for (size_t i = 0; map_next(&w->ended, &i, &key, &value);) {
		const struct ended *e = value;

		if (now_ns > e->gone_ns + REST_NS && n < SWEPT_MAX)
			gone[n++] = (uint32_t)key;
	}
	while (n > 0)
		forget(w, gone[--n]);
}

void procwalk_free_ended(struct procwalk *w)
{
	uint64_t key;
	void *value;

	for (size_t i = 0; map_next(&w->ended, &i, &key, &value);)
		free(value);
	map_free(&w->ended);
}
