/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/lost.h"

enum { PROGRAMS_MAX = 64 };

static void add_kernel(struct probe *probe, struct losses *out)
{
	struct probe_program programs[PROGRAMS_MAX];
	size_t n = probe_programs(probe, programs, PROGRAMS_MAX);
	uint64_t c[SONDE_CNT_MAX];

	probe_counters(probe, c);
	out->n[LOSS_RING_FULL] += c[SONDE_CNT_LOST_REQUEST];
	out->n[LOSS_CONTROL] += c[SONDE_CNT_LOST_CONTROL];
	out->n[LOSS_NO_STORAGE] += c[SONDE_CNT_NO_STORAGE];
	out->n[LOSS_FAULT] += c[SONDE_CNT_FAULT];
	out->n[LOSS_UNKNOWN_CALL] += c[SONDE_CNT_UNKNOWN_CALL];
	out->n[LOSS_RACED] += c[SONDE_CNT_RACED];
	for (size_t i = 0; i < n; i++)
		out->n[LOSS_RECURSION] += programs[i].recursion_misses;
}

void lost_read(struct probe *probe, const struct pipeline *p, struct losses *out)
{
	*out = conns_stats(p->conns)->losses;
	out->n[LOSS_BAD_RECORD] += p->bad_records;
	if (probe)
		add_kernel(probe, out);
}

uint64_t lost_sum(const struct losses *l)
{
	uint64_t sum = 0;

	for (int i = 0; i < LOSS_MAX; i++)
		sum += l->n[i];
	return sum;
}
