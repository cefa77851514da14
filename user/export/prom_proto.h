/* SPDX-License-Identifier: Apache-2.0 */
/* A metric as Prometheus's protobuf exposition has it, histograms with native buckets beside the
 * classic ones.
 * https://github.com/prometheus/client_model/blob/master/io/prometheus/client/metrics.proto
 */
#ifndef PROM_PROTO_H
#define PROM_PROTO_H

#include "export/otlp_out.h"
#include "metrics/series.h"

/* Appends the MetricFamily of all series of `id`, its length before it; nothing when there are
 * none. */
void prom_proto_family(struct otlp_out *o, const struct series_store *st, enum metric_id id);

#endif
