/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each of few did in the last minute: for people, where series count since the start. One
 * entry per id and role, a ring of slots of LIVE_SLOT_NS each; bounded.
 */
#ifndef LIVE_STATS_H
#define LIVE_STATS_H

#include <stddef.h>
#include <stdint.h>
#include "txn.h"

#define LIVE_SLOT_NS (5ULL * 1000000000ULL)

enum {
	LIVE_SLOTS = 13,	 /* a minute of whole slots and the one being filled */
	LIVE_SERVICES_MAX = 512, /* at the cap the one silent for longest goes */
};

/* One row of the table people look at. Durations in ns; 0 when nothing was counted. */
struct live_row {
	char name[128];
	char name_space[64];
	uint32_t service_id;
	enum sonde_role role;
	uint64_t count;	    /* transactions in the window */
	uint64_t errors;    /* of those, with an error_type */
	double rate;	    /* per second */
	double error_ratio; /* 0 to 1 */
	uint64_t p50_ns, p95_ns, p99_ns, max_ns;
};

struct live_stats;

struct live_stats *live_stats_new(uint64_t now_ns); /* NULL: out of memory */
void live_stats_free(struct live_stats *ls);

/* Counts a transaction at its end. */
void live_stats_txn(struct live_stats *ls, const struct txn *t);

/* The same, for whatever `service` stands for: told apart by its id alone. */
void live_stats_add(struct live_stats *ls, const struct service *service, const struct txn *t);

/*
 * The services that did something within window_ns (at most a minute) before now_ns, busiest
 * first, ties by name. The window is made of whole slots and the one being filled, and never
 * reaches back before live_stats_new(): rates are over the time it truly covers. Returns how many
 * of at most `max` rows were written.
 */
size_t live_stats_read(const struct live_stats *ls, uint64_t now_ns, uint64_t window_ns,
		       struct live_row *out, size_t max);

#endif
