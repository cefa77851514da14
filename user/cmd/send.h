/* SPDX-License-Identifier: Apache-2.0 */
/* The export over OTLP within an observer. */
#ifndef SEND_H
#define SEND_H

#include "cmd/observe.h"
#include "cmd/stats.h"
#include "export/otlp.h"

struct send {
	struct stats *stats; /* borrowed */
	struct otlp_config *config;
	struct otlp *otlp; /* NULL: nothing is exported */
};

/* If configuration or environment ask for it, adds itself to the observer. 0, or the exit code
 * after saying on stderr what is wrong. */
int send_open(struct send *s, const struct config *c, struct observer *o, struct stats *stats);
/* Sends what is left, for a moment. Before the stats are closed. */
void send_end(struct send *s);
void send_close(struct send *s); /* a zeroed one is accepted */

#endif
