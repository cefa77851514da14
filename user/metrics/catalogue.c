/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/catalogue.h"

#include <string.h>

#define BOUNDS_NONE	NULL
#define BOUNDS_DURATION &hist_duration_bounds
#define BOUNDS_SIZE	&hist_size_bounds
#define SCOPE_SERVICE	true
#define SCOPE_SELF	false
#define L(ID)		LABEL_##ID

static const struct metric metrics[METRIC_MAX] = {
#define METRIC(ID, name_, otel, unit_, KIND, BOUNDS, SCOPE, help_, ...) \
	[METRIC_##ID] = {                                               \
		.name = name_,                                          \
		.otel_name = otel,                                      \
		.unit = unit_,                                          \
		.help = help_,                                          \
		.kind = METRIC_##KIND,                                  \
		.bounds = BOUNDS_##BOUNDS,                              \
		.is_of_service = SCOPE_##SCOPE,                         \
		.labels = { __VA_ARGS__ },                              \
	},
#include "metrics/catalogue.def"
};

static const struct label labels[LABEL_MAX] = {
#define LABEL(ID, prometheus, otel) [LABEL_##ID] = { .name = prometheus, .otel_name = otel },
#include "metrics/catalogue.def"
};

const struct metric *metric_get(enum metric_id id)
{
	return &metrics[id];
}

size_t metric_n_labels(enum metric_id id)
{
	size_t n = 0;

	while (metrics[id].labels[n] != LABEL_NONE)
		n++;
	return n;
}

const struct label *label_get(enum label_id id)
{
	return &labels[id];
}

const char *metric_unit_word(const struct metric *m)
{
	if (strcmp(m->unit, "s") == 0)
		return "seconds";
	return strcmp(m->unit, "By") == 0 ? "bytes" : NULL;
}

bool metric_is_nano(const struct metric *m)
{
	return strcmp(m->unit, "s") == 0 || strcmp(m->unit, "1") == 0;
}

const char *metric_kind_name(enum metric_kind kind)
{
	static const char *const names[] = {
		[METRIC_COUNTER] = "counter",
		[METRIC_GAUGE] = "gauge",
		[METRIC_HISTOGRAM] = "histogram",
		[METRIC_INFO] = "info",
	};

	return names[kind];
}
