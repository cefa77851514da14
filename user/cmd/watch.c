/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "capture/live.h"
#include "pipeline.h"
#include "util/clock.h"
#include "util/map.h"

enum { BUDGET = 4096 };

struct watch {
	struct pipeline pipeline;
	struct map by_tgid;   /* index into list, plus one */
	struct watched *list; /* owned */
	size_t n;
	uint64_t left_out;
};

static struct watched *watched_get(struct watch *w, uint32_t tgid)
{
	uintptr_t at = (uintptr_t)map_get(&w->by_tgid, tgid);
	const struct process *proc;
	struct watched *p;

	if (at)
		return &w->list[at - 1];
	if (w->n == WATCH_PROCESSES_MAX || map_put(&w->by_tgid, tgid, (void *)(w->n + 1))) {
		w->left_out++;
		return NULL;
	}
	p = &w->list[w->n++];
	p->tgid = tgid;
	proc = process_get(w->pipeline.procs, tgid, w->pipeline.now_ns);
	snprintf(p->comm, sizeof(p->comm), "%s", proc->comm);
	snprintf(p->service, sizeof(p->service), "%s", proc->service->name);
	return p;
}

static int on_record(void *ctx, const void *rec, size_t size)
{
	struct watch *w = ctx;
	const struct sonde_ev_data *data = rec;
	struct watched *p;

	if (pipeline_record(&w->pipeline, rec, size) || data->h.kind != SONDE_EV_DATA)
		return 0;
	p = watched_get(w, data->tgid);
	if (p)
		p->bytes += data->len;
	return 0;
}

static void on_txn(void *self, const struct txn *t)
{
	struct watched *p = watched_get(self, t->tgid);

	if (p)
		p->transactions++;
}

static void on_conn(void *ctx, const struct conn_view *v)
{
	struct watched *p = watched_get(ctx, v->tgid);

	if (!p)
		return;
	p->parsed += v->is_parsed;
	p->unknown += v->is_unknown;
	p->encrypted += v->is_encrypted;
	p->undecided += !v->is_parsed && !v->is_unknown && !v->is_encrypted;
}

static int by_bytes(const void *a, const void *b)
{
	const struct watched *x = a, *y = b;

	if (x->bytes != y->bytes)
		return x->bytes < y->bytes ? 1 : -1;
	return x->tgid < y->tgid ? -1 : x->tgid > y->tgid;
}

static void turn(struct watch *w, struct source *source, uint64_t duration_ns)
{
	const struct timespec pause = { .tv_nsec = 5 * (long)NS_PER_MS };
	uint64_t now_ns = clock_mono_ns(), end_ns = now_ns + duration_ns;
	uint64_t tick_ns = now_ns;

	for (; now_ns < end_ns; now_ns = clock_mono_ns()) {
		if (source->ops->read(source, on_record, w, BUDGET) <= 0)
			nanosleep(&pause, NULL);
		if (now_ns - tick_ns < NS_PER_S)
			continue;
		tick_ns = now_ns;
		pipeline_tick(&w->pipeline, now_ns);
	}
	/* what was seen to its end belongs to it, though something may wait for more */
	source->ops->read(source, on_record, w, BUDGET);
	pipeline_tick(&w->pipeline, clock_mono_ns());
	pipeline_end(&w->pipeline);
}

struct watch *watch_run(struct probe *probe, uint64_t duration_ns)
{
	/* without a source the pipeline has nobody to give verdicts to: every byte is counted */
	struct pipeline_opts opts = { .is_live = true, .sampler = sampler_env() };
	struct exporter e = { .name = "watch", .on_txn = on_txn };
	struct source *source = live_open(probe);
	struct watch *w = calloc(1, sizeof(*w));

	if (!source || !w)
		goto fail;
	w->list = calloc(WATCH_PROCESSES_MAX, sizeof(*w->list));
	if (!w->list || pipeline_init(&w->pipeline, &opts))
		goto fail;
	e.self = w;
	pipeline_add(&w->pipeline, &e);
	turn(w, source, duration_ns);
	conns_each(w->pipeline.conns, on_conn, w);
	qsort(w->list, w->n, sizeof(*w->list), by_bytes);
	pipeline_free(&w->pipeline);
	source->ops->close(source);
	return w;
fail:
	if (source)
		source->ops->close(source);
	watch_free(w);
	return NULL;
}

void watch_free(struct watch *w)
{
	if (!w)
		return;
	map_free(&w->by_tgid);
	free(w->list);
	free(w);
}

const struct watched *watch_processes(const struct watch *w, size_t *n)
{
	*n = w->n;
	return w->list;
}

uint64_t watch_left_out(const struct watch *w)
{
	return w->left_out;
}

void watch_why(const struct watched *p, char *out, size_t size)
{
	const struct {
		uint32_t n;
		const char *why;
	} states[] = {
		{ p->encrypted, "encrypted, by no TLS library that is watched" },
		{ p->unknown, "of a protocol this build does not parse" },
		{ p->parsed, "open, and no request on them ended meanwhile" },
		{ p->undecided, "of which too little was seen to tell the protocol" },
	};

	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		if (!states[i].n)
			continue;
		snprintf(out, size, "%u connection%s %s", states[i].n, states[i].n > 1 ? "s" : "",
			 states[i].why);
		return;
	}
	snprintf(out, size, "its connections ended, and no request was seen on them");
}
