/* SPDX-License-Identifier: Apache-2.0 */
/* Single requests of the last minute as JSON: /api/v1/requests. */
#ifndef REQUESTS_JSON_H
#define REQUESTS_JSON_H

#include <jansson.h>
#include <stdint.h>
#include "metrics/recent.h"

enum { REQUESTS_DEFAULT = 50, REQUESTS_MAX = 1000 };

/* malloc'd, the caller's; NULL: out of memory. Of each kind up to `max`. */
char *requests_json(const struct recent *r, const struct recent_query *q,
		    int64_t realtime_offset_ns, size_t max);

/* One of them. */
json_t *request_json(const struct recent_request *t, int64_t realtime_offset_ns);

/* The same back, for whoever reads the API of another. */
void request_parse(const json_t *o, struct recent_request *t, int64_t realtime_offset_ns);

#endif
