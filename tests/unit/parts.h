/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of a transaction's time are its time: of every one that a test or a fuzz target sees. */
#ifndef PARTS_H
#define PARTS_H

#include <stdbool.h>
#include "txn.h"

static inline bool parts_add_up(const struct txn *t)
{
	const struct txn_blocked_on *on = &t->waits.blocked_on;
	const uint64_t reasons[] = { on->disk_ns, on->lock_ns, on->network_ns, on->fault_ns,
				     on->retransmit_ns };
	uint64_t sum = 0, blocked = 0;

	for (int i = 0; i < WAIT_MAX; i++)
		sum += txn_waits_known(&t->waits, i);
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		blocked += reasons[i] == TXN_WAIT_UNKNOWN ? 0 : reasons[i];
	return sum == txn_duration_ns(t) && t->waits.unknown_ns != TXN_WAIT_UNKNOWN &&
	       (!on->is_known || blocked <= txn_waits_known(&t->waits, WAIT_BLOCKED));
}

#endif
