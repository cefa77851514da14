/* SPDX-License-Identifier: Apache-2.0 */
/* What services use and how their connections do: of series into sums, over JSON, into a minute. */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "export/sums_json.h"
#include "top/service_usage.h"

#define SECOND 1000000000ULL

static const struct service shop = { .id = 1, .name = "shop", .instance_id = "i1" };
static const struct service twin = { .id = 2, .name = "shop", .instance_id = "i2" };
static const struct service idle = { .id = 3, .name = "idle", .instance_id = "i3" };

static void add(struct series_store *st, enum metric_id id, const struct service *service,
		const char *label, uint64_t value)
{
	const struct slice values[4] = { slice_str(label) };
	struct series *s = series_get(st, id, service, values, 1);

	assert_non_null(s);
	s->value += value;
}

static void add_rtt(struct series_store *st, const struct service *service, const char *server,
		    uint64_t ns)
{
	const struct slice values[2] = { slice_str(server), SLICE("80") };

	hist_record(&series_get(st, METRIC_TCP_RTT, service, values, 1)->hist, ns);
}

static void add_stalls(struct series_store *st, const struct service *service, const char *resource,
		       const char *kind, uint64_t ns)
{
	const struct slice values[] = { slice_str(resource), slice_str(kind),
					service ? SLICE("cgroup") : SLICE("host") };

	series_get(st, METRIC_PRESSURE, service, values, 1)->value += ns;
}

static void test_sums_are_over_instances_and_labels(void **state)
{
	struct series_store *st = series_store_new(0);
	const struct service_sums *s;
	struct service_sums *list;
	ssize_t n;

	add(st, METRIC_SERVICE_CPU, &shop, "user", 3 * SECOND);
	add(st, METRIC_SERVICE_CPU, &twin, "system", 1 * SECOND);
	add(st, METRIC_SERVICE_MEMORY, &shop, "", 1000);
	add(st, METRIC_SERVICE_MEMORY, &idle, "", 7);
	add(st, METRIC_TCP_ACTIVE, &shop, "server", 5);
	add(st, METRIC_TCP_ACTIVE, &twin, "server", 2);
	add(st, METRIC_TCP_ACTIVE, &shop, "client", 3);
	add(st, METRIC_TCP_RETRANSMITS, &shop, "transmit", 11);
	add_stalls(st, &shop, "memory", "some", 4);
	add_stalls(st, &twin, "memory", "some", 5);
	add_stalls(st, &twin, "memory", "full", 100); /* is in some already */
	add_stalls(st, NULL, "cpu", "some", 1000);    /* the host */
	add_rtt(st, &shop, "", 100);
	add_rtt(st, &twin, "10.0.0.1", 300);
	n = service_sums_read(st, &list);
	assert_int_equal(n, 2);
	s = service_sums_find(list, (size_t)n, "shop");
	assert_true(s->has_processes && s->has_tcp);
	assert_true(s->has_stalls);
	assert_int_equal(s->stalls_ns[0], 0);
	assert_int_equal(s->stalls_ns[1], 9);
	assert_int_equal(s->cpu_ns, 4 * SECOND);
	assert_int_equal(s->memory_bytes, 1000);
	assert_int_equal(s->connections[0], 7);
	assert_int_equal(s->connections[1], 3);
	assert_int_equal(s->retransmits, 11);
	assert_int_equal(s->rtt_ns, 400);
	assert_int_equal(s->rtts, 2);
	s = service_sums_find(list, (size_t)n, "idle");
	assert_true(s->has_processes && !s->has_tcp && !s->has_stalls);
	assert_null(service_sums_find(list, (size_t)n, "nobody"));
	free(list);
	series_store_free(st);
}

static void test_json_and_back(void **state)
{
	const struct service_sums s = { .has_processes = true,
					.cpu_ns = 1234567891,
					.memory_bytes = 99,
					.has_stalls = true,
					.stalls_ns = { 1, 2000000, 3 * SECOND },
					.has_tcp = true,
					.connections = { 4, 5 },
					.retransmits = 6,
					.rtt_ns = 7000,
					.rtts = 8 };
	struct service_sums back = { 0 };
	json_t *o = json_object();

	sums_json(o, &(struct service_sums){ 0 }, SONDE_ROLE_SERVER);
	assert_int_equal(json_object_size(o), 0); /* what is not known is not there */
	sums_parse(o, SONDE_ROLE_SERVER, &back);
	assert_false(back.has_processes || back.has_tcp);
	sums_json(o, &s, SONDE_ROLE_SERVER);
	sums_parse(o, SONDE_ROLE_SERVER, &back);
	sums_json(o, &s, SONDE_ROLE_CLIENT);
	sums_parse(o, SONDE_ROLE_CLIENT, &back);
	assert_memory_equal(&back, &s, sizeof(s));
	json_decref(o);
}

/* One row of the service, as of now. */
static struct top_row row_of(const struct service_usage *u, enum sonde_role role)
{
	struct top_row row = { .r = { .name = "shop", .role = role } };

	service_usage_fill(u, &row, 1);
	return row;
}

static void take(struct service_usage *u, const struct service_sums *s, uint64_t now_s)
{
	assert_int_equal(service_usage_take(u, s, s ? 1 : 0, now_s * SECOND), 0);
}

static void test_the_last_minute_of_connections(void **state)
{
	struct service_sums s = { .service = "shop",
				  .has_tcp = true,
				  .connections = { 2, 1 },
				  .retransmits = 1000, /* before anybody looked */
				  .rtt_ns = 5000,
				  .rtts = 1 };
	struct service_usage u = { 0 };
	struct top_row row;

	take(&u, &s, 1);
	row = row_of(&u, SONDE_ROLE_CLIENT);
	assert_true(row.knows_tcp && !row.knows_usage);
	assert_int_equal(row.connections, 1);
	assert_int_equal(row_of(&u, SONDE_ROLE_SERVER).connections, 2);
	assert_int_equal(row.retransmits, 0);
	assert_int_equal(row.rtt_ns, 0);
	s.retransmits += 3;
	s.rtt_ns += 600;
	s.rtts += 2;
	for (uint64_t t = 2; t <= 60; t++)
		take(&u, &s, t);
	row = row_of(&u, SONDE_ROLE_CLIENT);
	assert_int_equal(row.retransmits, 3);
	assert_int_equal(row.rtt_ns, 300);
	/* and a minute later it is forgotten */
	for (uint64_t t = 61; t <= 125; t++)
		take(&u, &s, t);
	row = row_of(&u, SONDE_ROLE_CLIENT);
	assert_int_equal(row.retransmits, 0);
	assert_int_equal(row.rtt_ns, 0);
	/* an instance that goes takes its sums along: that is no 2^64 */
	s.retransmits = s.rtts = s.rtt_ns = 1;
	take(&u, &s, 126);
	row = row_of(&u, SONDE_ROLE_CLIENT);
	assert_int_equal(row.retransmits, 0);
	assert_int_equal(row.rtt_ns, 0);
	service_usage_free(&u);
}

/* It was not there when we began to look: all it has is of now. */
static void test_who_comes_later_has_no_past(void **state)
{
	const struct service_sums s = { .service = "shop", .has_tcp = true, .retransmits = 4 };
	struct service_usage u = { 0 };

	take(&u, NULL, 1);
	take(&u, &s, 2);
	assert_int_equal(row_of(&u, SONDE_ROLE_SERVER).retransmits, 4);
	/* nor has one that went and came again */
	take(&u, NULL, 3);
	assert_false(row_of(&u, SONDE_ROLE_SERVER).knows_tcp);
	assert_int_equal(u.n, 0);
	service_usage_free(&u);
}

static void test_cores_are_over_the_time_between_two_walks(void **state)
{
	struct service_sums s = {
		.service = "shop", .has_processes = true, .cpu_ns = 77 * SECOND, .memory_bytes = 5
	};
	struct service_usage u = { 0 };

	take(&u, &s, 1);
	assert_false(row_of(&u, SONDE_ROLE_SERVER).knows_usage);
	for (uint64_t t = 2; t < 6; t++)
		take(&u, &s, t);
	s.cpu_ns += SECOND; /* seen at 6, used since 1 */
	take(&u, &s, 6);
	assert_true(row_of(&u, SONDE_ROLE_SERVER).knows_usage);
	assert_int_equal(row_of(&u, SONDE_ROLE_SERVER).memory_bytes, 5);
	assert_true(row_of(&u, SONDE_ROLE_SERVER).cpu_cores == 0.2);
	take(&u, &s, 7);
	assert_true(row_of(&u, SONDE_ROLE_SERVER).cpu_cores == 0.2);
	take(&u, &s, 22); /* idle by now */
	assert_true(row_of(&u, SONDE_ROLE_SERVER).cpu_cores == 0);
	service_usage_free(&u);
}

static void test_stalls_are_over_the_time_between_two_walks(void **state)
{
	struct service_sums s = { .service = "shop",
				  .has_stalls = true,
				  .stalls_ns = { 0, 7 * SECOND, 0 } };
	struct service_usage u = { 0 };

	take(&u, &s, 1);
	assert_false(row_of(&u, SONDE_ROLE_SERVER).knows_stalls);
	take(&u, &s, 2);
	assert_true(row_of(&u, SONDE_ROLE_SERVER).knows_stalls);
	assert_true(row_of(&u, SONDE_ROLE_SERVER).stalls[1] == 0);
	s.stalls_ns[1] += 2 * SECOND; /* seen at 6, waited since 1 */
	s.stalls_ns[2] += SECOND;
	take(&u, &s, 6);
	assert_true(row_of(&u, SONDE_ROLE_SERVER).stalls[0] == 0);
	assert_true(row_of(&u, SONDE_ROLE_SERVER).stalls[1] == 0.4);
	assert_true(row_of(&u, SONDE_ROLE_SERVER).stalls[2] == 0.2);
	take(&u, &s, 7);
	assert_true(row_of(&u, SONDE_ROLE_SERVER).stalls[1] == 0.4);
	take(&u, &s, 22); /* nobody waits by now */
	assert_true(row_of(&u, SONDE_ROLE_SERVER).stalls[1] == 0);
	s.stalls_ns[1] += 2 * SECOND; /* since the walk of 5 s before the last look */
	take(&u, &s, 22);
	assert_true(row_of(&u, SONDE_ROLE_SERVER).stalls[1] == 0.4);
	service_usage_free(&u);
}

static void test_more_services_than_there_is_room_for(void **state)
{
	enum { MANY = SERVICE_USAGE_MAX + 10 };
	struct service_sums *list = calloc(MANY, sizeof(*list));
	struct service_usage u = { 0 };

	for (int i = 0; i < MANY; i++) {
		list[i].has_tcp = true;
		snprintf(list[i].service, sizeof(list[i].service), i ? "s%d" : "shop", i);
	}
	assert_int_equal(service_usage_take(&u, list, MANY, SECOND), 0);
	assert_int_equal(u.n, SERVICE_USAGE_MAX);
	/* what is gone makes room */
	assert_int_equal(service_usage_take(&u, list + MANY - 20, 20, 2 * SECOND), 0);
	assert_int_equal(u.n, 20);
	assert_false(row_of(&u, SONDE_ROLE_SERVER).knows_tcp);
	service_usage_free(&u);
	free(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sums_are_over_instances_and_labels),
		cmocka_unit_test(test_json_and_back),
		cmocka_unit_test(test_the_last_minute_of_connections),
		cmocka_unit_test(test_who_comes_later_has_no_past),
		cmocka_unit_test(test_cores_are_over_the_time_between_two_walks),
		cmocka_unit_test(test_stalls_are_over_the_time_between_two_walks),
		cmocka_unit_test(test_more_services_than_there_is_room_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
