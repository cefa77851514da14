/* SPDX-License-Identifier: Apache-2.0 */
/* Who calls whom, as JSON: /api/v1/map. */
#ifndef MAP_JSON_H
#define MAP_JSON_H

#include <stdint.h>

struct graph;

/* malloc'd, the caller's; NULL: out of memory. */
char *map_json(const struct graph *g, uint64_t now_ns);

#endif
