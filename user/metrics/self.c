/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/self.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "util/clock.h"

/* A file backs shared pages, so that what is left of the resident ones is anonymous: proc(5). */
static uint64_t self_anonymous_memory(void)
{
	unsigned long long size, resident, shared;
	uint64_t bytes = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (!f)
		return 0;
	if (fscanf(f, "%llu %llu %llu", &size, &resident, &shared) == 3 && resident > shared)
		bytes = (resident - shared) * (uint64_t)sysconf(_SC_PAGESIZE);
	fclose(f);
	return bytes;
}

/*
 * The kernel counts records, user space what became of requests: of a response that found no room
 * only user space knows whether its request had been seen, and of an operation without bytes
 * whether they were needed. So SONDE_CNT_LOST_RESPONSE and SONDE_CNT_COMPAT are no losses of their
 * own: adding them would count twice.
 */
static void self_kernel_counts(struct self *s)
{
	uint64_t *n = s->losses.n;

	n[LOSS_RING_FULL] += s->counters[SONDE_CNT_LOST_REQUEST];
	n[LOSS_CONTROL] += s->counters[SONDE_CNT_LOST_CONTROL];
	n[LOSS_NO_STORAGE] += s->counters[SONDE_CNT_NO_STORAGE];
	n[LOSS_FAULT] += s->counters[SONDE_CNT_FAULT];
	n[LOSS_UNKNOWN_CALL] += s->counters[SONDE_CNT_UNKNOWN_CALL];
	n[LOSS_RACED] += s->counters[SONDE_CNT_RACED];
	n[LOSS_DATAGRAM] += s->counters[SONDE_CNT_LOST_DATAGRAM];
	n[LOSS_TALLY] += s->counters[SONDE_CNT_NO_TALLY];
	n[LOSS_TLS_UNBOUND] += s->counters[SONDE_CNT_TLS_UNBOUND];
	s->full.n[FULL_TRACE_THREADS_MADE] += s->counters[SONDE_CNT_NO_THREAD];
	s->full.n[FULL_PROCESS_ENDS] += s->counters[SONDE_CNT_NO_REST];
	s->full.n[FULL_TLS_HANDSHAKES] += s->counters[SONDE_CNT_NO_SHAKEN];
	s->full.n[FULL_PROPAGATION_LEAVING] += s->counters[SONDE_CNT_NO_LEAVING];
	for (size_t i = 0; i < s->n_programs; i++)
		if (!s->programs[i].is_aid)
			n[LOSS_RECURSION] += s->programs[i].recursion_misses;
}

static void self_propagation(struct self *s, const struct self_source *from)
{
	s->propagate_off = from->propagate_off;
	s->is_propagating = from->propagate != NULL;
	if (!from->propagate)
		return;
	s->is_propagating_briefly = propagate_is_brief(from->propagate);
	propagate_passed(from->propagate, s->passed);
}

void self_gather(struct self *s, const struct self_source *from)
{
	*s = (struct self){ .uptime_ns = from->now_ns - from->began_ns };
	s->conns = *conns_stats(from->conns);
	for (; s->n_asked < from->n_asked && s->n_asked < SELF_ASKED_MAX; s->n_asked++)
		s->asked[s->n_asked] = from->asked[s->n_asked];
	s->losses = s->conns.losses;
	s->losses.n[LOSS_BAD_RECORD] += from->bad_records;
	s->losses.n[LOSS_TALLY] += from->untallied;
	memcpy(s->events, from->by_kind, sizeof(s->events));
	if (from->parents)
		memcpy(s->parents, from->parents, sizeof(s->parents));
	s->hurried = from->hurried;
	if (from->full)
		s->full = *from->full;
	self_propagation(s, from);
	s->cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	s->anonymous_memory = self_anonymous_memory();
	if (!from->probe) {
		s->losses.n[LOSS_RING_FULL] += s->conns.lost_requests;
		s->losses.n[LOSS_DATAGRAM] += s->conns.lost_datagrams;
		return;
	}
	s->is_live = true;
	s->tier = probe_tier(from->probe);
	s->ring_size = probe_ring_size(from->probe);
	s->bpf_memory = probe_map_memory(from->probe);
	probe_counters(from->probe, s->counters);
	s->n_programs = probe_programs(from->probe, s->programs, SELF_PROGRAMS_MAX);
	if (s->n_programs > SELF_PROGRAMS_MAX)
		s->n_programs = SELF_PROGRAMS_MAX;
	self_kernel_counts(s);
}

uint64_t self_losses(const struct self *s)
{
	uint64_t n = 0;

	for (int i = 0; i < LOSS_MAX; i++)
		n += s->losses.n[i];
	return n;
}
