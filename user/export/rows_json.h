/* SPDX-License-Identifier: Apache-2.0 */
/* The last minute by endpoint, peer, protocol or service, as JSON: /api/v1/services?group=...,
 * which is what another sonde's `top --connect` reads. */
#ifndef ROWS_JSON_H
#define ROWS_JSON_H

#include "export/services_json.h"

/* malloc'd, the caller's; NULL: out of memory. q->now_ns is from's. */
char *rows_json(const struct services_source *from, const struct recent_query *q);

#endif
