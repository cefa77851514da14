/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Route templating: /users/42/orders -> /users/{id}/orders. Numbers, UUIDs, hex, dates and long
 * tokens are placeholders at once; a bounded trie per service learns segments of high fan-out, and
 * what it learns applies to later requests only. The one placeholder is "{id}".
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

/* Writes the template of a request target (origin-form, absolute-form, "*", or authority-form;
 * query and fragment are cut) as a NUL terminated string. Returns its length. Deterministic in the
 * order of calls. The result is valid UTF-8 and at most size - 1 bytes. */
size_t route_template(struct routes *r, uint32_t service_id, struct slice target, char *out, size_t size);

#endif
