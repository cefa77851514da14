/* SPDX-License-Identifier: Apache-2.0 */
/* The services of the last minute: what each serves, what it calls, and whether it is well. */
#ifndef OVERVIEW_H
#define OVERVIEW_H

#include "metrics/health.h"
#include "metrics/recent.h"

struct overview_service {
	char name[128];
	char name_space[64];
	bool serves, calls; /* which of the rows are there */
	struct recent_row server, client;
	struct health health;
};

struct overview {
	struct overview_service *services; /* owned; the busiest first */
	size_t n;
	struct recent_row *calls; /* owned; of all services, by peer */
	size_t n_calls;
	char *const *rules; /* borrowed */
	size_t n_rules;
};

/* rules: as health.h, borrowed. 0, -ENOMEM. */
int overview_read(struct overview *o, const struct recent *r, char *const *rules, size_t n_rules,
		  uint64_t now_ns);
/* The same where the rows of all services have been read already; they are copied. */
int overview_of(struct overview *o, const struct recent *r, char *const *rules, size_t n_rules,
		uint64_t now_ns, const struct recent_row *rows, size_t n);
void overview_free(struct overview *o); /* a zeroed one is accepted */

/* Of that name, the first one if namespaces share it; NULL: there is none. */
const struct overview_service *overview_find(const struct overview *o, const char *name);

/* What it is judged by: what it serves, and if it serves nothing what it calls. */
const struct recent_row *overview_row(const struct overview_service *s);

/* How a call's other end is, as the one who calls sees it, or as that is itself. */
enum health_status overview_dependency(const struct overview *o, const struct recent_row *call);

#endif
