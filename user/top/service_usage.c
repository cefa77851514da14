/* SPDX-License-Identifier: Apache-2.0 */
#include "top/service_usage.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "util/clock.h"

#define IDLE_NS (15 * NS_PER_S)

static struct service_usage_one *usage_of(struct service_usage *u, const char *service)
{
	for (size_t i = 0; i < u->n; i++)
		if (strcmp(u->list[i].service, service) == 0)
			return &u->list[i];
	if (u->n == SERVICE_USAGE_MAX)
		return NULL;
	u->list[u->n] = (struct service_usage_one){ 0 };
	snprintf(u->list[u->n].service, sizeof(u->list[u->n].service), "%s", service);
	return &u->list[u->n++];
}

/* Its processes are looked at now and then: the rate is over the time between two changes. */
static void find_rate(struct service_usage_one *one, uint64_t now_ns)
{
	if (!one->has_before) {
		one->changed_ns = now_ns;
	} else if (one->cpu_ns > one->before_cpu_ns) {
		one->cores = (double)(one->cpu_ns - one->before_cpu_ns) /
			     (double)(now_ns - one->changed_ns);
		one->changed_ns = now_ns;
	} else if (now_ns - one->changed_ns > IDLE_NS) {
		one->cores = 0;
	}
}

int service_usage_take(struct service_usage *u, const struct series_store *st, uint64_t now_ns)
{
	const struct series *s;

	if (!u->list && !(u->list = calloc(SERVICE_USAGE_MAX, sizeof(*u->list))))
		return -ENOMEM;
	for (size_t i = 0; i < u->n; i++) {
		struct service_usage_one *one = &u->list[i];

		one->before_cpu_ns = one->cpu_ns;
		one->has_before = true;
		one->cpu_ns = one->memory_bytes = 0;
	}
	for (uint64_t at = 0; (s = series_after(st, METRIC_SERVICE_CPU, at)); at = s->serial) {
		struct service_usage_one *one = s->service ? usage_of(u, s->service->name) : NULL;

		if (one)
			one->cpu_ns += s->value;
	}
	for (uint64_t at = 0; (s = series_after(st, METRIC_SERVICE_MEMORY, at)); at = s->serial) {
		struct service_usage_one *one = s->service ? usage_of(u, s->service->name) : NULL;

		if (one)
			one->memory_bytes += s->value;
	}
	for (size_t i = 0; i < u->n; i++)
		find_rate(&u->list[i], now_ns);
	return 0;
}

void service_usage_fill(const struct service_usage *u, struct top_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < u->n && rows[i].r.group == RECENT_BY_SERVICE; k++) {
			const struct service_usage_one *one = &u->list[k];

			if (strcmp(one->service, rows[i].r.name) != 0)
				continue;
			rows[i].knows_usage = one->has_before;
			rows[i].memory_bytes = one->memory_bytes;
			rows[i].cpu_cores = one->cores;
		}
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
