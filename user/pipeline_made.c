// SPDX-License-Identifier: Apache-2.0
/*
 * Records that are made here and not by the kernel: who a process is, what an address is called,
 * what the clock, the sweep and the governor said. They take the way of all others, and stand in
 * the recording, so that replay knows what the live run knew.
 */
#include "pipeline_impl.h"

#include <stdio.h>
#include <string.h>

#include "capture/recording.h"
#include "identity/naming.h"

/* All that facts can be, and the longest instance. */
enum { FACTS_RECORDED_MAX = FACTS_TEXT_MAX + FACT_MAX * 40 + 2 * SERVICE_INSTANCE_LEN };

static void put(char *out, size_t size, const char *in)
{
	slice_copy(out, size, slice_str(in));
}

/* Written before the record that needs it, so that replay knows what the live run knew. */
void pipeline_tell_process(void *ctx, const struct process *proc)
{
	struct pipeline *p = ctx;
	const struct service *s = proc->service;
	union {
		struct sonde_ev_process ev;
		char bytes[sizeof(struct sonde_ev_process) + FACTS_RECORDED_MAX];
	} rec;
	struct sonde_ev_process *ev = &rec.ev;
	size_t n = 0;

	if (!p->opts.recorder)
		return;
	*ev = (struct sonde_ev_process){ .tgid = proc->tgid, .is_go = proc->is_go };
	if (strlen(s->instance_id) >= sizeof(ev->instance_id))
		n = (size_t)snprintf(ev->facts, FACTS_RECORDED_MAX, "service.instance.id=%s",
				     s->instance_id) +
		    1;
	n += facts_write(s->facts, ev->facts + n, FACTS_RECORDED_MAX - n);
	ev->facts_len = (uint32_t)n;
	ev->h = (struct sonde_ev_hdr){ .kind = SONDE_EV_PROCESS,
				       .size = (uint32_t)(sizeof(*ev) + n),
				       .ts_ns = p->now_ns };
	put(ev->comm, sizeof(ev->comm), proc->comm);
	put(ev->service, sizeof(ev->service), s->name);
	put(ev->service_namespace, sizeof(ev->service_namespace), s->name_space);
	put(ev->instance_id, sizeof(ev->instance_id), s->instance_id);
	recorder_write(p->opts.recorder, ev, ev->h.size);
}

/* What the address is called stands before the record that needs it, as who a process is does. */
void pipeline_tell_address(struct pipeline *p, const struct sonde_ev_address *news)
{
	struct sonde_ev_address ev = *news;

	ev.h.ts_ns = p->now_ns;
	pipeline_record(p, &ev, sizeof(ev));
}

void pipeline_sweep(struct pipeline *p, uint64_t cookie, uint64_t now_ns)
{
	struct sonde_ev_sweep ev = {
		.h = { .kind = SONDE_EV_SWEEP, .size = sizeof(ev), .ts_ns = now_ns },
		.cookie = cookie,
	};

	pipeline_record(p, &ev, sizeof(ev));
}

void pipeline_shed(struct pipeline *p, uint32_t keep, uint64_t now_ns)
{
	struct sonde_ev_shed ev = {
		.h = { .kind = SONDE_EV_SHED, .size = sizeof(ev), .ts_ns = now_ns },
		.keep = keep,
	};

	pipeline_record(p, &ev, sizeof(ev));
}

void pipeline_end(struct pipeline *p)
{
	struct sonde_ev_hdr ev = { .kind = SONDE_EV_END, .size = sizeof(ev), .ts_ns = p->now_ns };

	pipeline_record(p, &ev, sizeof(ev));
}

void pipeline_lost(struct pipeline *p, uint64_t n, uint64_t now_ns)
{
	struct sonde_ev_lost ev = {
		.h = { .kind = SONDE_EV_LOST, .size = sizeof(ev), .ts_ns = now_ns },
		.n = n,
	};

	pipeline_record(p, &ev, sizeof(ev));
}

static void on_name(void *ctx, const struct sonde_ev_address *ev)
{
	struct pipeline *p = ctx;
	struct sonde_ev_address rec = *ev;

	rec.h.ts_ns = p->now_ns;
	recorder_write(p->opts.recorder, &rec, sizeof(rec));
}

static void on_resolved(void *ctx, const struct sonde_ev_resolved *ev)
{
	struct pipeline *p = ctx;
	struct sonde_ev_resolved rec = *ev;

	rec.h.ts_ns = p->now_ns;
	recorder_write(p->opts.recorder, &rec, sizeof(rec));
}

void pipeline_record_to(struct pipeline *p, struct recorder *recorder)
{
	struct sonde_ev_hdr end = { .kind = SONDE_EV_END, .size = sizeof(end), .ts_ns = p->now_ns };

	/* of the recording alone: here it goes on */
	if (p->opts.recorder && !recorder)
		recorder_write(p->opts.recorder, &end, sizeof(end));
	p->opts.recorder = recorder;
	if (recorder) {
		processes_each(p->procs, pipeline_tell_process, p);
		naming_each(p->naming, on_name, p);
		naming_each_resolved(p->naming, on_resolved, p);
	}
}
