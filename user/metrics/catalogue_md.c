/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/catalogue_md.h"

#include "capture/loss.h"
#include "metrics/catalogue.h"
#include "metrics/series.h"
#include "util/full.h"

static const char intro[] =
	"# Metrics\n"
	"\n"
	"Generated from `user/metrics/catalogue.def`, `user/capture/losses.def` and\n"
	"`user/util/full.def` by `make docs`; do not edit.\n"
	"\n"
	"`/metrics` gives Prometheus text 0.0.4; OpenMetrics 1.0 to those whose Accept header "
	"names "
	"it; gzip to\n"
	"those who take it. Names are those of OpenTelemetry's semantic conventions where it has "
	"one, "
	"translated\n"
	"as its specification says; `sonde_` begins what no convention names. Times are seconds, "
	"sizes bytes.\n"
	"`job` and `instance` are left to the scrape.\n"
	"\n"
	"- Metrics **of services** carry `service_name`, `service_namespace` where known, and "
	"`service_instance_id`\n"
	"  beside the labels below. A label that does not apply is absent. Those of a container or "
	"pod "
	"carry what is\n"
	"  known of it, too: see [identity.md](identity.md).\n";

static void markdown_series(FILE *out)
{
	fprintf(out,
		"- A metric holds at most `--max-series` series (default %d; one series is one "
		"label "
		"set). Past it,\n"
		"  further label sets of a service are counted in one series that has the "
		"service's "
		"labels and\n"
		"  `otel_metric_overflow=\"true\"`, and the fold is counted in "
		"`sonde_series_overflow_total`. Past\n"
		"  %d services with such a series, in one without a service.\n"
		"- The series of a service that is gone are dropped %llu minutes after its last "
		"process and its last\n"
		"  measurement.\n",
		SERIES_DEFAULT_MAX, SERIES_OVERFLOWS_MAX,
		(unsigned long long)(SERIES_GONE_NS / 60000000000ULL));
}

static void markdown_bounds(FILE *out, const char *what, const struct hist_bounds *b, double unit)
{
	fprintf(out, "- Boundaries of %s, upper-inclusive:", what);
	for (size_t i = 0; i < b->n; i++)
		fprintf(out, " %.10g", (double)b->le[i] / unit);
	fprintf(out, ".\n");
}

static void markdown_metric(FILE *out, const struct metric *m)
{
	fprintf(out, "| `%s%s` | %s | ", m->name, m->kind == METRIC_COUNTER ? "_total" : "",
		metric_kind_name(m->kind));
	for (size_t i = 0; m->labels[i] != LABEL_NONE; i++)
		fprintf(out, "%s`%s`", i ? ", " : "", label_get(m->labels[i])->name);
	fprintf(out, " | `%s`%s%s%s | %s |\n", m->otel_name, m->unit[0] ? ", `" : "", m->unit,
		m->unit[0] ? "`" : "", m->help);
}

static void markdown_table(FILE *out, const char *title, bool is_of_service)
{
	fprintf(out,
		"\n## %s\n\n"
		"| metric | type | labels | OpenTelemetry name, unit | what it says |\n"
		"|---|---|---|---|---|\n",
		title);
	for (int id = 0; id < METRIC_MAX; id++)
		if (metric_get(id)->is_of_service == is_of_service)
			markdown_metric(out, metric_get(id));
}

void catalogue_markdown(FILE *out)
{
	fputs(intro, out);
	markdown_series(out);
	markdown_bounds(out, "durations in seconds", &hist_duration_bounds, 1e9);
	markdown_bounds(out, "sizes in bytes", &hist_size_bounds, 1);
	markdown_table(out, "Of services", true);
	markdown_table(out, "Of sonde itself", false);
	fputs("\n## Reasons for loss\n\n"
	      "The values of `reason` of `sonde_events_lost_total`, each always present.\n\n"
	      "| reason | counts |\n|---|---|\n",
	      out);
	for (int i = 0; i < LOSS_MAX; i++)
		fprintf(out, "| `%s` | %s |\n", loss_reason(i), loss_help(i));
	fputs("\n## Tables that were full\n\n"
	      "The values of `table` of `sonde_table_full_total`, each always present. Of tables "
	      "that "
	      "are not\nnamed here `sonde_events_lost_total`, `sonde_series_overflow_total` or\n"
	      "`sonde_spans_hurried_total` says so, or what was forgotten is found again.\n\n"
	      "| table | room for, and what becomes of more |\n|---|---|\n",
	      out);
	for (int i = 0; i < FULL_MAX; i++)
		fprintf(out, "| `%s` | %s |\n", full_table(i), full_help(i));
}
