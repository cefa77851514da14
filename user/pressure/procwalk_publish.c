// SPDX-License-Identifier: Apache-2.0
/* The walk over processes, as series. */
#include <stdio.h>
#include <stdlib.h>

#include "pressure/procwalk_impl.h"
#include "util/clock.h"

/* Series of single processes: those not written in a publication are dropped. */
static const enum metric_id of_process[] = {
	METRIC_PROCESS_CPU,	 METRIC_PROCESS_MEMORY,	    METRIC_PROCESS_VIRTUAL,
	METRIC_PROCESS_SWAP,	 METRIC_PROCESS_DISK_IO,    METRIC_PROCESS_FAULTS,
	METRIC_PROCESS_SWITCHES, METRIC_PROCESS_THREADS,    METRIC_PROCESS_DESCRIPTORS,
	METRIC_PROCESS_UPTIME,	 METRIC_PROCESS_NETWORK_IO,
};

struct publication {
	struct procwalk *w;
	const struct service *service;
	uint64_t now_ns;
	struct slice who[3]; /* pid, name, and what a metric distinguishes beside */
};

static void put(struct publication *p, enum metric_id id, const char *kind, uint64_t value)
{
	struct series *s;

	p->who[2] = kind ? slice_str(kind) : (struct slice){ 0 };
	s = series_get(p->w->opts.store, id, p->service, p->who, p->now_ns);
	if (s)
		s->value = value;
}

static void put_process(struct publication *p, const struct walked *of)
{
	const struct usage *u = &of->usage;
	const struct moved *m = map_get(&p->w->network, of->tgid);
	uint64_t boot_ns = clock_ns(CLOCK_BOOTTIME);

	put(p, METRIC_PROCESS_CPU, "user", u->user_ns);
	put(p, METRIC_PROCESS_CPU, "system", u->system_ns);
	put(p, METRIC_PROCESS_FAULTS, "minor", u->minor_faults);
	put(p, METRIC_PROCESS_FAULTS, "major", u->major_faults);
	put(p, METRIC_PROCESS_SWITCHES, "voluntary", u->voluntary);
	put(p, METRIC_PROCESS_SWITCHES, "involuntary", u->involuntary);
	if (u->has_io) {
		put(p, METRIC_PROCESS_DISK_IO, "read", u->read_bytes);
		put(p, METRIC_PROCESS_DISK_IO, "write", u->written_bytes);
	}
	if (m) {
		put(p, METRIC_PROCESS_NETWORK_IO, "transmit", m->sent);
		put(p, METRIC_PROCESS_NETWORK_IO, "receive", m->received);
	}
	if (of->gone_ns)
		return;
	put(p, METRIC_PROCESS_MEMORY, NULL, u->resident_bytes);
	put(p, METRIC_PROCESS_VIRTUAL, NULL, u->virtual_bytes);
	put(p, METRIC_PROCESS_SWAP, NULL, u->swap_bytes);
	put(p, METRIC_PROCESS_THREADS, NULL, u->threads);
	if (u->has_descriptors)
		put(p, METRIC_PROCESS_DESCRIPTORS, NULL, u->descriptors);
	put(p, METRIC_PROCESS_UPTIME, NULL, boot_ns > u->start_ns ? boot_ns - u->start_ns : 0);
}

/* The busiest first; who has series keeps them unless another is clearly busier, so that series do
 * not come and go. */
static int by_score(const void *a, const void *b)
{
	const struct walked *x = *(struct walked *const *)a, *y = *(struct walked *const *)b;
	uint64_t sx = x->score + (x->is_shown ? x->score / 2 + 1 : 0);
	uint64_t sy = y->score + (y->is_shown ? y->score / 2 + 1 : 0);

	if (sx != sy)
		return sx > sy ? -1 : 1;
	return x->tgid < y->tgid ? -1 : x->tgid > y->tgid;
}

static size_t in_order(struct procwalk *w)
{
	size_t n = 0;
	uint64_t key;
	void *value;

	if (w->n_order < w->walked.n) {
		struct walked **more = realloc(w->order, w->walked.n * sizeof(*more));

		if (!more)
			return 0;
		w->order = more;
		w->n_order = w->walked.n;
	}
	for (size_t i = 0; map_next(&w->walked, &i, &key, &value);)
		w->order[n++] = value;
	if (n)
		qsort(w->order, n, sizeof(w->order[0]), by_score);
	return n;
}

static void put_sum(struct procwalk *w, enum metric_id id, const struct service *service,
		    const char *kind, uint64_t value, uint64_t now_ns)
{
	const struct slice values[] = { kind ? slice_str(kind) : (struct slice){ 0 } };
	struct series *s = series_get(w->opts.store, id, service, values, now_ns);

	if (s)
		s->value = value;
}

static void put_sums(struct procwalk *w, const struct sums *s, uint64_t now_ns)
{
	put_sum(w, METRIC_SERVICE_CPU, s->service, "user", s->user_ns, now_ns);
	put_sum(w, METRIC_SERVICE_CPU, s->service, "system", s->system_ns, now_ns);
	put_sum(w, METRIC_SERVICE_DISK_IO, s->service, "read", s->read_bytes, now_ns);
	put_sum(w, METRIC_SERVICE_DISK_IO, s->service, "write", s->written_bytes, now_ns);
	put_sum(w, METRIC_SERVICE_MEMORY, s->service, NULL, s->resident_bytes, now_ns);
	put_sum(w, METRIC_SERVICE_RESTARTS, s->service, NULL, s->restarts, now_ns);
	if (s->has_stalls)
		stalls_publish(&s->stalls, s->service, w->opts.store, now_ns);
}

static void publish_services(struct procwalk *w, size_t n, uint64_t now_ns)
{
	uint64_t key;
	void *value;

	for (size_t i = 0; map_next(&w->services, &i, &key, &value);)
		((struct sums *)value)->resident_bytes = 0;
	for (size_t i = 0; i < n; i++)
		if (!w->order[i]->gone_ns)
			w->order[i]->sums->resident_bytes += w->order[i]->usage.resident_bytes;
	for (size_t i = 0; map_next(&w->services, &i, &key, &value);)
		put_sums(w, value, now_ns);
}

void procwalk_publish(struct procwalk *w, uint64_t now_ns)
{
	struct publication p = { .w = w, .now_ns = now_ns };
	size_t n = in_order(w), hidden = 0;
	char pid[16];

	for (size_t i = 0; i < n; i++) {
		struct walked *of = w->order[i];

		of->is_shown = i < w->opts.max;
		if (!of->is_shown) {
			hidden++;
			continue;
		}
		snprintf(pid, sizeof(pid), "%u", of->tgid);
		p.service = of->sums->service;
		p.who[0] = slice_str(pid);
		p.who[1] = slice_str(of->usage.comm);
		put_process(&p, of);
	}
	publish_services(w, n, now_ns);
	for (size_t i = 0; i < sizeof(of_process) / sizeof(of_process[0]); i++)
		series_drop_older(w->opts.store, of_process[i], now_ns);
	put_sum(w, METRIC_PROCESSES_HIDDEN, NULL, NULL, hidden + w->left_out, now_ns);
}
