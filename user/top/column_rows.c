/* SPDX-License-Identifier: Apache-2.0 */
/* The columns of services, endpoints, peers and protocols. */
#include <stdio.h>
#include <string.h>
#include "top/column.h"
#include "top/column_impl.h"
#include "util/human.h"

static const struct recent_figures *figures(const void *item)
{
	return &((const struct top_row *)item)->r.f;
}

static const struct recent_row *row_of(const void *item)
{
	return &((const struct top_row *)item)->r;
}

static const struct top_row *used_by(const void *item)
{
	return item;
}

/* --- what stands in them --- */

static enum style name_text(const void *item, char *out)
{
	const struct top_row *row = item;

	snprintf(out, COLUMN_TEXT_LEN, "%s", row->r.name);
	if (!row->is_judged)
		return STYLE_BOLD;
	switch (row->health) {
	case HEALTH_UNHEALTHY: return STYLE_BAD;
	case HEALTH_DEGRADED: return STYLE_WARN;
	case HEALTH_HEALTHY: return STYLE_GOOD;
	case HEALTH_UNKNOWN:
	case HEALTH_MAX: break;
	}
	return STYLE_DIM;
}

static enum style service_text(const void *item, char *out)
{
	snprintf(out, COLUMN_TEXT_LEN, "%s", row_of(item)->service);
	return STYLE_NORMAL;
}

static enum style role_text(const void *item, char *out)
{
	snprintf(out, COLUMN_TEXT_LEN, "%s",
		 row_of(item)->role == SONDE_ROLE_SERVER ? "server" : "client");
	return STYLE_DIM;
}

static enum style rate_text(const void *item, char *out)
{
	double rate = figures(item)->rate_now;

	snprintf(out, COLUMN_TEXT_LEN, rate < 9999.95 ? "%.1f" : "%.0f", rate);
	return rate > 0 ? STYLE_NORMAL : STYLE_DIM;
}

static enum style errors_text(const void *item, char *out)
{
	const struct recent_figures *f = figures(item);

	if (!f->count)
		return column_none(out);
	snprintf(out, COLUMN_TEXT_LEN, f->error_ratio < 0.9995 ? "%.1f" : "%.0f",
		 f->error_ratio * 100);
	return f->error_ratio > 0.05 ? STYLE_BAD : f->errors ? STYLE_WARN : STYLE_DIM;
}

static enum style time_text(const struct recent_figures *f, uint64_t ns, char *out)
{
	if (!f->count)
		return column_none(out);
	snprintf(out, COLUMN_TEXT_LEN, "%s", human_duration_column(ns).text);
	return column_time_style(ns);
}

static enum style p50_text(const void *item, char *out)
{
	return time_text(figures(item), figures(item)->p50_ns, out);
}

static enum style p95_text(const void *item, char *out)
{
	return time_text(figures(item), figures(item)->p95_ns, out);
}

static enum style p99_text(const void *item, char *out)
{
	return time_text(figures(item), figures(item)->p99_ns, out);
}

static enum style max_text(const void *item, char *out)
{
	return time_text(figures(item), figures(item)->max_ns, out);
}

static enum style flight_text(const void *item, char *out)
{
	const struct recent_figures *f = figures(item);

	if (!f->in_flight)
		return column_none(out);
	snprintf(out, COLUMN_TEXT_LEN, "%llu", (unsigned long long)f->in_flight);
	return STYLE_NORMAL;
}

static enum style oldest_text(const void *item, char *out)
{
	const struct recent_figures *f = figures(item);

	if (!f->in_flight)
		return column_none(out);
	snprintf(out, COLUMN_TEXT_LEN, "%s", human_duration_column(f->oldest_ns).text);
	return column_time_style(f->oldest_ns);
}

static enum style in_text(const void *item, char *out)
{
	return column_bytes(figures(item)->request_bytes, out);
}

static enum style out_text(const void *item, char *out)
{
	return column_bytes(figures(item)->response_bytes, out);
}

static enum style cpu_text(const void *item, char *out)
{
	const struct top_row *row = item;

	if (!row->knows_usage)
		return column_none(out);
	snprintf(out, COLUMN_TEXT_LEN, "%.1f", row->cpu_cores * 100);
	return row->cpu_cores > 0.9 ? STYLE_WARN : STYLE_NORMAL;
}

static enum style memory_text(const void *item, char *out)
{
	const struct top_row *row = item;

	if (!row->knows_usage)
		return column_none(out);
	return column_bytes(row->memory_bytes, out);
}

/* Which of the resources is waited for most. */
static int worst_stall(const struct top_row *row)
{
	int worst = 0;

	for (int i = 1; i < 3; i++)
		if (row->stalls[i] > row->stalls[worst])
			worst = i;
	return worst;
}

static enum style stalls_text(const void *item, char *out)
{
	static const char *const names[] = { "cpu", "mem", "io" };
	const struct top_row *row = item;
	int worst = worst_stall(row);

	if (!row->knows_stalls)
		return column_none(out);
	snprintf(out, COLUMN_TEXT_LEN, "%.1f %s", row->stalls[worst] * 100, names[worst]);
	return row->stalls[worst] > 0.1	      ? STYLE_WARN
	       : row->stalls[worst] >= 0.0005 ? STYLE_NORMAL
					      : STYLE_DIM;
}

static enum style connections_text(const void *item, char *out)
{
	const struct top_row *row = item;

	if (!row->knows_tcp)
		return column_none(out);
	snprintf(out, COLUMN_TEXT_LEN, "%llu", (unsigned long long)row->connections);
	return row->connections ? STYLE_NORMAL : STYLE_DIM;
}

static enum style retransmits_text(const void *item, char *out)
{
	const struct top_row *row = item;

	if (!row->knows_tcp)
		return column_none(out);
	snprintf(out, COLUMN_TEXT_LEN, "%llu", (unsigned long long)row->retransmits);
	return row->retransmits ? STYLE_WARN : STYLE_DIM;
}

static enum style rtt_text(const void *item, char *out)
{
	const struct top_row *row = item;

	if (!row->knows_tcp || !row->rtt_ns)
		return column_none(out);
	snprintf(out, COLUMN_TEXT_LEN, "%s", human_duration_column(row->rtt_ns).text);
	return STYLE_NORMAL;
}

static enum style tls_text(const void *item, char *out)
{
	const struct recent_row *r = row_of(item);

	if (!r->is_tls && !r->encrypted)
		return column_none(out);
	if (r->encrypted)
		snprintf(out, COLUMN_TEXT_LEN, "%s%u dark", r->is_tls ? "read " : "", r->encrypted);
	else
		snprintf(out, COLUMN_TEXT_LEN, "read");
	return r->encrypted ? STYLE_WARN : STYLE_GOOD;
}

static enum style protocol_text(const void *item, char *out)
{
	const struct recent_row *r = row_of(item);

	if (r->encrypted && !r->f.count)
		snprintf(out, COLUMN_TEXT_LEN, "dark");
	else
		snprintf(out, COLUMN_TEXT_LEN, "%s", r->protocol[0] ? r->protocol : "several");
	return STYLE_DIM;
}

/* --- their order: the greatest first, names by the alphabet --- */

#define COMPARE(what, left, right)                              \
	static int by_##what(const void *a, const void *b)      \
	{                                                       \
		return ((left) < (right)) - ((left) > (right)); \
	}

COMPARE(rate, figures(a)->rate_now, figures(b)->rate_now)
COMPARE(errors, figures(a)->error_ratio, figures(b)->error_ratio)
COMPARE(p50, figures(a)->p50_ns, figures(b)->p50_ns)
COMPARE(p95, figures(a)->p95_ns, figures(b)->p95_ns)
COMPARE(p99, figures(a)->p99_ns, figures(b)->p99_ns)
COMPARE(max, figures(a)->max_ns, figures(b)->max_ns)
COMPARE(flight, figures(a)->in_flight, figures(b)->in_flight)
COMPARE(oldest, figures(a)->oldest_ns, figures(b)->oldest_ns)
COMPARE(in, figures(a)->request_bytes, figures(b)->request_bytes)
COMPARE(out, figures(a)->response_bytes, figures(b)->response_bytes)
COMPARE(cpu, used_by(a)->cpu_cores, used_by(b)->cpu_cores)
COMPARE(memory, used_by(a)->memory_bytes, used_by(b)->memory_bytes)
COMPARE(stalls, used_by(a)->stalls[worst_stall(a)], used_by(b)->stalls[worst_stall(b)])
COMPARE(connections, used_by(a)->connections, used_by(b)->connections)
COMPARE(retransmits, used_by(a)->retransmits, used_by(b)->retransmits)
COMPARE(rtt, used_by(a)->rtt_ns, used_by(b)->rtt_ns)
COMPARE(tls, row_of(a)->is_tls + 2 * row_of(a)->encrypted,
	row_of(b)->is_tls + 2 * row_of(b)->encrypted)

static int by_name(const void *a, const void *b)
{
	return strcmp(row_of(a)->name, row_of(b)->name);
}

static int by_service(const void *a, const void *b)
{
	return strcmp(row_of(a)->service, row_of(b)->service);
}

static int by_role(const void *a, const void *b)
{
	return (int)row_of(b)->role - (int)row_of(a)->role;
}

static int by_protocol(const void *a, const void *b)
{
	return strcmp(row_of(a)->protocol, row_of(b)->protocol);
}

/* The share of the time that was not the CPU's own. */
static double waiting(const void *item)
{
	const struct recent_figures *f = figures(item);

	return f->duration_ns ? 1 - (double)f->waits[WAIT_CPU] / (double)f->duration_ns : 0;
}

COMPARE(waits, waiting(a), waiting(b))

/* --- which of them are known --- */

#define KNOWN(what, is_so)                                     \
	static bool has_##what(const struct top_frame *f)      \
	{                                                      \
		for (size_t i = 0; i < f->n_rows; i++) {       \
			const struct top_row *t = &f->rows[i]; \
                                                               \
			if (is_so)                             \
				return true;                   \
		}                                              \
		return false;                                  \
	}

KNOWN(flight, t->r.group == RECENT_BY_SERVICE)
KNOWN(usage, t->knows_usage)
KNOWN(stalls, t->knows_stalls)
KNOWN(tcp, t->knows_tcp)
KNOWN(tls, t->r.is_tls || t->r.encrypted)

#define NUMBER(title, help, width, rank, what, known)                                        \
	{                                                                                    \
		title, help, COLUMN_RIGHT, width, width, rank, what##_text, by_##what, known \
	}

/* a line for each column */
/* clang-format off */
#define FIGURES \
	NUMBER("REQ/S", "requests that ended, a second, over the last 5 s", 8, 2, rate, NULL), \
	NUMBER("ERR%", "of the last minute's requests, those that failed", 5, 3, errors, NULL), \
	NUMBER("P50", "half of the last minute's requests took at most", 7, 6, p50, NULL), \
	NUMBER("P95", "95 % of them took at most", 7, 4, p95, NULL), \
	NUMBER("P99", "99 % of them took at most", 7, 8, p99, NULL), \
	NUMBER("MAX", "the slowest of them took", 7, 13, max, NULL), \
	NUMBER("NOW", "requests in flight", 4, 10, flight, has_flight), \
	NUMBER("OLDEST", "the oldest of those in flight began so long ago", 7, 14, oldest, has_flight), \
	NUMBER("IN", "bytes of the last minute's requests", 7, 16, in, NULL), \
	NUMBER("OUT", "bytes of their responses", 7, 15, out, NULL), \
	NUMBER("CPU%", "of one processor, by all processes of the service", 6, 11, cpu, has_usage), \
	NUMBER("MEMORY", "resident, of all processes of the service", 7, 12, memory, has_usage), \
	NUMBER("PSI%", "of the time its groups waited for cpu, memory or io: the worst", 9, 23, stalls, \
	       has_stalls), \
	{ "WAITS", "where the requests' time went: in words for the row in hand", \
	  COLUMN_WAITS, 10, 20, 7, NULL, by_waits, NULL }, \
	{ "PROTOCOL", "what it speaks", COLUMN_LEFT, 10, 14, 17, protocol_text, by_protocol, NULL }, \
	{ "TLS", "read: seen within TLS; dark: connections that cannot be read", \
	  COLUMN_LEFT, 7, 12, 18, tls_text, by_tls, has_tls }, \
	NUMBER("RTT", "mean round trip time of its connections, of the last minute", 7, 19, rtt, has_tcp), \
	NUMBER("RETRANS", "TCP segments it sent again in the last minute", 7, 20, retransmits, has_tcp), \
	NUMBER("CONNS", "open TCP connections, as of the last 5 s", 6, 21, connections, has_tcp), \
	{ "LAST MINUTE", "requests of each second", COLUMN_SPARK, 12, 60, 9, NULL, NULL, NULL }
/* clang-format on */

static const struct column of_services[] = {
	{ "SERVICE", "its name; green: healthy, yellow: degraded, red: unhealthy", COLUMN_LEFT, 18,
	  32, 1, name_text, by_name, NULL },
	{ "ROLE", "of its requests: it serves them, or it makes them", COLUMN_LEFT, 6, 6, 5,
	  role_text, by_role, NULL },
	FIGURES,
};

static const struct column of_endpoints[] = {
	{ "ENDPOINT", "method and route, or the summary of a query", COLUMN_LEFT, 24, 64, 1,
	  name_text, by_name, NULL },
	{ "SERVICE", "whose it is", COLUMN_LEFT, 14, 20, 22, service_text, by_service, NULL },
	{ "ROLE", "served, or called", COLUMN_LEFT, 6, 6, 5, role_text, by_role, NULL },
	FIGURES,
};

static const struct column of_peers[] = {
	{ "PEER", "the other end: a service of this host, or an address", COLUMN_LEFT, 22, 48, 1,
	  name_text, by_name, NULL },
	{ "SERVICE", "of whom it is the other end", COLUMN_LEFT, 14, 20, 22, service_text,
	  by_service, NULL },
	{ "ROLE", "client: the service calls it", COLUMN_LEFT, 6, 6, 5, role_text, by_role, NULL },
	FIGURES,
};

static const struct column of_protocols[] = {
	{ "PROTOCOL", "what is spoken", COLUMN_LEFT, 18, 24, 1, name_text, by_name, NULL },
	{ "ROLE", "served, or called", COLUMN_LEFT, 6, 6, 5, role_text, by_role, NULL },
	FIGURES,
};

#define TABLE(list, sort)                                                            \
	{                                                                            \
		list, sizeof(list) / sizeof((list)[0]), sizeof(struct top_row), sort \
	}

const struct columns columns_of_rows[] = {
	[RECENT_BY_SERVICE] = TABLE(of_services, 2),
	[RECENT_BY_ENDPOINT] = TABLE(of_endpoints, 3),
	[RECENT_BY_PEER] = TABLE(of_peers, 3),
	[RECENT_BY_PROTOCOL] = TABLE(of_protocols, 2),
};

const struct columns *columns_of(enum top_level level, enum recent_group group)
{
	switch (level) {
	case TOP_ENDPOINTS: return &columns_of_rows[RECENT_BY_ENDPOINT];
	case TOP_PEERS: return &columns_of_rows[RECENT_BY_PEER];
	case TOP_REQUESTS: return &columns_of_requests;
	case TOP_TOP: break;
	}
	return &columns_of_rows[group];
}
