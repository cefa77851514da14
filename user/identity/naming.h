/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What servers' addresses are called, as a recording can tell it again: of what is known now, that
 * part which was put on record. What is met for the first time, or is called otherwise by now, is
 * put there before it counts.
 */
#ifndef NAMING_H
#define NAMING_H

#include "identity/addresses.h"
#include "txn.h"

struct naming;

/* `now_known` is borrowed; NULL: records alone say. NULL: out of memory. */
struct naming *naming_new(const struct addresses *now_known);
void naming_free(struct naming *n); /* NULL accepted */

/* Is the address called otherwise than is on record? If so, the record to be made. */
bool naming_news(const struct naming *n, enum sonde_family family, const struct sonde_addr *a,
		 struct sonde_ev_address *out);
/* A record, just made or read. */
void naming_take(struct naming *n, const struct sonde_ev_address *ev);
/* All that is on record, as records. */
void naming_each(const struct naming *n, void (*fn)(void *ctx, const struct sonde_ev_address *ev),
		 void *ctx);

/* A name was seen to resolve to an address, by an answer that holds until then. */
void naming_resolved(struct naming *n, enum sonde_family family, const uint8_t ip[16],
		     struct slice name, uint64_t now_ns, uint64_t until_ns);
uint64_t naming_forgotten(const struct naming *n); /* of these, for want of room, so far */
/* All of them, as records. */
void naming_each_resolved(const struct naming *n,
			  void (*fn)(void *ctx, const struct sonde_ev_resolved *ev), void *ctx);

/* What an address is called: as those who were asked say, else as was seen. NULL: it has no name.
 * Valid until the next record. */
const char *naming_find(const struct naming *n, enum sonde_family family, const uint8_t ip[16]);
/* Names the server of a client's transaction, unless the client asked for another name. */
void naming_txn(const struct naming *n, struct txn *t);

#endif
