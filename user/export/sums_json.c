/* SPDX-License-Identifier: Apache-2.0 */
#include "export/sums_json.h"

#include <math.h>

static void put(json_t *o, const char *name, json_t *value)
{
	json_object_set_new(o, name, value);
}

void sums_json(json_t *o, const struct service_sums *s, enum sonde_role role)
{
	json_t *tcp;

	if (s->has_stalls)
		put(o, "stalled_seconds",
		    json_pack("{s:f, s:f, s:f}", "cpu", (double)s->stalls_ns[0] * 1e-9, "memory",
			      (double)s->stalls_ns[1] * 1e-9, "io",
			      (double)s->stalls_ns[2] * 1e-9));
	if (s->has_processes) {
		put(o, "cpu_seconds", json_real((double)s->cpu_ns * 1e-9));
		put(o, "memory_bytes", json_integer((json_int_t)s->memory_bytes));
	}
	if (!s->has_tcp)
		return;
	tcp = json_object();
	put(tcp, "connections",
	    json_integer((json_int_t)s->connections[role == SONDE_ROLE_CLIENT]));
	put(tcp, "retransmits", json_integer((json_int_t)s->retransmits));
	put(tcp, "rtt_seconds_sum", json_real((double)s->rtt_ns * 1e-9));
	put(tcp, "rtt_seconds_count", json_integer((json_int_t)s->rtts));
	put(o, "tcp", tcp);
}

static uint64_t count_of(const json_t *o, const char *name)
{
	json_int_t n = json_integer_value(json_object_get(o, name));

	return n > 0 ? (uint64_t)n : 0;
}

static uint64_t nanoseconds(const json_t *o, const char *name)
{
	double s = json_number_value(json_object_get(o, name));

	return s > 0 && s < 1e10 ? (uint64_t)llround(s * 1e9) : 0;
}

void sums_parse(const json_t *o, enum sonde_role role, struct service_sums *s)
{
	const json_t *tcp = json_object_get(o, "tcp");
	const json_t *stalled = json_object_get(o, "stalled_seconds");

	if (json_object_get(o, "cpu_seconds")) {
		s->has_processes = true;
		s->cpu_ns = nanoseconds(o, "cpu_seconds");
		s->memory_bytes = count_of(o, "memory_bytes");
	}
	if (stalled) {
		s->has_stalls = true;
		s->stalls_ns[0] = nanoseconds(stalled, "cpu");
		s->stalls_ns[1] = nanoseconds(stalled, "memory");
		s->stalls_ns[2] = nanoseconds(stalled, "io");
	}
	if (!tcp)
		return;
	s->has_tcp = true;
	s->connections[role == SONDE_ROLE_CLIENT] = count_of(tcp, "connections");
	s->retransmits = count_of(tcp, "retransmits");
	s->rtt_ns = nanoseconds(tcp, "rtt_seconds_sum");
	s->rtts = count_of(tcp, "rtt_seconds_count");
}
