/* SPDX-License-Identifier: Apache-2.0 */
/* For the files of red.h alone. */
#ifndef RED_IMPL_H
#define RED_IMPL_H

#include "metrics/held.h"
#include "metrics/red.h"

struct red {
	struct red_opts opts;
	struct series_store *store;
	struct graph *graph;
	struct held_table *held;
	bool has_exemplars;
	uint64_t now_ns; /* of red_collect(), for its callbacks */
};

void red_on_txn(void *self, const struct txn *t);

/* In decimal, at the end of text[]. */
struct slice red_number(char *text, size_t size, unsigned int n);
struct slice red_scheme(bool is_tls);
struct slice red_method(const char *method); /* "_OTHER" for what the convention does not name */

#endif
