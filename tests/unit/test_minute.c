/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include "metrics/minute.h"

static void add(struct minute *m, uint64_t end_ns, uint64_t ns)
{
	const struct txn t = { .start_ns = end_ns - ns, .end_ns = end_ns };

	minute_add(m, &t);
}

static void test_it_moves(void **state)
{
	struct minute_figures f;
	struct minute m = { 0 };

	/* ten a second for five minutes, slower every minute */
	for (uint64_t i = 0; i < 3000; i++)
		add(&m, 1000 * NS_PER_S + i * NS_PER_S / 10, (1 + i / 600) * NS_PER_MS);
	/* 12 whole slots and no more */
	minute_read(&m, 0, 1300 * NS_PER_S, &f);
	assert_int_equal(f.count, 600);
	assert_true(f.rate == 10);
	assert_in_range(f.p50_ns, 4890000, 5110000);
	assert_int_equal(f.max_ns, 5000000);
	/* what is late by more than the ring is not mistaken for now */
	add(&m, 1001 * NS_PER_S, 1);
	minute_read(&m, 0, 1300 * NS_PER_S, &f);
	assert_int_equal(f.count, 600);
	/* and it passes */
	minute_read(&m, 0, 1360 * NS_PER_S, &f);
	assert_int_equal(f.count, 0);
	minute_free(&m);
}

static void test_rate_is_over_the_time_there_was(void **state)
{
	struct minute_figures f;
	struct minute m = { 0 };

	for (int i = 0; i < 100; i++)
		add(&m, 1004 * NS_PER_S, 1000);
	minute_read(&m, 1003 * NS_PER_S, 1005 * NS_PER_S, &f);
	assert_true(f.rate == 50);
	minute_read(&m, 1003 * NS_PER_S, 1003 * NS_PER_S, &f);
	assert_int_equal(f.count, 0);
	minute_free(&m);
}

static void test_errors(void **state)
{
	struct txn bad = { .end_ns = 7 * NS_PER_S, .error_type = "500" };
	struct minute_figures f;
	struct minute m = { 0 };

	for (int i = 0; i < 3; i++)
		add(&m, 6 * NS_PER_S, 1000);
	minute_add(&m, &bad);
	minute_read(&m, 0, 8 * NS_PER_S, &f);
	assert_int_equal(f.errors, 1);
	assert_true(f.error_ratio == 0.25);
	minute_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_it_moves),
		cmocka_unit_test(test_rate_is_over_the_time_there_was),
		cmocka_unit_test(test_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
