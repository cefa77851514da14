/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/service_sums.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reading {
	struct service_sums *list;
	size_t n, room;
	size_t last; /* series of one service stand together more often than not */
};

static struct service_sums *sums_of(struct reading *r, const struct series *s)
{
	const char *name = s->service->name;
	struct service_sums *more;

	if (r->last < r->n && strcmp(r->list[r->last].service, name) == 0)
		return &r->list[r->last];
	for (r->last = 0; r->last < r->n; r->last++)
		if (strcmp(r->list[r->last].service, name) == 0)
			return &r->list[r->last];
	if (r->n == r->room) {
		more = realloc(r->list, (r->room * 2 + 16) * sizeof(*more));
		if (!more)
			return NULL;
		r->list = more;
		r->room = r->room * 2 + 16;
	}
	r->list[r->n] = (struct service_sums){ 0 };
	snprintf(r->list[r->n].service, SERVICE_NAME_LEN, "%s", name);
	return &r->list[r->n++];
}

static void add_cpu(struct service_sums *to, const struct series *s)
{
	to->has_processes = true;
	to->cpu_ns += s->value;
}

static void add_memory(struct service_sums *to, const struct series *s)
{
	to->has_processes = true;
	to->memory_bytes += s->value;
}

static void add_stalls(struct service_sums *to, const struct series *s)
{
	static const char *const resources[] = { "cpu", "memory", "io" };

	if (!slice_eq(series_label(s, 1), SLICE("some")))
		return;
	to->has_stalls = true;
	for (size_t i = 0; i < 3; i++)
		if (slice_eq(series_label(s, 0), slice_str(resources[i])))
			to->stalls_ns[i] += s->value;
}

static void add_connections(struct service_sums *to, const struct series *s)
{
	to->has_tcp = true;
	to->connections[slice_eq(series_label(s, 0), SLICE("client"))] += s->value;
}

static void add_retransmits(struct service_sums *to, const struct series *s)
{
	to->has_tcp = true;
	to->retransmits += s->value;
}

static void add_rtt(struct service_sums *to, const struct series *s)
{
	to->has_tcp = true;
	to->rtt_ns += s->hist.sum;
	to->rtts += s->hist.count;
}

static const struct {
	enum metric_id id;
	void (*add)(struct service_sums *to, const struct series *s);
} parts[] = {
	{ METRIC_SERVICE_CPU, add_cpu },
	{ METRIC_SERVICE_MEMORY, add_memory },
	{ METRIC_PRESSURE, add_stalls },
	{ METRIC_TCP_ACTIVE, add_connections },
	{ METRIC_TCP_RETRANSMITS, add_retransmits },
	{ METRIC_TCP_RTT, add_rtt },
};

ssize_t service_sums_read(const struct series_store *st, struct service_sums **out)
{
	struct reading r = { .list = malloc(sizeof(*r.list)), .room = 1 };
	struct service_sums *to;
	const struct series *s;

	if (!r.list)
		return -ENOMEM;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		for (uint64_t at = 0; (s = series_after(st, parts[i].id, at)); at = s->serial) {
			if (!s->service)
				continue;
			to = sums_of(&r, s);
			if (!to) {
				free(r.list);
				return -ENOMEM;
			}
			parts[i].add(to, s);
		}
	}
	*out = r.list;
	return (ssize_t)r.n;
}

const struct service_sums *service_sums_find(const struct service_sums *list, size_t n,
					     const char *service)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(list[i].service, service) == 0)
			return &list[i];
	return NULL;
}
