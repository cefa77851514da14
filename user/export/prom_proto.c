/* SPDX-License-Identifier: Apache-2.0 */
#include "export/prom_proto.h"

#include <math.h>
#include <stdio.h>
#include "util/clock.h"

/* names are for readers alone: there is no JSON of it */
static const struct otlp_field f_family_name = OTLP_FIELD(1, "name");
static const struct otlp_field f_family_help = OTLP_FIELD(2, "help");
static const struct otlp_field f_family_type = OTLP_FIELD(3, "type");
static const struct otlp_field f_family_metric = OTLP_FIELD(4, "metric");
static const struct otlp_field f_family_unit = OTLP_FIELD(5, "unit");
static const struct otlp_field f_label = OTLP_FIELD(1, "label");
static const struct otlp_field f_label_name = OTLP_FIELD(1, "name");
static const struct otlp_field f_label_value = OTLP_FIELD(2, "value");
static const struct otlp_field f_gauge = OTLP_FIELD(2, "gauge");
static const struct otlp_field f_counter = OTLP_FIELD(3, "counter");
static const struct otlp_field f_value = OTLP_FIELD(1, "value");
static const struct otlp_field f_histogram = OTLP_FIELD(7, "histogram");
static const struct otlp_field f_sample_count = OTLP_FIELD(1, "sampleCount");
static const struct otlp_field f_sample_sum = OTLP_FIELD(2, "sampleSum");
static const struct otlp_field f_bucket = OTLP_FIELD(3, "bucket");
static const struct otlp_field f_cumulative_count = OTLP_FIELD(1, "cumulativeCount");
static const struct otlp_field f_upper_bound = OTLP_FIELD(2, "upperBound");
static const struct otlp_field f_exemplar = OTLP_FIELD(3, "exemplar");
static const struct otlp_field f_exemplar_value = OTLP_FIELD(2, "value");
static const struct otlp_field f_exemplar_time = OTLP_FIELD(3, "timestamp");
static const struct otlp_field f_seconds = OTLP_FIELD(1, "seconds");
static const struct otlp_field f_nanos = OTLP_FIELD(2, "nanos");
static const struct otlp_field f_schema = OTLP_FIELD(5, "schema");
static const struct otlp_field f_zero_threshold = OTLP_FIELD(6, "zeroThreshold");
static const struct otlp_field f_zero_count = OTLP_FIELD(7, "zeroCount");
static const struct otlp_field f_positive_span = OTLP_FIELD(12, "positiveSpan");
static const struct otlp_field f_offset = OTLP_FIELD(1, "offset");
static const struct otlp_field f_length = OTLP_FIELD(2, "length");
static const struct otlp_field f_positive_delta = OTLP_FIELD(13, "positiveDelta");

enum { TYPE_COUNTER = 0, TYPE_GAUGE = 1, TYPE_HISTOGRAM = 4 };

/* What tells a histogram without a bucket from one that has no native ones. */
#define ZERO_THRESHOLD 1e-128

static double scaled(const struct metric *m, uint64_t v)
{
	return metric_is_nano(m) ? (double)v / (double)NS_PER_S : (double)v;
}

static void pair(struct otlp_out *o, const char *name, struct slice value)
{
	size_t at;

	if (value.n == 0)
		return;
	at = otlp_begin(o, f_label);
	otlp_string(o, f_label_name, slice_str(name));
	otlp_string(o, f_label_value, value);
	otlp_end(o, at);
}

static void label(struct otlp_out *o, enum label_id id, struct slice value)
{
	pair(o, label_get(id)->name, value);
}

static void known(struct otlp_out *o, const struct facts *f, bool is_info)
{
	for (int id = 0; f && id < FACT_MAX; id++) {
		const struct fact_name *name = fact_name((enum fact_id)id);

		if (name->is_label || is_info)
			pair(o, name->label, fact(f, (enum fact_id)id));
	}
}

static void labels(struct otlp_out *o, const struct metric *m, const struct series *s)
{
	if (s->service) {
		label(o, LABEL_SERVICE_NAME, slice_str(s->service->name));
		label(o, LABEL_SERVICE_NAMESPACE, slice_str(s->service->name_space));
		label(o, LABEL_SERVICE_INSTANCE_ID, slice_str(s->service->instance_id));
		known(o, s->service->facts, s->metric == METRIC_TARGET);
	}
	for (size_t i = 0; m->labels[i] != LABEL_NONE; i++)
		label(o, m->labels[i], series_label(s, i));
	if (s->is_overflow)
		label(o, LABEL_OVERFLOW, SLICE("true"));
}

static void id_label(struct otlp_out *o, const char *name, const uint8_t *id, size_t n)
{
	static const char hex[] = "0123456789abcdef";
	uint8_t text[32];
	size_t at = otlp_begin(o, f_label);

	for (size_t i = 0; i < n; i++) {
		text[2 * i] = (uint8_t)hex[id[i] >> 4];
		text[2 * i + 1] = (uint8_t)hex[id[i] & 15];
	}
	otlp_string(o, f_label_name, slice_str(name));
	otlp_string(o, f_label_value, (struct slice){ text, 2 * n });
	otlp_end(o, at);
}

static void exemplar(struct otlp_out *o, const struct metric *m, const struct exemplar *e)
{
	size_t at = otlp_begin(o, f_exemplar), time;

	id_label(o, "trace_id", e->trace_id, sizeof(e->trace_id));
	id_label(o, "span_id", e->span_id, sizeof(e->span_id));
	otlp_double(o, f_exemplar_value, scaled(m, e->value));
	time = otlp_begin(o, f_exemplar_time);
	otlp_int64(o, f_seconds, (int64_t)(e->unix_ns / NS_PER_S));
	otlp_int64(o, f_nanos, (int64_t)(e->unix_ns % NS_PER_S));
	otlp_end(o, time);
	otlp_end(o, at);
}

static void classic(struct otlp_out *o, const struct metric *m, const struct series *s)
{
	const struct hist *h = &s->hist;
	uint64_t below = 0;

	for (size_t i = 0; i <= h->bounds->n; i++) {
		size_t at = otlp_begin(o, f_bucket);

		below += h->explicit_counts[i];
		otlp_int64(o, f_cumulative_count, (int64_t)below);
		otlp_double(o, f_upper_bound,
			    i < h->bounds->n ? scaled(m, h->bounds->le[i]) : (double)INFINITY);
		if (s->exemplars && s->exemplars[i].unix_ns)
			exemplar(o, m, &s->exemplars[i]);
		otlp_end(o, at);
	}
}

/* A span is a run of buckets that follow each other, its offset the empty ones before it; their
 * counts are told as differences. Prometheus numbers a bucket by its upper boundary, where
 * OpenTelemetry takes the lower. */
static void native(struct otlp_out *o, const struct hist *h)
{
	int64_t deltas[HIST_EXP_MAX], before = 0;
	size_t n = 0, at, end;
	struct hist_exp e;
	int32_t offset;

	hist_exponential(h, &e);
	otlp_sint32(o, f_schema, e.scale);
	otlp_double(o, f_zero_threshold, ZERO_THRESHOLD);
	otlp_int64(o, f_zero_count, (int64_t)h->zero_count);
	offset = e.offset + 1;
	for (size_t i = 0; i < e.n; i = end) {
		for (end = i; end < e.n && e.counts[end]; end++) {
			deltas[n++] = (int64_t)e.counts[end] - before;
			before = (int64_t)e.counts[end];
		}
		at = otlp_begin(o, f_positive_span);
		otlp_sint32(o, f_offset, offset);
		otlp_int64(o, f_length, (int64_t)(end - i));
		otlp_end(o, at);
		for (offset = 0; end < e.n && !e.counts[end]; end++)
			offset++;
	}
	otlp_sint64s(o, f_positive_delta, deltas, n);
}

static void histogram(struct otlp_out *o, const struct metric *m, const struct series *s)
{
	const struct hist *h = &s->hist;
	size_t at = otlp_begin(o, f_histogram);

	otlp_int64(o, f_sample_count, (int64_t)h->count);
	otlp_double(o, f_sample_sum, scaled(m, h->sum));
	classic(o, m, s);
	native(o, h);
	otlp_end(o, at);
}

static void series(struct otlp_out *o, const struct metric *m, const struct series *s)
{
	size_t metric = otlp_begin(o, f_family_metric), at;

	labels(o, m, s);
	if (m->kind == METRIC_HISTOGRAM) {
		histogram(o, m, s);
	} else {
		at = otlp_begin(o, m->kind == METRIC_COUNTER ? f_counter : f_gauge);
		otlp_double(o, f_value, scaled(m, s->value));
		otlp_end(o, at);
	}
	otlp_end(o, metric);
}

static void family(struct otlp_out *o, const struct metric *m)
{
	const char *word = metric_unit_word(m);
	char name[128];
	int n = snprintf(name, sizeof(name), "%s%s", m->name,
			 m->kind == METRIC_COUNTER ? "_total" : "");

	otlp_string(o, f_family_name, (struct slice){ (uint8_t *)name, (size_t)n });
	otlp_string(o, f_family_help, slice_str(m->help));
	otlp_enum(o, f_family_type,
		  m->kind == METRIC_COUNTER	? TYPE_COUNTER
		  : m->kind == METRIC_HISTOGRAM ? TYPE_HISTOGRAM
						: TYPE_GAUGE);
	if (word)
		otlp_string(o, f_family_unit, slice_str(word));
}

void prom_proto_family(struct otlp_out *o, const struct series_store *st, enum metric_id id)
{
	const struct metric *m = metric_get(id);
	const struct series *s = series_after(st, id, 0);
	size_t at;

	if (!s)
		return;
	at = otlp_delimited(o);
	family(o, m);
	for (; s; s = series_after(st, id, s->serial))
		series(o, m, s);
	otlp_end(o, at);
}
