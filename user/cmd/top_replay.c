/* SPDX-License-Identifier: Apache-2.0 */
/* `sonde top FILE`: a recording or a capture as if it happened now, and back and forth in it. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include "cmd/replay_file.h"
#include "cmd/top.h"
#include "cmd/top_ui.h"
#include "util/clock.h"
#include "util/log.h"

#define STEP_NS (5 * NS_PER_S)

struct replay {
	const struct config *config;
	struct replay_file file;
	struct pipeline pipeline;
	struct stats stats;
	bool is_open;
	bool is_ended;	   /* all of it has been read */
	int err;	   /* of the last read */
	uint64_t began_ns; /* of its first record */
	uint64_t shown_ns; /* where it is */
	uint64_t last_ns;  /* when it was there, by our clock; 0: it stands still */
	struct loop *loop;
	struct top_ui ui;
};

static void close_file(struct replay *r)
{
	if (!r->is_open)
		return;
	pipeline_free(&r->pipeline);
	stats_close(&r->stats);
	replay_file_close(&r->file);
	r->is_open = false;
}

static int open_file(struct replay *r)
{
	const struct config *c = r->config;
	struct pipeline_opts opts = {
		.routes = c->routes,
		.sampler = sampler_env(),
		.protocols = c->protocol_mask,
	};

	if (replay_file_open(&r->file, c->file) < 0)
		return EXIT_USAGE;
	opts.source = r->file.source;
	if (pipeline_init(&r->pipeline, &opts)) {
		replay_file_close(&r->file);
		log_error("out of memory");
		return EXIT_CANNOT;
	}
	r->is_open = true;
	r->is_ended = false;
	return stats_open(&r->stats, &r->pipeline, NULL, c, 0) ? EXIT_CANNOT : 0;
}

/* One record at a time: none is read that lies behind the time to be shown. */
static void read_until(struct replay *r, uint64_t to_ns)
{
	while (!r->is_ended && r->pipeline.now_ns < to_ns) {
		r->err = pipeline_read(&r->pipeline, 1);
		r->is_ended = r->err <= 0;
		if (!r->began_ns)
			r->began_ns = r->pipeline.now_ns;
	}
	r->shown_ns = r->is_ended ? r->pipeline.now_ns : to_ns;
}

static void read_first(struct replay *r)
{
	read_until(r, 1);
	r->shown_ns = r->began_ns;
}

/* --- the live view --- */

static int read_frame(void *ctx, const struct top_ask *ask, uint64_t at_ns, struct top_frame *f)
{
	struct replay *r = ctx;
	const struct config_list *rules = &r->config->health;
	uint64_t now_ns = clock_mono_ns();
	const struct self *self;
	int err;

	/* it plays by the clock; who looks around while it stands still stays where he is */
	if (!at_ns && r->last_ns)
		read_until(r, r->shown_ns + (now_ns - r->last_ns));
	r->last_ns = at_ns ? 0 : now_ns;
	err = frame_read(f, r->stats.recent, ask, rules->v, rules->n, r->shown_ns);
	if (err)
		return err;
	self = stats_self(&r->stats, r->shown_ns);
	f->unix_ns = (int64_t)r->shown_ns + r->file.source->realtime_offset_ns;
	snprintf(f->self.where, sizeof(f->self.where), "%.80s  +%.0f s%s", r->config->file,
		 (double)(r->shown_ns - r->began_ns) / NS_PER_S, r->is_ended ? "  END" : "");
	f->self.events_rate = 0;
	f->self.lost = self_losses(self);
	f->self.unknown = self->conns.unknown;
	f->self.encrypted = self->conns.encrypted;
	f->self.memory_bytes = self->anonymous_memory;
	f->self.pressure[0] = -1;
	return 0;
}

/* Back is from the start again, up to there: what was learnt meanwhile is forgotten, as it was. */
static int step(void *ctx, int way)
{
	struct replay *r = ctx;
	uint64_t to_ns = r->shown_ns;

	r->last_ns = 0;
	if (way > 0) {
		read_until(r, to_ns + STEP_NS);
		return 0;
	}
	to_ns = to_ns > r->began_ns + STEP_NS ? to_ns - STEP_NS : r->began_ns;
	close_file(r);
	if (open_file(r))
		return -EIO;
	read_until(r, to_ns);
	return 0;
}

static void on_end_asked(void *ctx)
{
	loop_stop(((struct replay *)ctx)->loop);
}

static int show(struct replay *r)
{
	const struct top_source source = { .ctx = r, .read = read_frame, .step = step };
	int err, res = EXIT_CANNOT;

	r->loop = loop_new();
	if (!r->loop)
		return EXIT_CANNOT;
	err = loop_signal(r->loop, SIGTERM, on_end_asked, r);
	if (!err)
		err = loop_signal(r->loop, SIGINT, on_end_asked, r);
	if (!err && top_ui_open(&r->ui, r->loop, &source) == 0)
		res = loop_run(r->loop) ? EXIT_CANNOT : EXIT_DONE;
	top_ui_close(&r->ui);
	loop_free(r->loop);
	return res;
}

/* The table of its last minute. */
static int print(struct replay *r)
{
	read_until(r, UINT64_MAX);
	return top_print(&r->stats, stats_self(&r->stats, r->shown_ns), r->shown_ns, 0);
}

int top_replay(const struct cmd_args *a)
{
	struct replay r = { .config = a->config };
	int res = open_file(&r);

	if (!res) {
		read_first(&r);
		res = top_is_live(a->config) ? show(&r) : print(&r);
		replay_file_say_end(&r.file, &r.pipeline, r.is_ended ? r.err : 0);
		if (r.is_ended && r.err < 0 && r.err != -ENODATA)
			res = EXIT_CANNOT;
	}
	close_file(&r);
	return res;
}
