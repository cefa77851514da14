/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "cmd/cmd.h"
#include "cmd/lost.h"
#include "cmd/observe.h"
#include "cmd/red_pipeline.h"
#include "top/table.h"
#include "util/clock.h"
#include "util/log.h"

enum { ROWS_MAX = 256 };

#define WINDOW_DEFAULT_NS (5 * NS_PER_S)

static int print_table(const struct observer *o, struct red *red, uint64_t window_ns)
{
	static struct live_row rows[ROWS_MAX]; /* 70 kB, once */
	uint64_t now_ns = clock_mono_ns();
	struct losses lost;
	struct table t = {
		.rows = rows,
		.n = red_rows(red, now_ns, window_ns, rows, ROWS_MAX),
		.window_ns = window_ns,
		.conns = conns_stats(o->pipeline.conns),
		.time_unix_nano = (int64_t)now_ns + o->source->realtime_offset_ns,
	};

	lost_read(o->probe, &o->pipeline, &lost);
	t.lost = lost_sum(&lost);
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
	struct red *red = NULL;
	char host[256] = "";
	uint64_t started_ns;
	int res;

	if (!c->duration_ns)
		c->duration_ns = WINDOW_DEFAULT_NS;
	res = observer_open(&o, a, c->record_file);
	if (!res) {
		gethostname(host, sizeof(host) - 1);
		started_ns = clock_mono_ns();
		red = red_of_pipeline(&o.pipeline, c, host, started_ns);
		if (!red) {
			log_error("out of memory");
			res = EXIT_CANNOT;
		}
	}
	if (!res)
		res = observer_run(&o, NULL);
	if (!res)
		res = print_table(&o, red, clock_mono_ns() - started_ns);
	observer_close(&o);
	red_free(red);
	return res;
}
