/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every series as OTLP, request by request, so that an export of any size takes bounded memory and
 * bounded turns of the loop.
 * https://opentelemetry.io/docs/specs/otel/metrics/data-model/
 */
#ifndef OTLP_METRICS_H
#define OTLP_METRICS_H

#include "export/otlp_config.h"
#include "metrics/series.h"

struct otlp_metrics;

struct otlp_metrics_opts {
	enum otlp_form form;
	enum otlp_temporality temporality;
	bool is_exponential;
	int64_t realtime_offset_ns;
	uint64_t began_ns;		  /* when counting began */
	const struct otlp_origin *origin; /* borrowed */
	struct otlp_who own;		  /* sonde itself; borrowed */
};

struct otlp_metrics *otlp_metrics_new(const struct otlp_metrics_opts *opts); /* NULL: no memory */
void otlp_metrics_free(struct otlp_metrics *m);

/* Begins an export of what `st` holds now. An unfinished one is given up. 0, -ENOMEM. */
int otlp_metrics_begin(struct otlp_metrics *m, struct series_store *st);

/* Writes the next request, of about max_bytes, into `out`, which comes empty. Returns its data
 * points; 0: the export is done, or out of memory. */
size_t otlp_metrics_next(struct otlp_metrics *m, struct otlp_out *out, size_t max_bytes,
			 uint64_t now_ns);

#endif
