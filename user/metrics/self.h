/* SPDX-License-Identifier: Apache-2.0 */
/* What sonde knows of itself: hooks, losses, coverage, cost. One snapshot for metrics and status. */
#ifndef SELF_H
#define SELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "capture/loss.h"
#include "capture/probe.h"
#include "capture/propagate.h"
#include "metrics/series.h"
#include "stream/conn.h"
#include "util/full.h"

enum { SELF_PROGRAMS_MAX = 64, SELF_ASKED_MAX = 6 };

struct asked;

struct self_source {
	struct probe *probe;		  /* borrowed; NULL: a replay */
	const struct conns *conns;	  /* borrowed */
	const uint64_t *by_kind;	  /* records taken, by kind; borrowed */
	uint64_t bad_records;		  /* refused by decode */
	const uint64_t *parents;	  /* transactions by enum txn_parent; NULL: not counted */
	uint64_t hurried;		  /* whose place was decided for want of room */
	const struct fulls *full;	  /* of user space; NULL: not counted */
	uint64_t untallied;		  /* figures there was no room for in user space */
	const struct asked *const *asked; /* about containers; borrowed */
	size_t n_asked;
	const struct propagation *propagate; /* borrowed; NULL: nothing is put into requests */
	const char *propagate_off;	     /* borrowed: why, though it is asked for; or NULL */
	uint64_t began_ns, now_ns;
};

struct self {
	bool is_live; /* there is a probe: the fields that need one are filled */
	uint64_t uptime_ns;
	enum probe_tier tier;
	uint64_t counters[SONDE_CNT_MAX]; /* the kernel's */
	struct probe_program programs[SELF_PROGRAMS_MAX];
	size_t n_programs;
	size_t ring_size;
	uint64_t bpf_memory;
	uint64_t events[SONDE_EV_KERNEL_MAX]; /* records taken from the source, by kind */
	uint64_t parents[TXN_PARENT_MAX];     /* transactions, by how their parent is known */
	uint64_t hurried;
	struct losses losses; /* the kernel's and user space's reasons together */
	struct fulls full;    /* tables that were at their cap, the kernel's among them */
	struct conns_stats conns;
	const struct asked *asked[SELF_ASKED_MAX]; /* about containers; borrowed */
	size_t n_asked;
	bool is_propagating, is_propagating_briefly;
	const char *propagate_off;	   /* borrowed; NULL: it is not, or not asked for */
	uint64_t passed[SONDE_PASSED_MAX]; /* requests, by whether and why they got no line */
	uint64_t cpu_ns;		   /* of this process */
	uint64_t anonymous_memory;	   /* of this process, resident bytes */
};

void self_gather(struct self *s, const struct self_source *from);

/* Writes a snapshot into the store's SELF metrics. Strings borrowed. */
void self_publish(const struct self *s, struct series_store *st, const char *version,
		  const char *commit, uint64_t now_ns);

const char *self_event_kind(enum sonde_ev_kind kind); /* those the kernel makes */
const char *self_protocol(enum proto_id id);

uint64_t self_losses(const struct self *s); /* all reasons */

#endif
