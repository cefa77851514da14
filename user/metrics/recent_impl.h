/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of recent.h, for its own files alone. */
#ifndef RECENT_IMPL_H
#define RECENT_IMPL_H

#include "metrics/hist.h"
#include "metrics/recent.h"
#include "util/map.h"

enum { RECENT_SECONDS = 64, RECENT_WHAT_LEN = 120 };

struct recent_slot {
	uint64_t epoch; /* which RECENT_SLOT_NS since the start of the clock it holds */
	uint64_t errors;
	uint64_t request_bytes, response_bytes;
	uint64_t waits[WAIT_MAX];
	struct hist durations; /* no explicit boundaries */
};

/* What ended in the last minute. All zero: nothing. */
struct recent_sums {
	uint64_t second; /* the last one of `seconds` */
	uint32_t seconds[RECENT_SECONDS];
	struct recent_slot *slots[RECENT_SLOTS]; /* owned; NULL: never needed */
};

/* An endpoint of a service, in one role. */
struct recent_endpoint {
	uint64_t hash;
	struct recent_service *service;
	enum sonde_role role;
	enum proto_id proto;
	uint32_t n_leaves;
	char name[RECENT_NAME_LEN];
};

struct recent_leaf {
	uint64_t hash;
	struct recent_endpoint *endpoint;
	enum sonde_role role; /* the endpoint's: who asks all leaves need not look further */
	bool is_service, is_tls;
	uint64_t last_ns;
	struct recent_sums sums;
	char peer[128];
};

/* A request as it is held: its words are those of its leaf. */
struct recent_kept {
	uint64_t start_ns, end_ns;
	uint64_t request_bytes, response_bytes;
	struct txn_waits waits;
	const struct recent_leaf *leaf; /* NULL: there is none, or it is gone */
	uint8_t trace_id[16], span_id[8];
	uint32_t tgid, tid;
	int status;
	bool is_tls;
	char method[TXN_METHOD_LEN];
	char what[RECENT_WHAT_LEN];
	char status_text[TXN_STATUS_LEN];
	char error_type[TXN_STATUS_LEN];
};

struct recent_slow {
	uint64_t epoch;
	uint32_t n;
	uint32_t fastest; /* the place to be taken next, once all are */
	struct recent_kept kept[RECENT_SLOW];
};

struct recent_service {
	uint32_t id;
	uint32_t n_endpoints;
	uint64_t last_ns;
	uint64_t n_kept; /* since the start */
	char name[128];
	char name_space[64];
	/* Of all its leaves of a role (less 1): whoever asks for services need not read thousands
	 * of leaves, each somewhere else in memory. */
	struct recent_sums sums[2];
	struct recent_kept latest[RECENT_REQUESTS];
	struct recent_slow *slow[RECENT_SLOTS]; /* owned; NULL: never needed */
};

struct recent {
	struct recent_opts opts;
	uint64_t seed;	      /* of hashes */
	struct map services;  /* by id; owned */
	struct map endpoints; /* by hash; owned */
	struct map leaves;    /* by hash; owned */
	uint64_t swept_ns;
	struct recent_stats stats;
};

/* Fills the names of leaf, endpoint and service. */
void recent_name(struct recent_leaf *leaf, const struct txn *t);
void recent_keep(struct recent_leaf *leaf, const struct txn *t);
void recent_unkeep(struct recent_service *s, const struct recent_leaf *leaf); /* it goes */

#endif
