/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cmd/cmd.h"
#include "cmd/observe.h"
#include "cmd/stats.h"
#include "top/table.h"
#include "util/clock.h"

#define WINDOW_DEFAULT_NS (5 * NS_PER_S)

static int print_table(const struct observer *o, struct stats *stats)
{
	struct recent_row *rows;
	uint64_t now_ns = clock_mono_ns();
	uint64_t window_ns = now_ns - stats->began_ns;
	struct recent_query q = { .now_ns = now_ns, .window_ns = window_ns };
	ssize_t n = recent_rows(stats->recent, &q, &rows);
	int res = EXIT_DONE;
	struct table t = {
		.rows = rows,
		.n = n > 0 ? (size_t)n : 0,
		.window_ns = window_ns < RECENT_WINDOW_NS ? window_ns : RECENT_WINDOW_NS,
		.conns = conns_stats(o->pipeline.conns),
		.time_unix_nano = (int64_t)now_ns + o->source->realtime_offset_ns,
	};

	if (n < 0)
		return EXIT_CANNOT;
	t.lost = self_losses(stats_self(stats, now_ns));
	if (!o->config->json)
		table_text(&t, stdout);
	else if (table_json(&t, stdout))
		res = EXIT_CANNOT;
	fflush(stdout); /* a reader that is gone is no error */
	free(rows);
	return res;
}

int cmd_top(const struct cmd_args *a)
{
	const struct config *c = a->config;
	struct observer o;
	struct stats stats = { 0 };
	int res;

	res = observer_open(&o, a, c->record_file,
			    c->duration_ns ? c->duration_ns : WINDOW_DEFAULT_NS);
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
