// SPDX-License-Identifier: Apache-2.0
#include "trace/sampler.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SAMPLER_ALL (1ULL << 56)

/* 0 to 1; anything else is ignored, and then all are sampled. */
static uint64_t threshold(const char *arg)
{
	char *end;
	double ratio;

	if (!arg || !arg[0])
		return SAMPLER_ALL;
	ratio = strtod(arg, &end);
	if (*end || isnan(ratio) || ratio < 0 || ratio > 1)
		return SAMPLER_ALL;
	return (uint64_t)(ratio * (double)SAMPLER_ALL);
}

struct sampler sampler_make(const char *name, const char *arg)
{
	static const char parent_based[] = "parentbased_";
	struct sampler s = { .most = SAMPLER_ALL };

	if (!name || !name[0])
		return s;
	s.is_alone = strncasecmp(name, parent_based, sizeof(parent_based) - 1) != 0;
	if (!s.is_alone)
		name += sizeof(parent_based) - 1;
	if (strcasecmp(name, "always_off") == 0)
		s.most = 0;
	else if (strcasecmp(name, "traceidratio") == 0)
		s.most = threshold(arg);
	else if (strcasecmp(name, "always_on") != 0)
		s.is_alone = false;
	return s;
}

struct sampler sampler_env(void)
{
	return sampler_make(getenv("OTEL_TRACES_SAMPLER"), getenv("OTEL_TRACES_SAMPLER_ARG"));
}

/* The 56 rightmost bits are the random ones (W3C Trace Context 2, 3.2.2.3), so that samplers at
 * different places agree. */
bool sampler_root(const struct sampler *s, const uint8_t trace_id[16])
{
	uint64_t random = 0;

	for (int i = 9; i < 16; i++)
		random = random << 8 | trace_id[i];
	return random < s->most;
}

bool sampler_child(const struct sampler *s, const uint8_t trace_id[16], bool parent)
{
	return s->is_alone ? sampler_root(s, trace_id) : parent;
}
