/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is a service well, judged by its traffic alone: unknown, healthy, degraded or unhealthy, each
 * with its reasons in words. The limits are rules, [SERVICE.]NAME=VALUE, SERVICE being a glob and
 * the last rule that fits the one that counts:
 *
 *   errors=5%           degraded above this share of failed requests
 *   unhealthy-errors=50%  unhealthy above this one
 *   p95=1s              degraded above
 *   saturation=10%      degraded above this share of the time of requests in the run queue, or
 *                       throttled
 *   stuck=30s           unhealthy when a request is older and none ended in that time
 */
#ifndef HEALTH_H
#define HEALTH_H

#include <stddef.h>
#include <stdint.h>
#include "metrics/recent.h"

enum health_status {
	HEALTH_UNKNOWN,
	HEALTH_HEALTHY,
	HEALTH_DEGRADED,
	HEALTH_UNHEALTHY,
	HEALTH_MAX,
};

enum { HEALTH_REASONS_MAX = 6, HEALTH_REASON_LEN = 160, HEALTH_RULE_LEN = 128 };

struct health {
	enum health_status status;
	size_t n;
	char reasons[HEALTH_REASONS_MAX][HEALTH_REASON_LEN];
};

struct health_limits {
	double errors, unhealthy_errors, saturation; /* 0 to 1 */
	uint64_t p95_ns, stuck_ns;
};

const char *health_name(enum health_status s);

/* What such a rule looks like, in `expected`, and -EINVAL; 0: it is one. */
int health_check_rule(const char *rule, char *expected, size_t size);

/* Of a service, from rules that are valid; others are passed over. */
struct health_limits health_limits(char *const *rules, size_t n, const char *service);

/* By its own traffic. encrypted: connections of it that nobody reads. */
void health_judge(struct health *h, const struct recent_figures *f, uint32_t encrypted,
		  const struct health_limits *limits);

/* What it calls is unhealthy, as it sees it (calls) or as that is itself (NULL: not known). */
void health_judge_dependency(struct health *h, const char *name, const struct recent_figures *calls,
			     const struct health *itself, const struct health_limits *limits);

#endif
