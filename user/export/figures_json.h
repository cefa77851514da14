/* SPDX-License-Identifier: Apache-2.0 */
/* The figures of a row of the last minute, as the API says them. */
#ifndef FIGURES_JSON_H
#define FIGURES_JSON_H

#include <jansson.h>
#include "metrics/recent.h"

/* Adds them to the object. Times are seconds, null where nothing was counted. */
void figures_json(json_t *object, const struct recent_row *row);
/* The same back, for whoever reads the API of another: what is missing is 0. */
void figures_parse(const json_t *object, struct recent_row *row);

#endif
