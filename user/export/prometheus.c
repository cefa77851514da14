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
#include "util/decimal.h"

enum {
	PROM_PIECE = 16384, /* bytes of protobuf rendered at a time, about */
	/* name, quotes and a value of which every byte is escaped; the service's are no longer */
	PROM_LABELS_MAX = (METRIC_LABELS_MAX + FACT_MAX + 4) * (64 + 2 * SERIES_VALUE_MAX),
	PROM_LINE_EXTRA = 96, /* of a sample beside name and labels */
	PROM_NUMBER_MAX = 32, /* a boundary and three bytes */
	PROM_EXEMPLAR = 160,
};

/* A boundary as it is printed, and what stands behind it. */
struct prom_le {
	char text[PROM_NUMBER_MAX];
	size_t n;
};

struct prom {
	const struct series_store *st;
	enum prom_format format;
	int metric; /* being walked */
	bool is_headed;
	uint64_t serial; /* of the last series rendered */
	size_t at;	 /* where the walk is */
	bool is_done;
	char *buf; /* owned; bytes off..n are still to be handed out */
	size_t off, n, cap;
	char labels[PROM_LABELS_MAX]; /* of the series at hand, without braces */
	size_t labels_n;
	const struct series_service *service; /* whose labels they begin with, during a read */
	size_t service_n;
	struct otlp_out proto;			/* families of a piece, in protobuf */
	struct prom_le le[HIST_BOUNDS_MAX + 1]; /* of the metric at hand, +Inf last */
};

struct prom *prom_open(const struct series_store *st, enum prom_format format, const char *note)
{
	struct prom *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->st = st;
	p->format = format;
	p->cap = PROM_PIECE;
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

/* The buffer, which is empty, with room for that much. NULL: out of memory. */
static char *prom_room(struct prom *p, size_t n)
{
	char *buf;

	if (n <= p->cap)
		return p->buf;
	buf = realloc(p->buf, n);
	if (!buf)
		return NULL;
	p->buf = buf;
	p->cap = n;
	return buf;
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

static char *prom_put_seconds(char *out, uint64_t ns)
{
	out += decimal_seconds(out, ns);
	while (ns % NS_PER_S && out[-1] == '0')
		out--;
	return out;
}

static char *prom_put_value(char *out, const struct metric *m, uint64_t value)
{
	return metric_is_nano(m) ? prom_put_seconds(out, value) : out + decimal_u64(out, value);
}

static bool prom_is_plain(struct slice s)
{
	uint64_t found = 0;

	for (; s.n >= 8; s.p += 8, s.n -= 8) {
		uint64_t x = octets_load(s.p);

		found |= octets_equal(x, '\\') | octets_equal(x, '"') | octets_equal(x, '\n');
	}
	while (s.n--)
		found |= s.p[s.n] == '\\' || s.p[s.n] == '"' || s.p[s.n] == '\n';
	return !found;
}

static char *prom_put_escaped(char *out, struct slice value)
{
	if (prom_is_plain(value))
		return mempcpy(out, value.p, value.n);
	for (size_t i = 0; i < value.n; i++) {
		char c = (char)value.p[i];

		if (c == '\\' || c == '"' || c == '\n')
			*out++ = '\\';
		*out++ = c == '\n' ? 'n' : c;
	}
	return out;
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
	out = prom_put_escaped(out, value);
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

/* Series of a service follow each other, mostly. */
static void prom_service(struct prom *p, const struct series_service *service, bool is_info)
{
	if (service == p->service && !is_info) {
		p->labels_n = p->service_n;
		return;
	}
	p->labels_n = 0;
	if (service) {
		prom_label(p, LABEL_SERVICE_NAME, slice_str(service->name));
		prom_label(p, LABEL_SERVICE_NAMESPACE, slice_str(service->name_space));
		prom_label(p, LABEL_SERVICE_INSTANCE_ID, slice_str(service->instance_id));
		prom_facts(p, service->facts, is_info);
	}
	p->service = is_info ? NULL : service;
	p->service_n = is_info ? 0 : p->labels_n;
}

static void prom_labels(struct prom *p, const struct metric *m, const struct series *s)
{
	prom_service(p, s->service, s->metric == METRIC_TARGET);
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

static void prom_boundaries(struct prom *p, const struct metric *m)
{
	for (size_t i = 0; i <= m->bounds->n; i++) {
		struct prom_le *le = &p->le[i];
		char *end = le->text;

		if (i == m->bounds->n)
			end = prom_put_str(end, "+Inf");
		else
			end = prom_put_value(end, m, m->bounds->le[i]);
		/* as Prometheus itself prints a float label: 1.0, not 1 */
		if (i < m->bounds->n && !memchr(le->text, '.', (size_t)(end - le->text)))
			end = prom_put_str(end, ".0");
		end = prom_put_str(end, "\"} ");
		le->n = (size_t)(end - le->text);
	}
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
	if (!prom_room(p, room))
		return -ENOMEM;
	p->n = (size_t)snprintf(p->buf, room, "# HELP %s %s\n# TYPE %s %s\n", family, m->help,
				family, type);
	if (is_om && word && prom_ends_with(m->name, word))
		p->n += (size_t)snprintf(p->buf + p->n, sizeof(family) + 32, "# UNIT %s %s\n",
					 family, word);
	if (m->bounds)
		prom_boundaries(p, m);
	return 0;
}

/* name suffix{labels} and a space, for which room has been made. */
static char *prom_sample(const struct prom *p, char *out, const struct metric *m,
			 const char *suffix)
{
	out = prom_put_str(out, m->name);
	out = prom_put_str(out, suffix);
	if (p->labels_n) {
		*out++ = '{';
		out = prom_put(out, p->labels, p->labels_n);
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

/* Up to the boundary all lines of a histogram are the same. */
static char *prom_buckets(const struct prom *p, char *out, const struct metric *m,
			  const struct series *s)
{
	const struct exemplar *told = p->format == PROM_OPENMETRICS ? s->exemplars : NULL;
	const char *begin = out;
	uint64_t below = 0;
	size_t n;

	out = prom_put_str(out, m->name);
	out = prom_put_str(out, "_bucket{");
	out = prom_put(out, p->labels, p->labels_n);
	out = prom_put_str(out, p->labels_n ? ",le=\"" : "le=\"");
	n = (size_t)(out - begin);
	for (size_t i = 0; i <= m->bounds->n; i++) {
		below += s->hist.explicit_counts[i];
		if (i)
			out = prom_put(out, begin, n);
		memcpy(out, p->le[i].text, sizeof(p->le[i].text)); /* faster than what it takes */
		out += p->le[i].n;
		out += decimal_u64(out, below);
		if (told && told[i].unix_ns)
			out = prom_exemplar(out, m, &told[i]);
		*out++ = '\n';
	}
	return out;
}

static char *prom_histogram(const struct prom *p, char *out, const struct metric *m,
			    const struct series *s)
{
	out = prom_buckets(p, out, m, s);
	out = prom_sample(p, out, m, "_sum");
	out = prom_put_value(out, m, s->hist.sum);
	*out++ = '\n';
	out = prom_sample(p, out, m, "_count");
	out += decimal_u64(out, s->hist.count);
	*out++ = '\n';
	return out;
}

/* Straight to `out`, of which it says how much, where `room` is enough for sure; else 0, and it
 * is in the buffer. */
static ssize_t prom_series(struct prom *p, const struct metric *m, const struct series *s,
			   char *out, size_t room)
{
	size_t lines = m->kind == METRIC_HISTOGRAM ? m->bounds->n + 3 : 1, need;
	size_t extra = PROM_LINE_EXTRA + (s->exemplars ? PROM_EXEMPLAR : 0);
	bool is_direct;
	char *begin;

	prom_labels(p, m, s);
	need = lines * (strlen(m->name) + p->labels_n + extra);
	is_direct = need <= room;
	begin = out = is_direct ? out : prom_room(p, need);
	if (!out)
		return -ENOMEM;
	if (m->kind == METRIC_HISTOGRAM) {
		out = prom_histogram(p, out, m, s);
	} else {
		out = prom_sample(p, out, m, m->kind == METRIC_COUNTER ? "_total" : "");
		out = prom_put_value(out, m, s->value);
		*out++ = '\n';
	}
	if (is_direct)
		return out - begin;
	p->n = (size_t)(out - begin);
	return 0;
}

/* The same in protobuf: whole families, for they are messages. */
static int prom_render_proto(struct prom *p)
{
	otlp_out_clear(&p->proto);
	while (p->proto.n < PROM_PIECE && p->metric < METRIC_MAX)
		prom_proto_family(&p->proto, p->st, (enum metric_id)p->metric++);
	p->is_done = p->metric == METRIC_MAX;
	if (p->proto.is_failed || !prom_room(p, p->proto.n))
		return -ENOMEM;
	if (p->proto.n)
		memcpy(p->buf, p->proto.p, p->proto.n);
	p->n = p->proto.n;
	return 0;
}

/* Renders a header or a series, as prom_series() does, or finds that there is no more. */
static ssize_t prom_render(struct prom *p, char *out, size_t room)
{
	const struct metric *m;
	const struct series *s;

	p->off = p->n = 0;
	if (p->format == PROM_PROTOBUF)
		return prom_render_proto(p);
	if (p->metric == METRIC_MAX) {
		p->is_done = true;
		if (p->format == PROM_OPENMETRICS)
			p->n = (size_t)(prom_put_str(p->buf, "# EOF\n") - p->buf);
		return 0;
	}
	m = metric_get(p->metric);
	s = series_next(p->st, p->metric, p->serial, &p->at);
	if (!s) {
		p->metric++;
		p->serial = p->at = 0;
		p->is_headed = false;
		return 0;
	}
	if (!p->is_headed) {
		p->at = 0; /* it comes next */
		p->is_headed = true;
		return prom_header(p, m);
	}
	p->serial = s->serial;
	return prom_series(p, m, s, out, room);
}

ssize_t prom_read(struct prom *p, char *out, size_t size)
{
	size_t done = 0;

	p->service = NULL; /* it may have gone since */
	p->service_n = 0;
	while (done < size) {
		size_t n = p->n - p->off < size - done ? p->n - p->off : size - done;
		ssize_t direct;

		memcpy(out + done, p->buf + p->off, n);
		p->off += n;
		done += n;
		if (p->off < p->n || p->is_done)
			break;
		direct = prom_render(p, out + done, size - done);
		if (direct < 0)
			return direct;
		done += (size_t)direct;
	}
	return (ssize_t)done;
}
