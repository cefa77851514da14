/* SPDX-License-Identifier: Apache-2.0 */
/* What services use and how their connections do, from sums that grow: rates, and of a minute. */
#ifndef SERVICE_USAGE_H
#define SERVICE_USAGE_H

#include "metrics/service_sums.h"
#include "top/frame.h"

enum {
	SERVICE_USAGE_MAX = 512,
	SERVICE_USAGE_MARKS = 12, /* of a minute: one each 5 s */
};

/* The counters of TCP as they were. */
struct tcp_mark {
	uint64_t ns;
	uint64_t retransmits;
	uint64_t rtt_ns, rtts;
};

struct service_usage_one {
	struct service_sums now;
	uint64_t changed_ns; /* when its CPU was last seen to grow: /proc is walked bit by bit */
	double cores;
	bool has_cores;
	uint64_t stalled_ns; /* when its stalls were last seen to grow, in the same walk */
	double stalls[3];
	bool has_stalls;
	bool is_there;		/* in the sums read last */
	struct tcp_mark before; /* the minute */
	struct tcp_mark marks[SERVICE_USAGE_MARKS];
	size_t n_marks; /* made so far */
};

struct service_usage {
	struct service_usage_one *list; /* owned */
	size_t n;
	bool has_begun;
};

/* The sums of all services as they are now. 0, -ENOMEM. */
int service_usage_take(struct service_usage *u, const struct service_sums *sums, size_t n,
		       uint64_t now_ns);
void service_usage_fill(const struct service_usage *u, struct top_row *rows, size_t n);
void service_usage_free(struct service_usage *u);

/* Share of the last 10 s in which some tasks of the host were stalled for want of cpu, memory, io
 * (PSI); -1: the kernel does not say. */
void stalls_of_host(double out[3]);

#endif
