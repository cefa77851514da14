/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happened in the last minute, for people: who did what with whom, how fast, and the single
 * requests that show it. One leaf for each endpoint of a service at each peer holds histograms in
 * slots of RECENT_SLOT_NS and a count for each second. So does a service for each of its roles; all
 * else is merged from leaves when somebody asks. Bounded: what finds no room is counted under
 * RECENT_OTHER.
 */
#ifndef RECENT_H
#define RECENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "stream/conn.h"
#include "txn.h"

#define RECENT_SLOT_NS	 (10ULL * 1000000000ULL)
#define RECENT_WINDOW_NS (60ULL * 1000000000ULL)
#define RECENT_OTHER	 "(other)"

enum {
	RECENT_SLOTS = 7,	   /* a minute of whole slots and the one being filled */
	RECENT_SPARK = 60,	   /* seconds */
	RECENT_SERVICES_MAX = 512, /* further ones are left out until one was silent for 5 min */
	RECENT_LEAVES_MAX = 12288, /* further ones are one leaf of their service */
	RECENT_PEERS_MAX = 32,	   /* of one endpoint; further ones are one leaf */
	RECENT_REQUESTS = 32,	   /* latest ones, of a service */
	RECENT_SLOW = 8,	   /* slowest ones of a slot, of a service */
	RECENT_NAME_LEN = 192,
};

enum recent_group { RECENT_BY_SERVICE, RECENT_BY_ENDPOINT, RECENT_BY_PEER, RECENT_BY_PROTOCOL };

/* Of the window. Durations in ns; 0 when nothing was counted. */
struct recent_figures {
	uint64_t count, errors;
	uint64_t request_bytes, response_bytes;
	uint64_t duration_ns;	  /* of all together */
	uint64_t waits[WAIT_MAX]; /* of all together, known parts only */
	double rate;		  /* per second, over the time covered */
	double rate_now;	  /* over the last 5 whole seconds */
	double error_ratio;	  /* 0 to 1 */
	uint64_t p50_ns, p95_ns, p99_ns, max_ns;
	uint64_t in_flight;	      /* of a service's role alone, as is oldest_ns */
	uint64_t oldest_ns;	      /* age of the oldest of those */
	uint64_t idle_ns;	      /* since the last one ended, at most the window */
	uint32_t spark[RECENT_SPARK]; /* ended in each second, the last one is the one before now */
};

struct recent_row {
	enum recent_group group;
	enum sonde_role role;
	bool is_service; /* a peer that is a service of this host */
	bool is_tls;	 /* seen inside TLS */
	uint64_t key;	 /* the same for the same row at another time */
	char name[RECENT_NAME_LEN];
	char service[128]; /* the row's own, or whose it is; empty: of several */
	char name_space[64];
	char protocol[16];  /* empty: several */
	uint32_t encrypted; /* of a service: connections nobody reads */
	struct recent_figures f;
};

/* A request as it is kept. */
struct recent_request {
	uint64_t start_ns, end_ns;
	uint64_t age_ns; /* since its end, when it was asked for */
	uint64_t request_bytes, response_bytes;
	struct txn_waits waits;
	uint8_t trace_id[16], span_id[8];
	uint32_t tgid, tid;
	int status;
	enum proto_id proto;
	enum sonde_role role;
	bool is_tls;
	bool is_in_flight; /* end_ns is the moment it was asked for */
	char service[128];
	char endpoint[RECENT_NAME_LEN];
	char peer[128];
	char what[160]; /* method and target, or query, cut */
	char status_text[TXN_STATUS_LEN];
	char error_type[TXN_STATUS_LEN];
};

struct recent_opts {
	uint64_t now_ns; /* rates are over no time before; 0: before the first transaction */
	/* As of red_opts; each may be NULL. */
	void (*each_inflight)(void *ctx, void (*fn)(void *arg, const struct conn_inflight *r),
			      void *arg);
	void (*each_dark)(void *ctx, void (*fn)(void *arg, uint32_t tgid, const char *library),
			  void *arg);
	/* The requests in flight that began first, as transactions: pipeline_each_oldest(). */
	void (*each_oldest)(void *ctx, uint64_t now_ns, void (*fn)(void *arg, const struct txn *t),
			    void *arg);
	const struct service *(*service_of)(void *ctx, uint32_t tgid);
	void *ctx;
};

/* What rows are made of. Strings borrowed; NULL: any. */
struct recent_query {
	uint64_t now_ns;
	uint64_t window_ns; /* at most RECENT_WINDOW_NS; 0: that */
	enum recent_group group;
	const char *service, *endpoint, *peer; /* names */
	enum sonde_role role;		       /* SONDE_ROLE_UNKNOWN: both */
	bool errors_only;		       /* rows, or requests, with an error */
};

struct recent;

struct recent *recent_new(const struct recent_opts *opts); /* NULL: out of memory */
void recent_free(struct recent *r);

void recent_txn(struct recent *r, const struct txn *t); /* counts it at its end */
void recent_tick(struct recent *r, uint64_t now_ns);	/* forgets what is too old */

/* Rows, busiest first, ties by name. *out is malloc'd, the caller's. Returns how many, or -ENOMEM. */
ssize_t recent_rows(const struct recent *r, const struct recent_query *q, struct recent_row **out);

enum recent_kind { RECENT_LATEST, RECENT_SLOWEST };

/* Of the last minute, newest or slowest first: up to max. */
size_t recent_requests(const struct recent *r, const struct recent_query *q, enum recent_kind kind,
		       struct recent_request *out, size_t max);

/* Those that have no complete response yet, oldest first: up to max, of the 256 oldest of the host.
 * end_ns is now, status 0 until a response has begun, waits are not known. q: as above. */
size_t recent_in_flight(const struct recent *r, const struct recent_query *q,
			struct recent_request *out, size_t max);

struct recent_stats {
	size_t services, leaves;
	uint64_t folded;   /* transactions counted under RECENT_OTHER */
	uint64_t left_out; /* transactions of services beyond the cap */
};

const struct recent_stats *recent_stats(const struct recent *r);

#endif
