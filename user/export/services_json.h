/* SPDX-License-Identifier: Apache-2.0 */
/* The services of the last minute as JSON: /api/v1/services and /api/v1/services/{name}. */
#ifndef SERVICES_JSON_H
#define SERVICES_JSON_H

#include <stdint.h>
#include "metrics/overview.h"
#include "metrics/series.h"

enum { SERVICES_JSON_ROWS = 1000 }; /* endpoints and peers told, at most, the busiest */

struct services_source {
	const struct recent *recent;
	const struct series_store *store; /* for what presses on a service */
	char *const *health_rules;	  /* as health.h */
	size_t n_health_rules;
	uint64_t now_ns;
	int64_t realtime_offset_ns;
};

/* malloc'd, the caller's; NULL: out of memory. */
char *services_json(const struct services_source *from);
/* As above; NULL also where nobody of that name was seen in the last minute. */
char *service_json(const struct services_source *from, const char *name);

#endif
