/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/top.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cmd/observe.h"
#include "top/screen.h"
#include "util/clock.h"

#define WINDOW_DEFAULT_NS (5 * NS_PER_S)

bool top_is_live(const struct config *c)
{
	const char *term = getenv("TERM");

	return !c->once && !c->json && screen_is_built() && isatty(STDIN_FILENO) &&
	       isatty(STDOUT_FILENO) && term && *term && strcmp(term, "dumb") != 0;
}

int top_print(const struct stats *stats, const struct self *self, uint64_t now_ns,
	      uint64_t window_ns)
{
	struct recent_query q = { .now_ns = now_ns, .window_ns = window_ns };
	struct recent_row *rows;
	ssize_t n = recent_rows(stats->recent, &q, &rows);
	const struct source *source = stats->pipeline->opts.source;
	int res = EXIT_DONE;
	struct table t = {
		.rows = rows,
		.n = n > 0 ? (size_t)n : 0,
		.window_ns =
			window_ns && window_ns < RECENT_WINDOW_NS ? window_ns : RECENT_WINDOW_NS,
		.conns = &self->conns,
		.lost = self_losses(self),
		.time_unix_nano = (int64_t)now_ns + source->realtime_offset_ns,
	};

	if (n < 0)
		return EXIT_CANNOT;
	if (!stats->config->json)
		table_text(&t, stdout);
	else if (table_json(&t, stdout))
		res = EXIT_CANNOT;
	fflush(stdout); /* a reader that is gone is no error */
	free(rows);
	return res;
}

static int top_once(const struct cmd_args *a)
{
	const struct config *c = a->config;
	struct observer o;
	struct stats stats = { 0 };
	uint64_t now_ns;
	int res;

	res = observer_open(&o, a, c->record_file,
			    c->duration_ns ? c->duration_ns : WINDOW_DEFAULT_NS);
	if (!res && stats_open(&stats, &o.pipeline, o.probe, c, clock_mono_ns()))
		res = EXIT_CANNOT;
	if (!res)
		res = observer_run(&o, NULL);
	now_ns = clock_mono_ns();
	if (!res)
		res = top_print(&stats, stats_self(&stats, now_ns), now_ns,
				now_ns - stats.began_ns);
	observer_close(&o);
	stats_close(&stats);
	return res;
}

int cmd_top(const struct cmd_args *a)
{
	if (a->config->connect_url)
		return top_remote(a);
	if (a->config->file)
		return top_replay(a);
	return top_is_live(a->config) ? top_live(a) : top_once(a);
}
