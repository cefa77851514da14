/* SPDX-License-Identifier: Apache-2.0 */
/* The exporter of tail and replay: a line for each transaction that passes the filter. */
#ifndef PRINT_H
#define PRINT_H

#include <stdbool.h>
#include <stdint.h>
#include "cmd/filter.h"
#include "cmd/out.h"
#include "export/export.h"

struct print {
	struct out out;
	struct filter *filter; /* owned; NULL: everything passes */
	bool is_json;
	int64_t realtime_offset_ns;
	uint64_t printed;
};

/* expr: of --filter, NULL: none. 0, or -EINVAL after saying on stderr what is wrong with it. */
int print_init(struct print *p, const char *expr, bool is_json);
void print_exporter(struct print *p, struct exporter *out); /* borrows p */
void print_free(struct print *p);			    /* flushes */

#endif
