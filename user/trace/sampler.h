/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The standard samplers: which traces are exported.
 * https://opentelemetry.io/docs/specs/otel/trace/sdk/#built-in-samplers
 */
#ifndef SAMPLER_H
#define SAMPLER_H

#include <stdbool.h>
#include <stdint.h>

struct sampler {
	uint64_t most; /* of 2^56: a trace that begins here is sampled if its id says less */
	bool is_alone; /* whatever the parent, even a remote one, says */
};

/* Of OTEL_TRACES_SAMPLER and its argument, both may be NULL; what is not valid is the default,
 * parentbased_always_on, as the specification asks. */
struct sampler sampler_make(const char *name, const char *arg);
struct sampler sampler_env(void); /* of this process's environment */

bool sampler_root(const struct sampler *s, const uint8_t trace_id[16]);
/* `parent`: what the parent's decision was. */
bool sampler_child(const struct sampler *s, const uint8_t trace_id[16], bool parent);

#endif
