/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/summary.h"

#include <stdlib.h>
#include "top/table.h"
#include "util/human.h"
#include "util/log.h"

enum { ROWS_SHOWN = 10 };

static void say_services(const struct recent_row *rows, size_t n)
{
	for (size_t i = 0; i < n && i < ROWS_SHOWN; i++)
		log_info("  %-24s %-6s %8.1f/s  p95 %-8s  errors %.1f %%", rows[i].name,
			 rows[i].role == SONDE_ROLE_SERVER ? "server" : "client", rows[i].f.rate,
			 rows[i].f.count ? human_duration_column(rows[i].f.p95_ns).text : "-",
			 rows[i].f.error_ratio * 100);
	if (n > ROWS_SHOWN)
		log_info("  and %zu more: sonde top --once", n - ROWS_SHOWN);
}

static void say_dark(const struct observer *o, const struct self *self)
{
	const struct conns_stats *s = conns_stats(o->pipeline.conns);
	char dark[160];
	uint64_t lost = self_losses(self);

	if (table_dark(s, dark, sizeof(dark)))
		log_info("dark: of %u connections %s; whose: sonde check", s->open, dark);
	if (lost)
		log_info("events lost: %llu; why: sonde_events_lost_total in the metrics",
			 (unsigned long long)lost);
}

void summary_print(const struct observer *o, struct stats *stats, const char *url, uint64_t now_ns)
{
	uint64_t window_ns = now_ns - stats->began_ns;
	struct recent_query q = { .now_ns = now_ns, .window_ns = window_ns };
	struct recent_row *rows;
	ssize_t n = recent_rows(stats->recent, &q, &rows);

	if (n < 0)
		return;
	if (n)
		log_info("seen in the first %s:", human_duration(window_ns).text);
	else
		log_info("no request in the first %s", human_duration(window_ns).text);
	say_services(rows, (size_t)n);
	say_dark(o, stats_self(stats, now_ns));
	if (*url)
		log_info("metrics: %s/metrics  status: %s/api/v1/status", url, url);
	if (n)
		log_info("next: sonde tail (each request as it ends)");
	else
		log_info("make some: python3 -m http.server 8000 & sleep 1; curl -so /dev/null "
			 "http://127.0.0.1:8000/; then: sonde tail");
	free(rows);
}
