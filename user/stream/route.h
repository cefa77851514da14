/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Route templating: /users/42/orders -> /users/{id}/orders. Numbers, UUIDs, hex, dates and long
 * tokens are placeholders at once; a bounded trie per service learns segments of high fan-out, and
 * what it learns applies to later requests only. The one placeholder is "{id}".
 *
 * When a segment has more than max_fanout different names they become {id}, except those that carry
 * a 32nd of its traffic each: so a scan of thousands of made-up paths does not fold /health. A
 * service uses at most an eighth of the nodes; when none is left, the services that were not heard
 * of for longest are forgotten, and what a service cannot learn is {id} as well.
 */
#ifndef ROUTE_H
#define ROUTE_H

#include <stddef.h>
#include <stdint.h>
#include "util/slice.h"

struct routes;

struct routes_opts {
	size_t max_nodes;  /* trie nodes over all services (0: 20,000) */
	size_t max_fanout; /* children of one segment before they become {id} (0: 100) */
};

struct routes *routes_new(const struct routes_opts *opts); /* NULL: out of memory */
void routes_free(struct routes *r);

/* Writes the template of a request target as a NUL terminated string and returns its length; size
 * is at least 2. Origin-form and absolute-form give their path: without query, fragment and ";"
 * parameters, empty segments left out, a slash at the end kept, at most 16 segments and as many as
 * fit whole. "*" gives itself; anything else (authority-form) is no path and gives "".
 * Deterministic in the order of calls; the result is valid UTF-8 without control characters. */
size_t route_template(struct routes *r, uint32_t service_id, struct slice target, char *out,
		      size_t size);

/* The most nodes that one look-up has to pass. */
size_t routes_longest(const struct routes *r);

#endif
