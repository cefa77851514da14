/* SPDX-License-Identifier: Apache-2.0 */
#include "top/service_usage.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "util/clock.h"

#define IDLE_NS (15 * NS_PER_S)
#define MARK_NS (5 * NS_PER_S)
#define WALK_NS (5 * NS_PER_S) /* from one walk over processes to the next */

static struct service_usage_one *usage_of(const struct service_usage *u, const char *service)
{
	for (size_t i = 0; i < u->n; i++)
		if (strcmp(u->list[i].now.service, service) == 0)
			return &u->list[i];
	return NULL;
}

/* Sums fall where an instance of a service is forgotten. */
static uint64_t more(uint64_t now, uint64_t before)
{
	return now > before ? now - before : 0;
}

/* Its processes are looked at now and then: the rate is over the time between two changes. */
static void find_cores(struct service_usage_one *one, const struct service_sums *now,
		       uint64_t now_ns)
{
	if (!one->now.has_processes) {
		one->changed_ns = now_ns;
		return;
	}
	one->has_cores = true;
	if (now->cpu_ns > one->now.cpu_ns && now_ns > one->changed_ns) {
		one->cores = (double)(now->cpu_ns - one->now.cpu_ns) /
			     (double)(now_ns - one->changed_ns);
		one->changed_ns = now_ns;
	} else if (now_ns - one->changed_ns > IDLE_NS) {
		one->cores = 0;
	}
}

/* The same, of all three at once: they are read together. */
static void find_stalls(struct service_usage_one *one, const struct service_sums *now,
			uint64_t now_ns)
{
	uint64_t passed_ns = now_ns - one->stalled_ns;
	bool is_grown = false;

	if (!one->now.has_stalls) {
		one->stalled_ns = now_ns;
		return;
	}
	one->has_stalls = true;
	for (int i = 0; i < 3; i++)
		is_grown |= now->stalls_ns[i] > one->now.stalls_ns[i];
	if (!passed_ns || (!is_grown && passed_ns <= IDLE_NS))
		return;
	for (int i = 0; i < 3; i++)
		one->stalls[i] = is_grown ? (double)more(now->stalls_ns[i], one->now.stalls_ns[i]) /
						    (double)passed_ns
					  : 0;
	/* what is seen next happened since the last walk, not since it was idle */
	one->stalled_ns = is_grown ? now_ns : now_ns - WALK_NS;
}

/* The oldest mark of less than a minute ago is what the minute begins with; once there are as many
 * as there is room for, the one whose place is needed. */
static void mark(struct service_usage_one *one, const struct service_sums *now, uint64_t now_ns)
{
	struct tcp_mark *next = &one->marks[one->n_marks % SERVICE_USAGE_MARKS];
	const struct tcp_mark *last = &one->marks[(one->n_marks - 1) % SERVICE_USAGE_MARKS];

	if (one->n_marks && now_ns - last->ns < MARK_NS)
		return;
	if (one->n_marks >= SERVICE_USAGE_MARKS)
		one->before = *next;
	*next = (struct tcp_mark){ now_ns, now->retransmits, now->rtt_ns, now->rtts };
	one->n_marks++;
}

static struct service_usage_one *begin(struct service_usage *u, const struct service_sums *now)
{
	struct service_usage_one *one;

	if (u->n == SERVICE_USAGE_MAX)
		return NULL;
	one = &u->list[u->n++];
	*one = (struct service_usage_one){ 0 };
	snprintf(one->now.service, sizeof(one->now.service), "%s", now->service);
	/* what was there before we looked is of before the minute */
	if (!u->has_begun)
		one->before = (struct tcp_mark){ 0, now->retransmits, now->rtt_ns, now->rtts };
	return one;
}

static void forget_gone(struct service_usage *u)
{
	size_t kept = 0;

	for (size_t i = 0; i < u->n; i++)
		if (u->list[i].is_there)
			u->list[kept++] = u->list[i];
	u->n = kept;
}

int service_usage_take(struct service_usage *u, const struct service_sums *sums, size_t n,
		       uint64_t now_ns)
{
	if (!u->list && !(u->list = calloc(SERVICE_USAGE_MAX, sizeof(*u->list))))
		return -ENOMEM;
	for (size_t i = 0; i < u->n; i++)
		u->list[i].is_there = service_sums_find(sums, n, u->list[i].now.service);
	forget_gone(u);
	for (size_t i = 0; i < n; i++) {
		struct service_usage_one *one = usage_of(u, sums[i].service);

		if (!one)
			one = begin(u, &sums[i]);
		if (!one)
			continue;
		if (sums[i].has_processes)
			find_cores(one, &sums[i], now_ns);
		if (sums[i].has_stalls)
			find_stalls(one, &sums[i], now_ns);
		if (sums[i].has_tcp)
			mark(one, &sums[i], now_ns);
		one->now = sums[i];
	}
	u->has_begun = true;
	return 0;
}

static void fill(const struct service_usage_one *one, struct top_row *row)
{
	uint64_t rtts = more(one->now.rtts, one->before.rtts);

	row->knows_usage = one->has_cores;
	row->cpu_cores = one->cores;
	row->memory_bytes = one->now.memory_bytes;
	row->knows_stalls = one->has_stalls;
	memcpy(row->stalls, one->stalls, sizeof(row->stalls));
	row->knows_tcp = one->now.has_tcp;
	row->connections = one->now.connections[row->r.role == SONDE_ROLE_CLIENT];
	row->retransmits = more(one->now.retransmits, one->before.retransmits);
	row->rtt_ns = rtts ? more(one->now.rtt_ns, one->before.rtt_ns) / rtts : 0;
}

void service_usage_fill(const struct service_usage *u, struct top_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct service_usage_one *one =
			rows[i].r.group == RECENT_BY_SERVICE ? usage_of(u, rows[i].r.name) : NULL;

		if (one)
			fill(one, &rows[i]);
	}
}

void service_usage_free(struct service_usage *u)
{
	free(u->list);
	*u = (struct service_usage){ 0 };
}

void stalls_of_host(double out[3])
{
	static const char *const files[] = { "/proc/pressure/cpu", "/proc/pressure/memory",
					     "/proc/pressure/io" };

	for (int i = 0; i < 3; i++) {
		FILE *f = fopen(files[i], "re");
		double percent;

		out[i] = -1;
		if (!f)
			continue;
		if (fscanf(f, "some avg10=%lf", &percent) == 1)
			out[i] = percent / 100;
		fclose(f);
	}
}
