/* SPDX-License-Identifier: Apache-2.0 */
/* A metric and its data points, as OTLP has them. Behind otlp_metrics.h only. */
#ifndef OTLP_POINT_H
#define OTLP_POINT_H

#include "export/otlp_out.h"
#include "metrics/series.h"

/* What becomes of a metric of the catalogue. */
enum otlp_shape { OTLP_GAUGE, OTLP_SUM, OTLP_UPDOWN, OTLP_HISTOGRAM, OTLP_EXPONENTIAL };

enum otlp_shape otlp_shape(const struct metric *m, bool is_exponential);

struct otlp_point {
	const struct series *series; /* its labels */
	uint64_t start_unix_ns, unix_ns;
	uint64_t value;		 /* numbers */
	const struct hist *hist; /* histograms */
	bool has_extremes;	 /* of hist */
};

/* Begins a metric within the list of its scope; ends it. */
struct otlp_metric {
	struct otlp_out *o;
	enum otlp_shape shape;
	bool is_delta;
	size_t metric, data;
};

struct otlp_metric otlp_metric_begin(struct otlp_out *o, const struct metric *m,
				     enum otlp_shape shape, bool is_delta);
void otlp_metric_point(const struct otlp_metric *w, const struct otlp_point *p);
void otlp_metric_end(const struct otlp_metric *w);

#endif
