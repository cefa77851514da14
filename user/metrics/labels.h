/* SPDX-License-Identifier: Apache-2.0 */
/* Label values: made fit to be exported. */
#ifndef LABELS_H
#define LABELS_H

#include <stddef.h>
#include "metrics/catalogue.h"
#include "metrics/series.h"
#include "util/slice.h"
#include "util/utf8.h"

/* Room for values that had to be changed. */
struct labels {
	struct slice values[METRIC_LABELS_MAX];
	char text[METRIC_LABELS_MAX][SERIES_VALUE_MAX + 1];
};

/* `values` if they can be exported as they are; else room->values with what cannot replaced: bytes
 * that are no UTF-8 (one fails a whole scrape), NULs, and the end of what is too long. n is at most
 * METRIC_LABELS_MAX. */
const struct slice *labels_clean(struct labels *room, const struct slice *values, size_t n);

#endif
