/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"
#include "cmd/observe.h"
#include "cmd/print.h"

struct tail {
	struct observer observer;
	struct print print;
};

/* What a turn brought is shown at once; nobody reading any more is the end. */
static void on_turn(void *ctx)
{
	struct tail *t = ctx;

	out_flush(&t->print.out);
	if (t->print.out.is_closed)
		observer_stop(&t->observer);
}

static void on_end(void *ctx)
{
	struct tail *t = ctx;

	out_end(&t->print.out);
}

int cmd_tail(const struct cmd_args *a)
{
	struct tail t;
	struct exporter e;
	int res;

	if (print_init(&t.print, a->config->filter_expr, a->config->json))
		return EXIT_USAGE;
	res = observer_open(&t.observer, a, a->config->record_file, a->config->duration_ns);
	if (!res) {
		t.print.realtime_offset_ns = t.observer.source->realtime_offset_ns;
		print_exporter(&t.print, &e);
		pipeline_add(&t.observer.pipeline, &e);
		t.observer.on_turn = on_turn;
		t.observer.on_end = on_end;
		t.observer.ctx = &t;
		res = observer_run(&t.observer, NULL);
	}
	print_free(&t.print);
	observer_close(&t.observer);
	return res;
}
