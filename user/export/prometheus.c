/* SPDX-License-Identifier: Apache-2.0 */
#include "export/prometheus.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "export/otlp_out.h"
#include "export/prom_proto.h"
#include "proto/context.h"
#include "util/clock.h"

enum {
	PROM_PIECE = 16384, /* bytes rendered before they are handed out, about */
	/* name, quotes and a value of which every byte is escaped; the service's are no longer */
	PROM_LABELS_MAX = (METRIC_LABELS_MAX + FACT_MAX + 4) * (64 + 2 * SERIES_VALUE_MAX),
	PROM_LINE_EXTRA = 96, /* of a sample beside name and labels */
	PROM_NUMBER_MAX = 32,
	PROM_EXEMPLAR = 160,
};

struct prom {
	const struct series_store *st;
	enum prom_format format;
	int metric;	 /* being walked */
	uint64_t serial; /* of the last series rendered; 0: its header is still to come */
	bool is_done;
	char *buf; /* owned; bytes off..n are still to be handed out */
	size_t off, n, cap;
	char labels[PROM_LABELS_MAX]; /* of the series at hand, without braces */
	size_t labels_n;
	struct otlp_out proto;			   /* families of a piece, in protobuf */
	char le[HIST_BOUNDS_MAX][PROM_NUMBER_MAX]; /* of the metric at hand */
};

struct prom *prom_open(const struct series_store *st, enum prom_format format, const char *note)
{
	struct prom *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->st = st;
	p->format = format;
	p->cap = 2 * PROM_PIECE;
	p->buf = malloc(p->cap);
	if (!p->buf) {
		free(p);
		return NULL;
	}
	if (note && format == PROM_TEXT)
		p->n = (size_t)snprintf(p->buf, p->cap, "# %.200s\n", note);
	return p;
}

void prom_close(struct prom *p)
{
	if (!p)
		return;
	otlp_out_free(&p->proto);
	free(p->buf);
	free(p);
}

static int prom_reserve(struct prom *p, size_t more)
{
	size_t cap = p->cap;
	char *buf;

	if (p->n + more <= p->cap)
		return 0;
	while (cap < p->n + more)
		cap *= 2;
	buf = realloc(p->buf, cap);
	if (!buf)
		return -ENOMEM;
	p->buf = buf;
	p->cap = cap;
	return 0;
}

static char *prom_put(char *out, const char *s, size_t n)
{
	memcpy(out, s, n);
	return out + n;
}

static char *prom_put_str(char *out, const char *s)
{
	return prom_put(out, s, strlen(s));
}

static char *prom_put_number(char *out, uint64_t n)
{
	char digits[20];
	size_t at = sizeof(digits);

	do
		digits[--at] = (char)('0' + n % 10);
	while (n /= 10);
	return prom_put(out, digits + at, sizeof(digits) - at);
}

/* Nanoseconds as seconds: exact, since a decimal fraction of nine digits is what they are. */
static char *prom_put_seconds(char *out, uint64_t ns)
{
	uint64_t part = ns % NS_PER_S;

	out = prom_put_number(out, ns / NS_PER_S);
	if (part == 0)
		return out;
	*out++ = '.';
	for (uint64_t digit = NS_PER_S / 10; part; part %= digit, digit /= 10)
		*out++ = (char)('0' + part / digit);
	return out;
}

static char *prom_put_value(char *out, const struct metric *m, uint64_t value)
{
	return metric_is_nano(m) ? prom_put_seconds(out, value) : prom_put_number(out, value);
}

/* Adds name="value", escaped, with a comma before all but the first. Empty means absent. */
static void prom_pair(struct prom *p, const char *name, struct slice value)
{
	char *out = p->labels + p->labels_n;

	if (value.n == 0)
		return;
	if (p->labels_n)
		*out++ = ',';
	out = prom_put_str(out, name);
	*out++ = '=';
	*out++ = '"';
	for (size_t i = 0; i < value.n; i++) {
		char c = (char)value.p[i];

		if (c == '\\' || c == '"' || c == '\n')
			*out++ = '\\';
		*out++ = c == '\n' ? 'n' : c;
	}
	*out++ = '"';
	p->labels_n = (size_t)(out - p->labels);
}

static void prom_label(struct prom *p, enum label_id id, struct slice value)
{
	prom_pair(p, label_get(id)->name, value);
}

static void prom_facts(struct prom *p, const struct facts *f, bool is_info)
{
	for (int id = 0; f && id < FACT_MAX; id++) {
		const struct fact_name *name = fact_name((enum fact_id)id);

		if (name->is_label || is_info)
			prom_pair(p, name->label, fact(f, (enum fact_id)id));
	}
}

static void prom_labels(struct prom *p, const struct metric *m, const struct series *s)
{
	p->labels_n = 0;
	if (s->service) {
		prom_label(p, LABEL_SERVICE_NAME, slice_str(s->service->name));
		prom_label(p, LABEL_SERVICE_NAMESPACE, slice_str(s->service->name_space));
		prom_label(p, LABEL_SERVICE_INSTANCE_ID, slice_str(s->service->instance_id));
		prom_facts(p, s->service->facts, s->metric == METRIC_TARGET);
	}
	for (size_t i = 0; m->labels[i] != LABEL_NONE; i++)
		prom_label(p, m->labels[i], series_label(s, i));
	if (s->is_overflow)
		prom_label(p, LABEL_OVERFLOW, SLICE("true"));
}

static bool prom_ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n > m && strcmp(s + n - m, end) == 0;
}

/* The name in TYPE and HELP: text takes the sample's, OpenMetrics the family's. */
static void prom_family(const struct prom *p, const struct metric *m, char *out, size_t size)
{
	int n = (int)strlen(m->name);

	if (p->format == PROM_TEXT && m->kind == METRIC_COUNTER)
		snprintf(out, size, "%s_total", m->name);
	else if (p->format == PROM_OPENMETRICS && m->kind == METRIC_INFO)
		snprintf(out, size, "%.*s", n - (int)strlen("_info"), m->name);
	else
		snprintf(out, size, "%s", m->name);
}

static int prom_header(struct prom *p, const struct metric *m)
{
	bool is_om = p->format == PROM_OPENMETRICS;
	const char *word = metric_unit_word(m);
	const char *type =
		metric_kind_name(!is_om && m->kind == METRIC_INFO ? METRIC_GAUGE : m->kind);
	char family[128];
	size_t room = 3 * sizeof(family) + strlen(m->help) + 64;

	prom_family(p, m, family, sizeof(family));
	if (prom_reserve(p, room) < 0)
		return -ENOMEM;
	p->n += (size_t)snprintf(p->buf + p->n, room, "# HELP %s %s\n# TYPE %s %s\n", family,
				 m->help, family, type);
	if (is_om && word && prom_ends_with(m->name, word))
		p->n += (size_t)snprintf(p->buf + p->n, sizeof(family) + 32, "# UNIT %s %s\n",
					 family, word);
	for (size_t i = 0; m->bounds && i < m->bounds->n; i++) {
		char *end = prom_put_value(p->le[i], m, m->bounds->le[i]);

		/* as Prometheus itself prints a float label: 1.0, not 1 */
		if (!memchr(p->le[i], '.', (size_t)(end - p->le[i])))
			end = prom_put(end, ".0", 2);
		*end = '\0';
	}
	return 0;
}

/* name suffix{labels,extra} and a space, for which room has been made. */
static char *prom_sample(const struct prom *p, char *out, const struct metric *m,
			 const char *suffix, const char *le)
{
	out = prom_put_str(out, m->name);
	out = prom_put_str(out, suffix);
	if (p->labels_n || le) {
		*out++ = '{';
		out = prom_put(out, p->labels, p->labels_n);
		if (le) {
			out = prom_put_str(out, p->labels_n ? ",le=\"" : "le=\"");
			out = prom_put_str(out, le);
			*out++ = '"';
		}
		*out++ = '}';
	}
	*out++ = ' ';
	return out;
}

/* https://github.com/prometheus/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md#exemplars */
static char *prom_exemplar(char *out, const struct metric *m, const struct exemplar *e)
{
	char hex[33];

	context_hex(e->trace_id, sizeof(e->trace_id), hex);
	out = prom_put_str(out, " # {trace_id=\"");
	out = prom_put_str(out, hex);
	context_hex(e->span_id, sizeof(e->span_id), hex);
	out = prom_put_str(out, "\",span_id=\"");
	out = prom_put_str(out, hex);
	out = prom_put_str(out, "\"} ");
	out = prom_put_value(out, m, e->value);
	*out++ = ' ';
	return prom_put_seconds(out, e->unix_ns);
}

static char *prom_histogram(const struct prom *p, char *out, const struct metric *m,
			    const struct series *s)
{
	const struct exemplar *told = p->format == PROM_OPENMETRICS ? s->exemplars : NULL;
	const struct hist *h = &s->hist;
	uint64_t below = 0;

	for (size_t i = 0; i <= m->bounds->n; i++) {
		below += h->explicit_counts[i];
		out = prom_sample(p, out, m, "_bucket", i < m->bounds->n ? p->le[i] : "+Inf");
		out = prom_put_number(out, below);
		if (told && told[i].unix_ns)
			out = prom_exemplar(out, m, &told[i]);
		*out++ = '\n';
	}
	out = prom_sample(p, out, m, "_sum", NULL);
	out = prom_put_value(out, m, h->sum);
	*out++ = '\n';
	out = prom_sample(p, out, m, "_count", NULL);
	out = prom_put_number(out, h->count);
	*out++ = '\n';
	return out;
}

static int prom_series(struct prom *p, const struct metric *m, const struct series *s)
{
	size_t lines = m->kind == METRIC_HISTOGRAM ? m->bounds->n + 3 : 1;
	size_t extra = PROM_LINE_EXTRA + (s->exemplars ? PROM_EXEMPLAR : 0);
	char *out;

	prom_labels(p, m, s);
	if (prom_reserve(p, lines * (strlen(m->name) + p->labels_n + extra)) < 0)
		return -ENOMEM;
	out = p->buf + p->n;
	if (m->kind == METRIC_HISTOGRAM) {
		out = prom_histogram(p, out, m, s);
	} else {
		out = prom_sample(p, out, m, m->kind == METRIC_COUNTER ? "_total" : "", NULL);
		out = prom_put_value(out, m, s->value);
		*out++ = '\n';
	}
	p->n = (size_t)(out - p->buf);
	return 0;
}

/* The same in protobuf: whole families, for they are messages. */
static int prom_render_proto(struct prom *p)
{
	otlp_out_clear(&p->proto);
	while (p->proto.n < PROM_PIECE && p->metric < METRIC_MAX)
		prom_proto_family(&p->proto, p->st, (enum metric_id)p->metric++);
	p->is_done = p->metric == METRIC_MAX;
	if (p->proto.is_failed || prom_reserve(p, p->proto.n) < 0)
		return -ENOMEM;
	if (p->proto.n)
		memcpy(p->buf, p->proto.p, p->proto.n);
	p->n = p->proto.n;
	return 0;
}

/* Renders the next piece into the empty buffer. 0, -ENOMEM. */
static int prom_render(struct prom *p)
{
	p->off = p->n = 0;
	if (p->format == PROM_PROTOBUF)
		return prom_render_proto(p);
	while (p->n < PROM_PIECE && p->metric < METRIC_MAX) {
		const struct metric *m = metric_get(p->metric);
		const struct series *s = series_after(p->st, p->metric, p->serial);

		if (!s) {
			p->metric++;
			p->serial = 0;
			continue;
		}
		if (p->serial == 0 && prom_header(p, m) < 0)
			return -ENOMEM;
		if (prom_series(p, m, s) < 0)
			return -ENOMEM;
		p->serial = s->serial;
	}
	if (p->n >= PROM_PIECE || p->is_done)
		return 0;
	p->is_done = true;
	if (p->format == PROM_OPENMETRICS) {
		if (prom_reserve(p, PROM_LINE_EXTRA) < 0)
			return -ENOMEM;
		p->n = (size_t)(prom_put_str(p->buf + p->n, "# EOF\n") - p->buf);
	}
	return 0;
}

ssize_t prom_read(struct prom *p, char *out, size_t size)
{
	size_t done = 0;

	while (done < size) {
		size_t n = p->n - p->off < size - done ? p->n - p->off : size - done;

		memcpy(out + done, p->buf + p->off, n);
		p->off += n;
		done += n;
		if (p->off < p->n)
			break;
		if (p->is_done)
			break;
		if (prom_render(p) < 0)
			return -ENOMEM;
	}
	return (ssize_t)done;
}
