/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "capture/recording.h"
#include "cmd/print.h"
#include "cmd/stats.h"
#include "export/prometheus.h"
#include "pipeline.h"
#include "util/log.h"

enum { BUDGET = 4096 };

/* Everything up to the end, or until nobody reads what comes out. */
static int read_all(struct pipeline *p, const struct out *out)
{
	int n;

	do
		n = pipeline_read(p, BUDGET);
	while (n > 0 && !(out && out->is_closed));
	return n;
}

static void say_end(const struct pipeline *p, const char *file, int err)
{
	if (err < 0 && err != -ENODATA)
		log_error("%s is damaged after %llu records: %s", file,
			  (unsigned long long)p->records, strerror(-err));
	else if (err == -ENODATA && recording_is_cut(p->opts.source))
		log_warn("%s is cut short: it ends inside a record, after %llu whole ones", file,
			 (unsigned long long)p->records);
	if (p->bad_records)
		log_warn("%s: %llu records do not follow the contract and were left out", file,
			 (unsigned long long)p->bad_records);
}

static int replay_transactions(const struct config *c, struct pipeline *p)
{
	struct print print;
	struct exporter e;
	int err;

	if (print_init(&print, c->filter_expr, c->json))
		return EXIT_USAGE;
	print.realtime_offset_ns = p->opts.source->realtime_offset_ns;
	print_exporter(&print, &e);
	pipeline_add(p, &e);
	err = read_all(p, &print.out);
	print_free(&print);
	say_end(p, c->file, err);
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

static int replay_metrics(const struct config *c, struct pipeline *p)
{
	struct stats stats;
	struct out out;
	int err, res = EXIT_CANNOT;

	out_init(&out, STDOUT_FILENO);
	if (stats_open(&stats, p, NULL, c, 0) == 0) {
		err = read_all(p, NULL);
		res = print_metrics(&stats, &out, p->now_ns);
		say_end(p, c->file, err);
		if (err < 0 && err != -ENODATA)
			res = EXIT_CANNOT;
	}
	stats_close(&stats);
	return res;
}

int cmd_replay(const struct cmd_args *a)
{
	const struct config *c = a->config;
	char err[512];
	struct source *source = recording_open(c->file, err, sizeof(err));
	struct pipeline_opts opts = {
		.source = source,
		.routes = c->routes,
		.protocols = c->protocol_mask,
	};
	struct pipeline p;
	int res;

	if (!source) {
		log_error("%s", err);
		return EXIT_USAGE;
	}
	if (pipeline_init(&p, &opts)) {
		log_error("out of memory");
		res = EXIT_CANNOT;
		goto out;
	}
	res = c->metrics ? replay_metrics(c, &p) : replay_transactions(c, &p);
	pipeline_free(&p);
out:
	source->ops->close(source);
	return res;
}
