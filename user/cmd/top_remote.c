/* SPDX-License-Identifier: Apache-2.0 */
/* `sonde top --connect URL`: what a running sonde observes. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cmd/top.h"
#include "cmd/top_ui.h"
#include "top/remote.h"
#include "util/clock.h"
#include "util/log.h"

static int read_frame(void *ctx, const struct top_ask *ask, uint64_t at_ns, struct top_frame *f)
{
	return remote_read(ctx, ask, f);
}

static void on_end_asked(void *ctx)
{
	loop_stop(ctx);
}

static int show(struct remote *remote, const struct config *c)
{
	const struct top_source source = { .ctx = remote, .read = read_frame };
	struct loop *loop = loop_new();
	struct top_ui ui = { 0 };
	int res = EXIT_CANNOT, err;

	if (!loop)
		return EXIT_CANNOT;
	err = loop_signal(loop, SIGTERM, on_end_asked, loop);
	if (!err)
		err = loop_signal(loop, SIGINT, on_end_asked, loop);
	if (!err && c->duration_ns)
		err = loop_timer(loop, c->duration_ns, on_end_asked, loop);
	if (err >= 0 && top_ui_open(&ui, loop, &source) == 0)
		res = loop_run(loop) ? EXIT_CANNOT : EXIT_DONE;
	top_ui_close(&ui);
	loop_free(loop);
	return res;
}

/* The table of what it has seen in the last minute. */
static int print(struct remote *remote, const struct config *c)
{
	const struct top_ask ask = { .level = TOP_TOP };
	struct top_frame f = { 0 };
	struct conns_stats conns = { 0 };
	struct recent_row *rows;
	int res = EXIT_CANNOT;
	struct table t;

	if (remote_read(remote, &ask, &f)) {
		log_error("cannot read %s: %s", c->connect_url, f.error);
		frame_free(&f);
		return EXIT_CANNOT;
	}
	rows = calloc(f.n_rows + 1, sizeof(*rows));
	for (size_t i = 0; rows && i < f.n_rows; i++)
		rows[i] = f.rows[i].r;
	conns.parsed = f.self.parsed;
	conns.undecided = f.self.undecided;
	conns.unknown = f.self.unknown;
	conns.encrypted = f.self.encrypted;
	t = (struct table){
		.rows = rows,
		.n = f.n_rows,
		.window_ns = RECENT_WINDOW_NS,
		.conns = &conns,
		.lost = f.self.lost,
		.time_unix_nano = f.unix_ns,
	};
	if (rows && c->json) {
		res = table_json(&t, stdout) ? EXIT_CANNOT : EXIT_DONE;
	} else if (rows) {
		table_text(&t, stdout);
		res = EXIT_DONE;
	}
	fflush(stdout);
	free(rows);
	frame_free(&f);
	return res;
}

int top_remote(const struct cmd_args *a)
{
	const struct config *c = a->config;
	struct remote *remote = remote_open(c->connect_url);
	int res;

	if (!remote) {
		log_error(remote_is_built() ? "out of memory"
					    : "this build does not read from a running sonde: it "
					      "was made without libcurl");
		return EXIT_CANNOT;
	}
	res = top_is_live(c) ? show(remote, c) : print(remote, c);
	remote_close(remote);
	return res;
}
