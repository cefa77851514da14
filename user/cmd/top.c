/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include "cmd/cmd.h"
#include "cmd/observe.h"
#include "cmd/stats.h"
#include "top/table.h"
#include "util/clock.h"

enum { ROWS_MAX = 256 };

#define WINDOW_DEFAULT_NS (5 * NS_PER_S)

static int print_table(const struct observer *o, struct stats *stats)
{
	static struct live_row rows[ROWS_MAX]; /* 70 kB, once */
	uint64_t now_ns = clock_mono_ns();
	uint64_t window_ns = now_ns - stats->began_ns;
	struct table t = {
		.rows = rows,
		.n = red_rows(stats->red, now_ns, window_ns, rows, ROWS_MAX),
		.window_ns = window_ns,
		.conns = conns_stats(o->pipeline.conns),
		.time_unix_nano = (int64_t)now_ns + o->source->realtime_offset_ns,
	};

	t.lost = self_losses(stats_self(stats, now_ns));
	if (!o->config->json)
		table_text(&t, stdout);
	else if (table_json(&t, stdout))
		return EXIT_CANNOT;
	fflush(stdout); /* a reader that is gone is no error */
	return EXIT_DONE;
}

int cmd_top(const struct cmd_args *a)
{
	struct config *c = a->config;
	struct observer o;
	struct stats stats = { 0 };
	int res;

	if (!c->duration_ns)
		c->duration_ns = WINDOW_DEFAULT_NS;
	res = observer_open(&o, a, c->record_file);
	if (!res && stats_open(&stats, &o.pipeline, o.probe, c, clock_mono_ns()))
		res = EXIT_CANNOT;
	if (!res)
		res = observer_run(&o, NULL);
	if (!res)
		res = print_table(&o, &stats);
	observer_close(&o);
	stats_close(&stats);
	return res;
}
