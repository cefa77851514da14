/* SPDX-License-Identifier: Apache-2.0 */
#include <unistd.h>
#include "cmd/cmd.h"
#include "cmd/observe.h"
#include "cmd/red_pipeline.h"
#include "cmd/summary.h"
#include "util/clock.h"
#include "util/log.h"

#define SUMMARY_NS (5 * NS_PER_S)

struct run {
	struct observer observer;
	struct red *red;
	uint64_t started_ns;
	bool is_summary_due;
	char host[256];
};

static void on_tick(void *ctx, uint64_t now_ns)
{
	struct run *r = ctx;

	if (!r->is_summary_due || now_ns - r->started_ns < SUMMARY_NS)
		return;
	r->is_summary_due = false;
	summary_print(&r->observer, r->red, NULL, now_ns, now_ns - r->started_ns);
}

int cmd_run(const struct cmd_args *a)
{
	struct run r = { .is_summary_due = true };
	int res = observer_open(&r.observer, a, a->config->record_file);

	if (!res) {
		gethostname(r.host, sizeof(r.host) - 1);
		r.started_ns = clock_mono_ns();
		r.red = red_of_pipeline(&r.observer.pipeline, a->config, r.host, r.started_ns);
		if (!r.red) {
			log_error("out of memory");
			res = EXIT_CANNOT;
		}
	}
	if (!res) {
		r.observer.on_tick = on_tick;
		r.observer.ctx = &r;
		res = observer_run(&r.observer, NULL);
	}
	observer_close(&r.observer);
	red_free(r.red);
	return res;
}
