/* SPDX-License-Identifier: Apache-2.0 */
/* The table of metrics, as data: catalogue.def. */
#ifndef CATALOGUE_H
#define CATALOGUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "metrics/hist.h"

enum metric_id {
#define METRIC(ID, ...) METRIC_##ID,
#include "metrics/catalogue.def"
	METRIC_MAX
};

enum label_id {
	LABEL_NONE,
#define LABEL(ID, ...) LABEL_##ID,
#include "metrics/catalogue.def"
	LABEL_MAX
};

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM, METRIC_INFO };

enum { METRIC_LABELS_MAX = 9 };

#define METRIC_ONE 1000000000ULL

struct metric {
	const char *name;      /* Prometheus, without a counter's _total */
	const char *otel_name; /* dotted */
	const char *unit;      /* UCUM; "s" is kept in nanoseconds, "1" in parts of METRIC_ONE */
	const char *help;
	enum metric_kind kind;
	const struct hist_bounds *bounds; /* NULL: no histogram */
	bool is_of_service; /* carries service labels; else it is about sonde itself */
	enum label_id labels[METRIC_LABELS_MAX + 1]; /* ends with LABEL_NONE */
};

struct label {
	const char *name; /* Prometheus */
	const char *otel_name;
};

const struct metric *metric_get(enum metric_id id);
size_t metric_n_labels(enum metric_id id);
const struct label *label_get(enum label_id id);

/* "seconds" or "bytes", the words of the units that Prometheus names end in; NULL: none. */
const char *metric_unit_word(const struct metric *m);
bool metric_is_nano(const struct metric *m); /* kept in billionths: of a second, of one */

/* "counter", "gauge", "histogram", "info" */
const char *metric_kind_name(enum metric_kind kind);

#endif
