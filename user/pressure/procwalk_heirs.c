// SPDX-License-Identifier: Apache-2.0
/* Bytes from and to disks: what a child that has ended leaves to who waits for it is told once. */
#include <stdlib.h>
#include "pressure/procwalk_impl.h"

enum { INHERITED_MAX = 16384 };

static uint64_t max(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* Of what a process's figure grew by, what its children did not leave it. */
static uint64_t own(uint64_t growth, uint64_t *of_children)
{
	uint64_t left = growth < *of_children ? growth : *of_children;

	*of_children -= left;
	return growth - left;
}

/* Never NULL: `none` is as good where there is nothing. */
static struct inherited *inherited_by(struct procwalk *w, uint32_t tgid, struct inherited *none)
{
	struct inherited *found = map_get(&w->inherited, tgid);

	*none = (struct inherited){ 0 };
	return found ? found : none;
}

void procwalk_account_io(struct procwalk *w, struct walked *p, uint64_t read_bytes,
			 uint64_t written_bytes)
{
	struct inherited none, *of_children = inherited_by(w, p->tgid, &none);

	p->sums->read_bytes +=
		own(procwalk_more(read_bytes, p->counted_read), &of_children->read_bytes);
	p->sums->written_bytes +=
		own(procwalk_more(written_bytes, p->counted_written), &of_children->written_bytes);
	p->counted_read = max(p->counted_read, read_bytes); /* once not to be read, they are 0 */
	p->counted_written = max(p->counted_written, written_bytes);
}

static struct inherited *inherited_new(struct procwalk *w, uint32_t tgid)
{
	struct inherited *i = w->inherited.n < INHERITED_MAX ? calloc(1, sizeof(*i)) : NULL;

	if (i && map_put(&w->inherited, tgid, i) == 0)
		return i;
	free(i);
	return NULL;
}

void procwalk_bequeath(struct procwalk *w, uint32_t heir, uint64_t now_ns, uint64_t read_bytes,
		       uint64_t written_bytes)
{
	const struct walked *known = map_get(&w->walked, heir);
	struct inherited *to;

	if (!heir || !(read_bytes | written_bytes) ||
	    process_get(w->opts.procs, heir, now_ns)->gone_ns ||
	    (known && (known->gone_ns || known->usage.ignores_children)))
		return;
	to = map_get(&w->inherited, heir);
	if (!to)
		to = inherited_new(w, heir);
	if (!to) {
		w->no_heirs++;
		return;
	}
	to->read_bytes += read_bytes;
	to->written_bytes += written_bytes;
}

uint32_t procwalk_heir_of(struct procwalk *w, const struct sonde_ev_exit *ev)
{
	if (ev->h.size < sizeof(*ev))
		return 0;
	/* one that has ended meanwhile waits for nobody */
	return process_get(w->opts.procs, ev->heir, ev->h.ts_ns)->gone_ns ? ev->reaper : ev->heir;
}

void procwalk_bequeath_all(struct procwalk *w, const struct sonde_ev_exit *ev, uint32_t heir)
{
	struct inherited *left = map_del(&w->inherited, ev->tgid);
	uint64_t now_ns = ev->h.ts_ns;

	if (ev->h.size >= sizeof(*ev)) {
		procwalk_bequeath(w, heir, now_ns, ev->read_bytes, ev->written_bytes);
		if (left)
			procwalk_bequeath(w, ev->reaper, now_ns, left->read_bytes,
					  left->written_bytes);
	}
	free(left);
}

void procwalk_free_heirs(struct procwalk *w)
{
	uint64_t key;
	void *value;

	for (size_t i = 0; map_next(&w->inherited, &i, &key, &value);)
		free(value);
	map_free(&w->inherited);
}
