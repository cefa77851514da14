/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include <errno.h>
#include <unistd.h>
#include "cmd/print.h"
#include "cmd/replay_file.h"
#include "cmd/spans.h"
#include "cmd/stats.h"
#include "export/prometheus.h"
#include "pipeline.h"
#include "util/log.h"

enum { BUDGET = 4096 };

/* Everything up to the end, which a recording tells by itself, or until nobody reads what comes
 * out. */
static int read_all(const struct replay_file *f, struct pipeline *p, const struct out *out)
{
	int n;

	do
		n = pipeline_read(p, BUDGET);
	while (n > 0 && !(out && out->is_closed));
	if (f->is_capture)
		pipeline_end(p);
	return n;
}

static int replay_transactions(const struct config *c, const struct replay_file *f,
			       struct pipeline *p)
{
	struct print print;
	struct exporter e;
	int err;

	if (print_init(&print, c->filter_expr, c->json))
		return EXIT_USAGE;
	print.realtime_offset_ns = p->opts.source->realtime_offset_ns;
	print_exporter(&print, &e);
	pipeline_add(p, &e);
	err = read_all(f, p, &print.out);
	print_free(&print);
	replay_file_say_end(f, p, err);
	return err < 0 && err != -ENODATA ? EXIT_CANNOT : EXIT_DONE;
}

static int print_metrics(struct stats *stats, struct out *out, uint64_t now_ns)
{
	struct prom *prom = prom_open(stats_collect(stats, now_ns), PROM_TEXT, NULL);
	char part[16384];
	ssize_t n = -ENOMEM;

	while (prom && (n = prom_read(prom, part, sizeof(part))) > 0)
		out_write(out, part, (size_t)n);
	out_flush(out);
	prom_close(prom);
	if (n < 0)
		log_error("out of memory");
	return n < 0 ? EXIT_CANNOT : EXIT_DONE;
}

static int replay_metrics(const struct config *c, const struct replay_file *f, struct pipeline *p)
{
	struct stats stats;
	struct out out;
	int err, res = EXIT_CANNOT;

	out_init(&out, STDOUT_FILENO);
	if (stats_open(&stats, p, NULL, c, 0) == 0) {
		err = read_all(f, p, NULL);
		res = print_metrics(&stats, &out, p->now_ns);
		replay_file_say_end(f, p, err);
		if (err < 0 && err != -ENODATA)
			res = EXIT_CANNOT;
	}
	stats_close(&stats);
	return res;
}

static int replay_spans(const struct config *c, const struct replay_file *f, struct pipeline *p)
{
	struct exporter e;
	struct spans spans;
	int err;

	err = spans_init(&spans, c->filter_expr, p->opts.source->realtime_offset_ns);
	if (err)
		return err;
	spans_exporter(&spans, &e);
	pipeline_add(p, &e);
	err = read_all(f, p, &spans.out);
	spans_free(&spans);
	replay_file_say_end(f, p, err);
	return err < 0 && err != -ENODATA ? EXIT_CANNOT : EXIT_DONE;
}

static int replay(const struct config *c, const struct replay_file *f, struct pipeline *p)
{
	if (c->metrics)
		return replay_metrics(c, f, p);
	return c->spans ? replay_spans(c, f, p) : replay_transactions(c, f, p);
}

int cmd_replay(const struct cmd_args *a)
{
	const struct config *c = a->config;
	struct pipeline_opts opts = {
		.routes = c->routes,
		.sampler = sampler_env(),
		.protocols = c->protocol_mask,
	};
	struct replay_file f;
	struct pipeline p;
	int res;

	if (replay_file_open(&f, c->file) < 0)
		return EXIT_USAGE;
	opts.source = f.source;
	if (pipeline_init(&p, &opts)) {
		log_error("out of memory");
		res = EXIT_CANNOT;
		goto out;
	}
	res = replay(c, &f, &p);
	pipeline_free(&p);
out:
	replay_file_close(&f);
	return res;
}
