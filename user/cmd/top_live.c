/* SPDX-License-Identifier: Apache-2.0 */
/* `sonde top` on what it observes itself. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "cmd/observe.h"
#include "cmd/top.h"
#include "cmd/top_ui.h"
#include "top/service_usage.h"
#include "util/clock.h"
#include "util/log.h"

struct live {
	struct observer observer;
	struct stats stats;
	struct service_usage usage;
	struct top_ui ui;
	int timer;
	bool is_failed;
	uint64_t self_ns, events, cpu_ns; /* as of the last frame */
};

static uint64_t all_events(const struct self *s)
{
	uint64_t n = 0;

	for (int i = 0; i < SONDE_EV_KERNEL_MAX; i++)
		n += s->events[i];
	return n;
}

static double rate(uint64_t now, uint64_t before, uint64_t passed_ns)
{
	return passed_ns && now >= before ? (double)(now - before) * NS_PER_S / (double)passed_ns
					  : 0;
}

static void tell_self(struct live *l, uint64_t now_ns, struct top_self *out)
{
	const struct self *s = stats_self(&l->stats, now_ns);
	uint64_t passed_ns = now_ns - l->self_ns, events = all_events(s);

	snprintf(out->where, sizeof(out->where), "this host");
	snprintf(out->tier, sizeof(out->tier), "%s", tier_name(s->tier));
	if (l->self_ns && passed_ns) {
		out->events_rate = rate(events, l->events, passed_ns);
		out->cpu_cores = (double)(s->cpu_ns - l->cpu_ns) / (double)passed_ns;
	}
	out->lost = self_losses(s);
	out->unknown = s->conns.unknown;
	out->encrypted = s->conns.encrypted;
	out->memory_bytes = s->anonymous_memory;
	stalls_of_host(out->pressure);
	l->self_ns = now_ns;
	l->events = events;
	l->cpu_ns = s->cpu_ns;
}

/* Often when one zooms, once a second else: rates are over a second. */
static void tell_present(struct live *l, uint64_t now_ns, struct top_frame *f)
{
	struct service_sums *sums;
	ssize_t n;

	if (now_ns - l->self_ns < NS_PER_S / 2)
		return;
	tell_self(l, now_ns, &f->self);
	if (l->stats.procwalk)
		procwalk_publish(l->stats.procwalk, now_ns);
	n = service_sums_read(red_store(l->stats.red), &sums);
	if (n < 0)
		return;
	service_usage_take(&l->usage, sums, (size_t)n, now_ns);
	free(sums);
}

static int read_frame(void *ctx, const struct top_ask *ask, uint64_t at_ns, struct top_frame *f)
{
	struct live *l = ctx;
	const struct config_list *rules = &l->stats.config->health;
	uint64_t now_ns = at_ns ? at_ns : clock_mono_ns();
	int err = frame_read(f, l->stats.recent, ask, rules->v, rules->n, now_ns);

	f->unix_ns = (int64_t)now_ns + l->observer.source->realtime_offset_ns;
	if (err)
		return err;
	if (!at_ns)
		tell_present(l, now_ns, f);
	service_usage_fill(&l->usage, f->rows, f->n_rows);
	return 0;
}

static bool record(void *ctx, char *said, size_t size)
{
	struct live *l = ctx;
	time_t now = time(NULL);
	char path[64], err[512];
	struct tm tm;

	if (l->observer.recorder) {
		observer_record(&l->observer, NULL, err, sizeof(err));
		snprintf(said, size, "the recording has ended");
		return false;
	}
	localtime_r(&now, &tm);
	strftime(path, sizeof(path), "sonde-%Y%m%d-%H%M%S.rec", &tm);
	if (observer_record(&l->observer, path, err, sizeof(err))) {
		snprintf(said, size, "%s", err);
		return false;
	}
	snprintf(said, size, "recording to %s: it will hold payload; r ends it", path);
	return true;
}

/* The first turn: `observing` has been said, the screen is ours. */
static void begin(void *ctx)
{
	struct live *l = ctx;
	const struct top_source source = { .ctx = l, .read = read_frame, .record = record };

	loop_timer_set(l->timer, 0);
	if (top_ui_open(&l->ui, l->observer.loop, &source)) {
		l->is_failed = true;
		observer_stop(&l->observer);
	}
	l->ui.view.is_recording = l->observer.recorder != NULL;
}

static void on_end(void *ctx)
{
	struct live *l = ctx;

	top_ui_close(&l->ui);
}

static int observe(struct live *l)
{
	int res;

	l->timer = loop_timer(l->observer.loop, NS_PER_MS, begin, l);
	if (l->timer < 0) {
		log_error("cannot start: %s", strerror(-l->timer));
		return EXIT_CANNOT;
	}
	l->observer.on_end = on_end;
	l->observer.ctx = l;
	res = observer_run(&l->observer, NULL);
	return l->is_failed ? EXIT_CANNOT : res;
}

int top_live(const struct cmd_args *a)
{
	const struct config *c = a->config;
	struct live l = { 0 };
	int res = observer_open(&l.observer, a, c->record_file, c->duration_ns);

	if (!res &&
	    stats_open(&l.stats, &l.observer.pipeline, l.observer.probe, c, clock_mono_ns()))
		res = EXIT_CANNOT;
	if (!res)
		res = observe(&l);
	top_ui_close(&l.ui);
	observer_close(&l.observer);
	stats_close(&l.stats);
	service_usage_free(&l.usage);
	return res;
}
