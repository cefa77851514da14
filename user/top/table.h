/* SPDX-License-Identifier: Apache-2.0 */
/* The table of services: what `top` shows, as text and as JSON. */
#ifndef TABLE_H
#define TABLE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "metrics/recent.h"
#include "stream/conn.h"

struct table {
	const struct recent_row *rows; /* borrowed */
	size_t n;
	uint64_t window_ns;		 /* what the rows cover */
	const struct conns_stats *conns; /* borrowed */
	uint64_t lost;			 /* events, for every reason */
	int64_t time_unix_nano;
};

void table_text(const struct table *t, FILE *out);
int table_json(const struct table *t, FILE *out); /* one object and a newline; 0, -ENOMEM */

/* Why connections are dark, as one line such as "3 encrypted (TLS ...), 2 of unknown protocol".
 * Returns the number of dark ones; 0: nothing was written. */
size_t table_dark(const struct conns_stats *s, char *out, size_t size);

#endif
