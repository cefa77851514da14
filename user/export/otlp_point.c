/* SPDX-License-Identifier: Apache-2.0 */
#include "export/otlp_point.h"

#include <string.h>
#include "export/otlp_attr.h"
#include "util/clock.h"

/* opentelemetry/proto/metrics/v1/metrics.proto */
static const struct otlp_field f_metrics = OTLP_FIELD(2, "metrics");
static const struct otlp_field f_name = OTLP_FIELD(1, "name");
static const struct otlp_field f_description = OTLP_FIELD(2, "description");
static const struct otlp_field f_unit = OTLP_FIELD(3, "unit");
static const struct otlp_field f_points = OTLP_FIELD(1, "dataPoints");
static const struct otlp_field f_temporality = OTLP_FIELD(2, "aggregationTemporality");
static const struct otlp_field f_monotonic = OTLP_FIELD(3, "isMonotonic");
/* of all points */
static const struct otlp_field f_start = OTLP_FIELD(2, "startTimeUnixNano");
static const struct otlp_field f_time = OTLP_FIELD(3, "timeUnixNano");
static const struct otlp_field f_as_double = OTLP_FIELD(4, "asDouble");
static const struct otlp_field f_as_int = OTLP_FIELD(6, "asInt");
static const struct otlp_field f_count = OTLP_FIELD(4, "count");
static const struct otlp_field f_sum = OTLP_FIELD(5, "sum");
/* of HistogramDataPoint */
static const struct otlp_field f_bucket_counts = OTLP_FIELD(6, "bucketCounts");
static const struct otlp_field f_bounds = OTLP_FIELD(7, "explicitBounds");
static const struct otlp_field f_min = OTLP_FIELD(11, "min");
static const struct otlp_field f_max = OTLP_FIELD(12, "max");
/* of ExponentialHistogramDataPoint, which has an order of its own */
static const struct otlp_field f_scale = OTLP_FIELD(6, "scale");
static const struct otlp_field f_zero_count = OTLP_FIELD(7, "zeroCount");
static const struct otlp_field f_positive = OTLP_FIELD(8, "positive");
static const struct otlp_field f_offset = OTLP_FIELD(1, "offset");
/* Exemplar */
static const struct otlp_field f_exemplars = OTLP_FIELD(8, "exemplars");
static const struct otlp_field f_exp_exemplars = OTLP_FIELD(11, "exemplars");
static const struct otlp_field f_exemplar_time = OTLP_FIELD(2, "timeUnixNano");
static const struct otlp_field f_exemplar_value = OTLP_FIELD(3, "asDouble");
static const struct otlp_field f_span_id = OTLP_FIELD(4, "spanId");
static const struct otlp_field f_trace_id = OTLP_FIELD(5, "traceId");
static const struct otlp_field f_exp_counts = OTLP_FIELD(2, "bucketCounts");
static const struct otlp_field f_exp_min = OTLP_FIELD(12, "min");
static const struct otlp_field f_exp_max = OTLP_FIELD(13, "max");

enum {
	POINT_ATTRIBUTES = 7,
	HISTOGRAM_ATTRIBUTES = 9,
	EXPONENTIAL_ATTRIBUTES = 1,
	TEMPORALITY_DELTA = 1,
	TEMPORALITY_CUMULATIVE = 2,
};

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n > m && strcmp(s + n - m, end) == 0;
}

/* The conventions count what goes up and down as a sum that can be added up over its attributes;
 * theirs that are not are ratios and ages. Ours are read at a moment. */
static bool is_updown(const struct metric *m)
{
	return strncmp(m->otel_name, "sonde.", 6) != 0 && !ends_with(m->otel_name, ".uptime") &&
	       !ends_with(m->otel_name, ".utilization") &&
	       strcmp(m->otel_name, "container.cpu.usage") != 0;
}

enum otlp_shape otlp_shape(const struct metric *m, bool is_exponential)
{
	switch (m->kind) {
	case METRIC_COUNTER: return OTLP_SUM;
	case METRIC_GAUGE: return is_updown(m) ? OTLP_UPDOWN : OTLP_GAUGE;
	case METRIC_HISTOGRAM: return is_exponential ? OTLP_EXPONENTIAL : OTLP_HISTOGRAM;
	case METRIC_INFO: break;
	}
	return OTLP_GAUGE;
}

struct otlp_metric otlp_metric_begin(struct otlp_out *o, const struct metric *m,
				     enum otlp_shape shape, bool is_delta)
{
	static const struct otlp_field kinds[] = {
		[OTLP_GAUGE] = OTLP_FIELD(5, "gauge"),
		[OTLP_SUM] = OTLP_FIELD(7, "sum"),
		[OTLP_UPDOWN] = OTLP_FIELD(7, "sum"),
		[OTLP_HISTOGRAM] = OTLP_FIELD(9, "histogram"),
		[OTLP_EXPONENTIAL] = OTLP_FIELD(10, "exponentialHistogram"),
	};
	struct otlp_metric w = { .o = o, .shape = shape, .is_delta = is_delta };

	w.metric = otlp_element(o, f_metrics);
	otlp_string(o, f_name, slice_str(m->otel_name));
	otlp_string(o, f_description, slice_str(m->help));
	if (*m->unit)
		otlp_string(o, f_unit, slice_str(m->unit));
	w.data = otlp_begin(o, kinds[shape]);
	otlp_list(o, f_points);
	return w;
}

void otlp_metric_end(const struct otlp_metric *w)
{
	struct otlp_out *o = w->o;

	otlp_list_end(o);
	if (w->shape != OTLP_GAUGE)
		otlp_enum(o, f_temporality,
			  w->is_delta ? TEMPORALITY_DELTA : TEMPORALITY_CUMULATIVE);
	if (w->shape == OTLP_SUM)
		otlp_bool(o, f_monotonic, true);
	otlp_end(o, w->data);
	otlp_end(o, w->metric);
}

/* Numbers by convention, text as labels are. */
static bool is_number(struct slice key)
{
	return slice_eq(key, SLICE("http.response.status_code")) ||
	       slice_eq(key, SLICE("server.port")) || slice_eq(key, SLICE("process.pid"));
}

static void attribute(const struct otlp_attrs *a, struct slice key, struct slice value)
{
	int64_t number = 0;
	size_t i = 0;

	for (; i < value.n && i < 18 && value.p[i] >= '0' && value.p[i] <= '9'; i++)
		number = number * 10 + (value.p[i] - '0');
	if (is_number(key) && value.n && i == value.n)
		attr_int(a, key, number);
	else
		attr_string_if(a, key, value);
}

static void attributes(struct otlp_out *o, uint32_t number, const struct series *s)
{
	const struct metric *m = metric_get(s->metric);
	struct otlp_attrs a = otlp_attrs(o, number);

	for (size_t i = 0; m->labels[i] != LABEL_NONE; i++)
		attribute(&a, slice_str(label_get(m->labels[i])->otel_name), series_label(s, i));
	if (s->is_overflow)
		attr_bool(&a, slice_str(label_get(LABEL_OVERFLOW)->otel_name), true);
	otlp_attrs_end(&a);
}

static void value(struct otlp_out *o, struct otlp_field f, bool is_time, uint64_t v)
{
	if (is_time)
		otlp_seconds(o, f, v);
	else
		otlp_double(o, f, (double)v);
}

static void explicit_part(struct otlp_out *o, const struct hist *h)
{
	double bounds[HIST_BOUNDS_MAX];

	for (size_t i = 0; i < h->bounds->n; i++)
		bounds[i] = (double)h->bounds->le[i] / (hist_is_time(h) ? (double)NS_PER_S : 1);
	otlp_fixed64s(o, f_bucket_counts, h->explicit_counts, h->bounds->n + 1);
	otlp_doubles(o, f_bounds, bounds, h->bounds->n);
}

static void exponential_part(struct otlp_out *o, const struct hist *h, const struct hist_exp *e)
{
	size_t at;

	otlp_sint32(o, f_scale, e->scale);
	otlp_fixed64(o, f_zero_count, h->zero_count);
	at = otlp_begin(o, f_positive);
	otlp_sint32(o, f_offset, e->offset);
	otlp_uint64s(o, f_exp_counts, e->counts, e->n);
	otlp_end(o, at);
}

/* Those of the time the point is about. */
static void exemplars(struct otlp_out *o, const struct otlp_point *p, struct otlp_field f)
{
	const struct exemplar *e = p->series->exemplars;
	size_t at;

	if (!e)
		return;
	otlp_list(o, f);
	for (size_t i = 0; i <= p->hist->bounds->n; i++) {
		if (e[i].unix_ns == 0 || e[i].unix_ns < p->start_unix_ns)
			continue;
		at = otlp_element(o, f);
		otlp_fixed64(o, f_exemplar_time, e[i].unix_ns);
		value(o, f_exemplar_value, hist_is_time(p->hist), e[i].value);
		otlp_hex(o, f_span_id, e[i].span_id, sizeof(e[i].span_id));
		otlp_hex(o, f_trace_id, e[i].trace_id, sizeof(e[i].trace_id));
		otlp_end(o, at);
	}
	otlp_list_end(o);
}

static void histogram(struct otlp_out *o, const struct otlp_point *p, bool is_exponential)
{
	bool is_time = hist_is_time(p->hist);
	struct hist_exp e;

	if (is_exponential)
		hist_exponential(p->hist, &e);
	otlp_fixed64(o, f_count, is_exponential ? e.count : p->hist->count);
	value(o, f_sum, is_time, p->hist->sum);
	if (is_exponential)
		exponential_part(o, p->hist, &e);
	else
		explicit_part(o, p->hist);
	exemplars(o, p, is_exponential ? f_exp_exemplars : f_exemplars);
	if (!p->has_extremes || p->hist->count == 0)
		return;
	value(o, is_exponential ? f_exp_min : f_min, is_time, p->hist->min);
	value(o, is_exponential ? f_exp_max : f_max, is_time, p->hist->max);
}

void otlp_metric_point(const struct otlp_metric *w, const struct otlp_point *p)
{
	struct otlp_out *o = w->o;
	size_t at = otlp_element(o, f_points);
	uint32_t number = w->shape == OTLP_HISTOGRAM	 ? HISTOGRAM_ATTRIBUTES
			  : w->shape == OTLP_EXPONENTIAL ? EXPONENTIAL_ATTRIBUTES
							 : POINT_ATTRIBUTES;

	attributes(o, number, p->series);
	if (w->shape != OTLP_GAUGE)
		otlp_fixed64(o, f_start, p->start_unix_ns);
	otlp_fixed64(o, f_time, p->unix_ns);
	if (p->hist)
		histogram(o, p, w->shape == OTLP_EXPONENTIAL);
	else if (metric_is_nano(metric_get(p->series->metric)))
		otlp_seconds(o, f_as_double, p->value);
	else
		otlp_sfixed64(o, f_as_int, (int64_t)p->value);
	otlp_end(o, at);
}
