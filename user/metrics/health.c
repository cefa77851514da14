/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/health.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "config_check.h"
#include "util/clock.h"
#include "util/human.h"
#include "util/nearest.h"

static const struct health_limits defaults = {
	.errors = 0.05,
	.unhealthy_errors = 0.5,
	.saturation = 0.1,
	.p95_ns = NS_PER_S,
	.stuck_ns = 30 * NS_PER_S,
};

static const struct {
	const char *name;
	size_t offset;
	bool is_share;
} kinds[] = {
	{ "errors", offsetof(struct health_limits, errors), true },
	{ "unhealthy-errors", offsetof(struct health_limits, unhealthy_errors), true },
	{ "saturation", offsetof(struct health_limits, saturation), true },
	{ "p95", offsetof(struct health_limits, p95_ns), false },
	{ "stuck", offsetof(struct health_limits, stuck_ns), false },
};

enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

const char *health_name(enum health_status s)
{
	static const char *const names[HEALTH_MAX] = {
		[HEALTH_UNKNOWN] = "unknown",
		[HEALTH_HEALTHY] = "healthy",
		[HEALTH_DEGRADED] = "degraded",
		[HEALTH_UNHEALTHY] = "unhealthy",
	};

	return names[s];
}

/* --- rules --- */

struct rule {
	char service[HEALTH_RULE_LEN]; /* glob */
	size_t kind;
	double share;
	uint64_t ns;
};

/* "5%", "0.5%" */
static int parse_share(const char *s, double *out)
{
	char number[16];
	size_t n = strlen(s);

	if (n < 2 || n > sizeof(number) || s[n - 1] != '%')
		return -EINVAL;
	memcpy(number, s, n - 1);
	number[n - 1] = '\0';
	if (parse_cores(number, out) || *out > 100)
		return -EINVAL;
	*out /= 100;
	return 0;
}

static int find_kind(const char *name, size_t *kind)
{
	for (*kind = 0; *kind < KINDS; (*kind)++)
		if (strcmp(kinds[*kind].name, name) == 0)
			return 0;
	return -EINVAL;
}

/* 0; -EINVAL, with the word that is no limit's name in `unknown`, or "" */
static int parse_rule(const char *text, struct rule *r, char *unknown, size_t size)
{
	char left[HEALTH_RULE_LEN], *dot;
	const char *value = strrchr(text, '=');
	const char *name = left;

	*unknown = '\0';
	if (!value || (size_t)(value - text) >= sizeof(left))
		return -EINVAL;
	memcpy(left, text, (size_t)(value - text));
	left[value - text] = '\0';
	dot = strrchr(left, '.'); /* names of services may have dots, those of limits have none */
	snprintf(r->service, sizeof(r->service), "*");
	if (dot) {
		*dot = '\0';
		name = dot + 1;
		snprintf(r->service, sizeof(r->service), "%s", left);
	}
	if (find_kind(name, &r->kind)) {
		snprintf(unknown, size, "%s", name);
		return -EINVAL;
	}
	return kinds[r->kind].is_share ? parse_share(value + 1, &r->share)
				       : parse_duration(value + 1, &r->ns);
}

int health_check_rule(const char *text, char *expected, size_t size)
{
	struct nearest n = { 0 };
	char unknown[HEALTH_RULE_LEN], hint[64] = "";
	struct rule r;

	if (parse_rule(text, &r, unknown, sizeof(unknown)) == 0)
		return 0;
	for (size_t i = 0; *unknown && i < KINDS; i++)
		nearest_offer(&n, unknown, kinds[i].name);
	if (*unknown)
		nearest_say(&n, "", hint, sizeof(hint));
	snprintf(expected, size,
		 "[SERVICE.]errors=5%%, unhealthy-errors=50%%, p95=1s, saturation=10%% or "
		 "stuck=30s%s",
		 hint);
	return -EINVAL;
}

struct health_limits health_limits(char *const *rules, size_t n, const char *service)
{
	struct health_limits limits = defaults;
	char unknown[HEALTH_RULE_LEN];
	struct rule r;

	for (size_t i = 0; i < n; i++) {
		char *at = (char *)&limits;

		if (parse_rule(rules[i], &r, unknown, sizeof(unknown)) ||
		    fnmatch(r.service, service, 0) != 0)
			continue;
		if (kinds[r.kind].is_share)
			*(double *)(void *)(at + kinds[r.kind].offset) = r.share;
		else
			*(uint64_t *)(void *)(at + kinds[r.kind].offset) = r.ns;
	}
	return limits;
}

/* --- judgement --- */

__attribute__((format(printf, 3, 4))) static void blame(struct health *h, enum health_status status,
							const char *format, ...)
{
	va_list args;

	if (status > h->status)
		h->status = status;
	if (h->n == HEALTH_REASONS_MAX)
		return;
	va_start(args, format);
	vsnprintf(h->reasons[h->n++], HEALTH_REASON_LEN, format, args);
	va_end(args);
}

static void judge_errors(struct health *h, const struct recent_figures *f,
			 const struct health_limits *l)
{
	bool is_worse = f->error_ratio > l->unhealthy_errors;
	double limit = is_worse ? l->unhealthy_errors : l->errors;

	if (f->error_ratio > limit)
		blame(h, is_worse ? HEALTH_UNHEALTHY : HEALTH_DEGRADED,
		      "errors %.3g %% (%llu of %llu), over %.3g %%", f->error_ratio * 100,
		      (unsigned long long)f->errors, (unsigned long long)f->count, limit * 100);
}

static void judge_saturation(struct health *h, const struct recent_figures *f,
			     const struct health_limits *l)
{
	static const struct {
		enum txn_wait wait;
		const char *what;
	} waits[] = { { WAIT_RUNQUEUE, "ready without a CPU" },
		      { WAIT_THROTTLED, "throttled by its CPU quota" } };

	for (size_t i = 0; f->duration_ns && i < sizeof(waits) / sizeof(waits[0]); i++) {
		double share = (double)f->waits[waits[i].wait] / (double)f->duration_ns;

		if (share > l->saturation)
			blame(h, HEALTH_DEGRADED,
			      "saturated: %.3g %% of the request time %s, over "
			      "%.3g %%",
			      share * 100, waits[i].what, l->saturation * 100);
	}
}

void health_judge(struct health *h, const struct recent_figures *f, uint32_t encrypted,
		  const struct health_limits *l)
{
	bool is_stuck = f->oldest_ns > l->stuck_ns && (!f->count || f->idle_ns > l->stuck_ns);

	*h = (struct health){ .status = HEALTH_HEALTHY };
	if (is_stuck)
		blame(h, HEALTH_UNHEALTHY,
		      "%llu requests in flight, the oldest for %s, and none "
		      "ended in %s",
		      (unsigned long long)f->in_flight, human_duration(f->oldest_ns).text,
		      human_duration(l->stuck_ns).text);
	judge_errors(h, f, l);
	if (f->count && f->p95_ns > l->p95_ns)
		blame(h, HEALTH_DEGRADED, "p95 %s, over %s", human_duration(f->p95_ns).text,
		      human_duration(l->p95_ns).text);
	judge_saturation(h, f, l);
	if (f->count || is_stuck)
		return;
	h->status = HEALTH_UNKNOWN;
	if (encrypted)
		blame(h, HEALTH_UNKNOWN, "%u encrypted connections that cannot be read", encrypted);
	else
		blame(h, HEALTH_UNKNOWN, "no request ended in the last minute");
}

void health_judge_dependency(struct health *h, const char *name, const struct recent_figures *calls,
			     const struct health *itself, const struct health_limits *l)
{
	if (h->status == HEALTH_UNKNOWN)
		return;
	if (calls->count && calls->error_ratio > l->unhealthy_errors)
		blame(h, HEALTH_DEGRADED, "dependency %s is unhealthy: %.3g %% of the calls fail",
		      name, calls->error_ratio * 100);
	else if (itself && itself->status == HEALTH_UNHEALTHY)
		blame(h, HEALTH_DEGRADED, "dependency %s is unhealthy: %s", name,
		      itself->n ? itself->reasons[0] : "");
}
