/* SPDX-License-Identifier: Apache-2.0 */
/* What the live view shows, as of a moment, wherever it comes from; and what it asks for. */
#ifndef FRAME_H
#define FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "metrics/health.h"
#include "metrics/recent.h"

/* How far one has zoomed in. */
enum top_level { TOP_TOP, TOP_ENDPOINTS, TOP_PEERS, TOP_REQUESTS };

struct top_ask {
	enum top_level level;
	enum recent_group group; /* of the rows of TOP_TOP */
	bool errors_only;
	enum sonde_role role; /* of what was zoomed into; SONDE_ROLE_UNKNOWN: any */
	char service[128];    /* empty: any; likewise: */
	char endpoint[RECENT_NAME_LEN];
	char peer[RECENT_NAME_LEN];
};

struct top_row {
	struct recent_row r;
	bool is_judged; /* health is known */
	enum health_status health;
	char reason[HEALTH_REASON_LEN]; /* the first one; empty: none */
	bool knows_usage;		/* of the service: */
	double cpu_cores;
	uint64_t memory_bytes;
	bool knows_stalls;    /* of the service: */
	double stalls[3];     /* share of the time that some waited for cpu, memory, io */
	bool knows_tcp;	      /* of the service: */
	uint64_t connections; /* open, of the row's role */
	uint64_t retransmits; /* of the last minute, segments; and */
	uint64_t rtt_ns;      /* the mean of its samples; 0: there are none */
};

/* Of the observer. */
struct top_self {
	char where[128]; /* "this host", a recording, a URL */
	char tier[16];	 /* empty: a replay */
	double events_rate;
	uint64_t lost;
	uint32_t unknown, encrypted;
	uint32_t parsed, undecided; /* known of another sonde only: no footer tells of them */
	double cpu_cores;
	uint64_t memory_bytes; /* anonymous */
	double pressure[3]; /* of the host: cpu, memory, io: share of the last 10 s, -1 unknown */
};

struct top_frame {
	int64_t unix_ns;
	uint64_t now_ns;
	struct top_row *rows; /* owned; of every level but the last */
	size_t n_rows;
	struct recent_request *requests; /* owned; of the last: in flight, then latest, slowest */
	size_t n_requests;
	struct top_self self;
	char error[160]; /* why it is old or empty */
};

void frame_free(struct top_frame *f); /* leaves it zeroed */

/* One that is among the latest and the slowest is told once: takes out of those behind the `first`
 * what is among these. How many are left. */
size_t frame_without_twins(struct recent_request *list, size_t n, size_t first);

/* Of a recent: q as frame's questions are asked. */
struct recent_query top_query(const struct top_ask *ask, uint64_t now_ns);

/* Fills rows or requests, and keeps the rest. 0, -ENOMEM. rules: as health.h. */
int frame_read(struct top_frame *f, const struct recent *r, const struct top_ask *ask,
	       char *const *rules, size_t n_rules, uint64_t now_ns);

#endif
