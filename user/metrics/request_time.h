/* SPDX-License-Identifier: Apache-2.0 */
/* What servers' requests spent their time with, summed: sonde_request_time_seconds. */
#ifndef REQUEST_TIME_H
#define REQUEST_TIME_H

#include "metrics/series.h"
#include "txn.h"

/* Adds the known parts of a server's transaction, and what is unknown of it. Of a client's nothing:
 * its time is downstream of the request it was made for. `held`: the parts' series, filled as they
 * are found, NULL before; good for all of one service, protocol, and route or operation. */
void request_time_add(struct series_store *st, const struct txn *t, struct series *held[WAIT_MAX]);

#endif
