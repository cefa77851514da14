/* SPDX-License-Identifier: Apache-2.0 */
/* What one thing did in the last minute, in a ring of slots: for people, where series count since
 * the start. */
#ifndef MINUTE_H
#define MINUTE_H

#include <stdbool.h>
#include <stdint.h>
#include "metrics/hist.h"
#include "txn.h"
#include "util/clock.h"

#define MINUTE_NS      (60 * NS_PER_S)
#define MINUTE_SLOT_NS (5 * NS_PER_S)

enum { MINUTE_SLOTS = MINUTE_NS / MINUTE_SLOT_NS + 1 }; /* and the one being filled */

struct minute_slot {
	uint64_t epoch; /* which MINUTE_SLOT_NS since the start of the clock it holds */
	uint64_t errors;
	struct hist durations; /* no explicit boundaries */
};

/* All zero: nothing yet. */
struct minute {
	struct minute_slot slots[MINUTE_SLOTS];
};

/* Durations in ns. All zero: it did nothing. */
struct minute_figures {
	uint64_t count;	    /* transactions */
	uint64_t errors;    /* of those, with an error_type */
	double rate;	    /* per second */
	double error_ratio; /* 0 to 1 */
	uint64_t p50_ns, p95_ns, p99_ns, max_ns;
};

void minute_add(struct minute *m, const struct txn *t); /* counts it at its end */

/* Of whole slots and the one being filled, none before began_ns: the rate is over the time that
 * they truly cover. */
void minute_read(const struct minute *m, uint64_t began_ns, uint64_t now_ns,
		 struct minute_figures *out);
void minute_free(struct minute *m); /* what it holds, not itself */

#endif
