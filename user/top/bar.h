/* SPDX-License-Identifier: Apache-2.0 */
/* Small pictures within a line: what time went into, and how many requests each second had. */
#ifndef BAR_H
#define BAR_H

#include "metrics/recent.h"
#include "top/canvas.h"

char bar_letter(enum txn_wait w); /* that stands for it where there are no colours */

/* Cells of each part, `room` together, none for what is too little to be seen. total: what the
 * parts are of; 0: no cell at all. */
void bar_share(const uint64_t parts[WAIT_MAX], uint64_t total, int room, int cells[WAIT_MAX]);

void bar_waits(struct canvas *c, int y, int x, int room, const uint64_t parts[WAIT_MAX],
	       uint64_t total);
/* Every part of it that is over a percent, in words; the largest of them where there is no room. */
void bar_legend(struct canvas *c, int y, int x, int room, const uint64_t parts[WAIT_MAX],
		uint64_t total);
/* The last `room` seconds. */
void bar_spark(struct canvas *c, int y, int x, int room, const uint32_t seconds[RECENT_SPARK]);

#endif
