// SPDX-License-Identifier: Apache-2.0
/* What requests and threads spent their time with, as series. */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "identity/service.h"
#include "metrics/offcpu.h"
#include "metrics/request_time.h"

static struct service shop = { .id = 1, .name = "shop", .instance_id = "i1" };
static struct service other = { .id = 2, .name = "other", .instance_id = "i2" };

/* Of the series with these values; UINT64_MAX: there is none. */
static uint64_t value_of(struct series_store *st, enum metric_id id, const char *const *values)
{
	for (struct series *s = NULL; (s = series_after(st, id, s ? s->serial : 0));) {
		size_t i = 0;

		while (values[i] && slice_eq(series_label(s, i), slice_str(values[i])))
			i++;
		if (!values[i])
			return s->value;
	}
	return UINT64_MAX;
}

static uint64_t slept(struct series_store *st, const char *reason)
{
	return value_of(st, METRIC_OFFCPU, (const char *const[]){ reason, NULL });
}

/* The kernel sorts waits into the buckets that are exported. */
static void test_bounds(void **state)
{
	static const uint64_t bounds[] = { SONDE_DELAY_BOUNDS };

	assert_int_equal(sizeof(bounds) / sizeof(*bounds), hist_duration_bounds.n);
	assert_int_equal(SONDE_DELAYS, hist_duration_bounds.n + 1);
	assert_memory_equal(bounds, hist_duration_bounds.le, sizeof(bounds));
}

static void test_growth(void **state)
{
	struct series_store *st = series_store_new(0);
	struct sonde_offcpu a = { .wait_ns = { 150000, 7, 11, 13, 17, 19, 23, 29 },
				  .delays = { 2, 1 } };
	struct offcpu o = { 0 };
	struct series *s;

	offcpu_take(&o, st, &shop, 5, &a, 1);
	offcpu_take(&o, st, &shop, 5, &a, 2); /* nothing new */
	a.wait_ns[SONDE_WAIT_LOCK] += 100;
	a.wait_ns[SONDE_WAIT_RUNQUEUE] += 20000000000;
	a.delays[SONDE_DELAYS - 1]++;
	offcpu_take(&o, st, &shop, 5, &a, 3);
	assert_int_equal(slept(st, "disk"), 11);
	assert_int_equal(slept(st, "lock"), 113);
	assert_int_equal(slept(st, "network"), 17);
	assert_int_equal(slept(st, "fault"), 19);
	assert_int_equal(slept(st, "sleep"), 23);
	assert_int_equal(slept(st, "other"), 29);
	assert_int_equal(series_after(st, METRIC_THROTTLED, 0)->value, 7);
	s = series_after(st, METRIC_RUNQUEUE_LATENCY, 0);
	assert_int_equal(s->hist.count, 4);
	assert_int_equal(s->hist.sum, 20000150000);
	assert_int_equal(s->hist.explicit_counts[0], 2);
	assert_int_equal(s->hist.explicit_counts[1], 1);
	assert_int_equal(s->hist.explicit_counts[hist_duration_bounds.n], 1);
	offcpu_free(&o);
	series_store_free(st);
}

/* A number used again counts from nothing; two processes of a service add up; services do not. */
static void test_processes(void **state)
{
	struct series_store *st = series_store_new(0);
	struct sonde_offcpu a = { .wait_ns = { [SONDE_WAIT_DISK] = 50 } };
	struct sonde_offcpu b = { .wait_ns = { [SONDE_WAIT_DISK] = 8 } };
	struct offcpu o = { 0 };

	offcpu_take(&o, st, &shop, 5, &a, 1);
	offcpu_take(&o, st, &shop, 6, &b, 1);
	assert_int_equal(slept(st, "disk"), 58);
	offcpu_take(&o, st, &shop, 5, &b, 2);
	assert_int_equal(slept(st, "disk"), 66);
	offcpu_forget(&o, 6);
	offcpu_take(&o, st, &shop, 6, &b, 3);
	assert_int_equal(slept(st, "disk"), 74);
	offcpu_take(&o, st, &other, 7, &a, 3);
	assert_int_equal(series_count(st, METRIC_OFFCPU), 2);
	offcpu_free(&o);
	series_store_free(st);
}

static uint64_t spent(struct series_store *st, const char *proto, const char *route,
		      const char *operation, const char *what)
{
	return value_of(st, METRIC_REQUEST_TIME,
			(const char *const[]){ proto, route, operation, what, NULL });
}

static void test_request_time(void **state)
{
	struct series_store *st = series_store_new(0);
	struct txn t = {
		.proto = PROTO_HTTP1,
		.role = SONDE_ROLE_SERVER,
		.service = &shop,
		.route = "/a",
		.waits = { .receive_queue_ns = 1,
			   .runqueue_ns = 2,
			   .cpu_ns = 3,
			   .blocked_ns = TXN_WAIT_UNKNOWN,
			   .throttled_ns = 0,
			   .downstream_ns = 5,
			   .unknown_ns = 6 },
	};

	request_time_add(st, &t, (struct series *[WAIT_MAX]){ 0 });
	request_time_add(st, &t, (struct series *[WAIT_MAX]){ 0 });
	assert_int_equal(spent(st, "http", "/a", "", "receive_queue"), 2);
	assert_int_equal(spent(st, "http", "/a", "", "runqueue"), 4);
	assert_int_equal(spent(st, "http", "/a", "", "cpu"), 6);
	assert_int_equal(spent(st, "http", "/a", "", "blocked"), UINT64_MAX);
	assert_int_equal(spent(st, "http", "/a", "", "throttled"), UINT64_MAX);
	assert_int_equal(spent(st, "http", "/a", "", "downstream"), 10);
	assert_int_equal(spent(st, "http", "/a", "", "unknown"), 12);
	t.proto = PROTO_REDIS;
	strcpy(t.operation, "GET");
	request_time_add(st, &t, (struct series *[WAIT_MAX]){ 0 });
	assert_int_equal(spent(st, "redis", "", "GET", "cpu"), 3);
	t.role = SONDE_ROLE_CLIENT; /* is in its caller's downstream */
	request_time_add(st, &t, (struct series *[WAIT_MAX]){ 0 });
	assert_int_equal(spent(st, "redis", "", "GET", "cpu"), 3);
	series_store_free(st);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_growth),
		cmocka_unit_test(test_processes),
		cmocka_unit_test(test_request_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
