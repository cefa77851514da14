/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The series that a transaction counts in, found once for all that have the same labels. Bounded:
 * when it is full, all is forgotten and found again.
 */
#ifndef HELD_H
#define HELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "metrics/graph.h"
#include "metrics/series.h"
#include "txn.h"

enum {
	HELD_MAX = 16384,
	HELD_KEY_MAX = 640, /* longer ones are not held */
};

/* Everything that the labels of a transaction's series are made of, and nothing else. */
struct held_key {
	uint64_t hash;
	size_t n; /* 0: too long */
	uint64_t words[HELD_KEY_MAX / sizeof(uint64_t)];
};

/* Borrowed from the store and the graph; NULL: it does not count there, or not yet. */
struct held {
	struct series *duration;
	struct series *request_body, *response_body;
	struct series *request_messages, *response_messages;
	struct series *connects; /* that failed */
	struct series *waits[WAIT_MAX];
	struct graph_place graph;
};

struct held_table;

struct held_table *held_table_new(void); /* NULL: out of memory */
void held_table_free(struct held_table *h);

/* has_address: the address of the server is among the labels. Clients' have it always. */
void held_key(const struct held_table *h, const struct txn *t, bool has_address,
	      struct held_key *out);

/* What was kept under the key since the store has dropped series; NULL: nothing. Valid until the
 * next call of held_keep(). */
struct held *held_get(struct held_table *h, const struct series_store *st,
		      const struct held_key *key);
void held_keep(struct held_table *h, const struct held_key *key, const struct held *what);

#endif
