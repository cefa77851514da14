/* SPDX-License-Identifier: Apache-2.0 */
/* The forms of `sonde top`, for its own files. */
#ifndef TOP_H
#define TOP_H

#include <stdbool.h>
#include "cmd/cmd.h"
#include "cmd/stats.h"
#include "top/frame.h"
#include "top/table.h"

int top_live(const struct cmd_args *a);	  /* full screen over what is observed here */
int top_replay(const struct cmd_args *a); /* over a recording or capture */
int top_remote(const struct cmd_args *a); /* over a running sonde's API */

/* Full screen, or a table: a terminal that can be painted on, and nobody asked for a table. */
bool top_is_live(const struct config *c);

/* Prints the services of the last window_ns as the person asked. An exit code. */
int top_print(const struct stats *stats, const struct self *self, uint64_t now_ns,
	      uint64_t window_ns);

#endif
