/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a connection has prepared: names or numbers of statements, each with its text and summary.
 * Plain memory, part of a protocol's state; bounded, the least recently used go first.
 */
#ifndef STATEMENTS_H
#define STATEMENTS_H

#include <stdint.h>
#include "proto/sql.h"

enum { STATEMENTS_MAX = 40, STATEMENTS_ROOM = 5120 };

struct statement {
	uint64_t key;
	uint32_t used; /* when */
	uint16_t at;   /* in room: text, then summary */
	uint16_t text_len;
	uint8_t summary_len;
	uint8_t operation_len; /* the summary begins with it */
};

struct statements {
	uint32_t clock;
	uint16_t n, filled;
	struct statement each[STATEMENTS_MAX]; /* in the order of their places in room */
	char room[STATEMENTS_ROOM];
};

uint64_t statements_key(struct slice name);

/* Replaces what the key stood for. */
void statements_put(struct statements *s, uint64_t key, const struct sql *sql);
void statements_remove(struct statements *s, uint64_t key);
/* False: never seen, or forgotten. The result points into s. */
bool statements_get(struct statements *s, uint64_t key, struct sql *out);

#endif
