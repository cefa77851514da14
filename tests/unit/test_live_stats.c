/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include "identity/process.h"
#include "metrics/live_stats.h"

#define SECOND 1000000000ULL

static void add(struct live_stats *ls, const struct service *s, uint64_t end_ns, uint64_t ns)
{
	const struct txn t = {
		.service = s,
		.role = SONDE_ROLE_SERVER,
		.start_ns = end_ns - ns,
		.end_ns = end_ns,
	};

	live_stats_txn(ls, &t);
}

static void test_window_moves(void **state)
{
	struct service a = { .id = 1, .name = "a" };
	struct live_stats *ls = live_stats_new(0);
	struct live_row row;

	/* ten a second for five minutes, slower every minute */
	for (uint64_t i = 0; i < 3000; i++)
		add(ls, &a, 1000 * SECOND + i * SECOND / 10, (1 + i / 600) * 1000000);
	/* 12 whole slots and no more */
	assert_int_equal(live_stats_read(ls, 1300 * SECOND, 60 * SECOND, &row, 1), 1);
	assert_int_equal(row.count, 600);
	assert_true(row.rate == 10);
	assert_in_range(row.p50_ns, 4890000, 5110000);
	assert_int_equal(row.max_ns, 5000000);
	/* a shorter one begins with its slot */
	live_stats_read(ls, 1298 * SECOND, 5 * SECOND, &row, 1);
	assert_int_equal(row.count, 100);
	/* an hour is not kept: the longest window is a minute */
	live_stats_read(ls, 1300 * SECOND, 3600 * SECOND, &row, 1);
	assert_int_equal(row.count, 600);
	/* what is late by more than the ring is not mistaken for now */
	add(ls, &a, 1001 * SECOND, 1);
	live_stats_read(ls, 1300 * SECOND, 60 * SECOND, &row, 1);
	assert_int_equal(row.count, 600);
	live_stats_free(ls);
}

static void test_rate_is_over_the_time_there_was(void **state)
{
	struct service a = { .id = 1, .name = "a" };
	struct live_stats *ls = live_stats_new(1003 * SECOND);
	struct live_row row;

	for (int i = 0; i < 100; i++)
		add(ls, &a, 1004 * SECOND, 1000);
	live_stats_read(ls, 1005 * SECOND, 60 * SECOND, &row, 1);
	assert_true(row.rate == 50);
	assert_int_equal(live_stats_read(ls, 1003 * SECOND, 60 * SECOND, &row, 1), 0);
	live_stats_free(ls);
}

static void test_busiest_first_ties_by_name(void **state)
{
	struct service b = { .id = 1, .name = "b" }, a = { .id = 2, .name = "a" },
		       z = { .id = 3, .name = "z" };
	struct live_stats *ls = live_stats_new(0);
	struct live_row rows[3];

	add(ls, &b, 10 * SECOND, 1);
	add(ls, &a, 10 * SECOND, 1);
	add(ls, &z, 10 * SECOND, 1);
	add(ls, &z, 10 * SECOND, 1);
	assert_int_equal(live_stats_read(ls, 11 * SECOND, 60 * SECOND, rows, 3), 3);
	assert_string_equal(rows[0].name, "z");
	assert_string_equal(rows[1].name, "a");
	assert_string_equal(rows[2].name, "b");
	assert_int_equal(live_stats_read(ls, 11 * SECOND, 60 * SECOND, rows, 2), 2);
	assert_string_equal(rows[1].name, "a");
	live_stats_free(ls);
}

static void test_services_are_bounded(void **state)
{
	static struct live_row rows[2 * LIVE_SERVICES_MAX];
	struct live_stats *ls = live_stats_new(0);
	size_t n;

	for (uint32_t i = 1; i <= 2 * LIVE_SERVICES_MAX; i++) {
		struct service s = { .id = i };

		snprintf(s.name, sizeof(s.name), "s%04u", i);
		add(ls, &s, 10 * SECOND + i, 1);
	}
	n = live_stats_read(ls, 11 * SECOND, 60 * SECOND, rows, 2 * LIVE_SERVICES_MAX);
	assert_int_equal(n, LIVE_SERVICES_MAX);
	/* the silent ones went */
	assert_string_equal(rows[0].name, "s0513");
	live_stats_free(ls);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_window_moves),
		cmocka_unit_test(test_rate_is_over_the_time_there_was),
		cmocka_unit_test(test_busiest_first_ties_by_name),
		cmocka_unit_test(test_services_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
