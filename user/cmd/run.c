/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include <stdio.h>
#include <string.h>
#include "cmd/observe.h"
#include "cmd/send.h"
#include "cmd/serve.h"
#include "cmd/stats.h"
#include "cmd/summary.h"
#include "util/clock.h"
#include "util/log.h"

#define SUMMARY_NS (5 * NS_PER_S)

struct run {
	struct observer observer;
	struct stats stats;
	struct serve serve;
	struct send send;
	uint64_t started_ns;
	bool is_summary_due;
};

static void on_tick(void *ctx, uint64_t now_ns)
{
	struct run *r = ctx;

	if (!r->is_summary_due || now_ns - r->started_ns < SUMMARY_NS)
		return;
	r->is_summary_due = false;
	summary_print(&r->observer, &r->stats, r->serve.url, now_ns);
}

static void on_end(void *ctx)
{
	struct run *r = ctx;

	serve_end(&r->serve);
}

/* The port is taken before anything is attached: the commonest mistake costs nothing. */
static int start(struct run *r, const struct cmd_args *a)
{
	struct observer *o = &r->observer;
	int err = serve_open(&r->serve, a->config, &r->stats);

	if (!err)
		err = observer_open(o, a, a->config->record_file, a->config->duration_ns);
	if (err)
		return err;
	r->started_ns = clock_mono_ns();
	r->is_summary_due = true;
	if (stats_open(&r->stats, &o->pipeline, o->probe, a->config, r->started_ns))
		return EXIT_CANNOT;
	r->stats.inquiry = o->inquiry;
	r->stats.propagate = o->propagate;
	r->stats.namespaces = o->namespaces;
	r->stats.tls = o->tls;
	r->stats.go_files = o->go_files;
	r->stats.propagate_off = o->propagate_off[0] ? o->propagate_off : NULL;
	err = send_open(&r->send, a->config, o, &r->stats);
	if (err)
		return err;
	err = serve_join(&r->serve, o->loop);
	if (err) {
		log_error("cannot serve %s: %s", r->serve.url, strerror(-err));
		return EXIT_CANNOT;
	}
	return 0;
}

static int observe(struct run *r)
{
	char where[160] = "";

	if (*r->serve.url)
		snprintf(where, sizeof(where), "%s/metrics", r->serve.url);
	r->observer.on_tick = on_tick;
	r->observer.on_end = on_end;
	r->observer.ctx = r;
	r->serve.is_ready = true;
	return observer_run(&r->observer, *where ? where : NULL);
}

int cmd_run(const struct cmd_args *a)
{
	struct run r = { 0 };
	int res = start(&r, a);

	if (!res)
		res = observe(&r);
	send_end(&r.send);
	serve_close(&r.serve);
	observer_close(&r.observer);
	send_close(&r.send);
	stats_close(&r.stats);
	return res;
}
