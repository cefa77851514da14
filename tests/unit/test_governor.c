// SPDX-License-Identifier: Apache-2.0
/* How sonde keeps to its own limit of CPU. */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include "cmd/governor.h"
#include "sonde_abi.h"

static struct governor governor(void)
{
	return (struct governor){ .keep = SONDE_KEEP_ALL };
}

static void test_below_the_limit_all_are_kept(void **state)
{
	struct governor g = governor();

	for (int i = 0; i < 100; i++)
		assert_int_equal(governor_turn(&g, 0.99, 1), SONDE_KEEP_ALL);
}

static void test_goes_down_in_proportion(void **state)
{
	struct governor g = governor();

	/* twice what is allowed: 0.9 of a half */
	assert_int_equal(governor_turn(&g, 2, 1), (uint32_t)(SONDE_KEEP_ALL * 0.45));
	/* and again, from there */
	assert_int_equal(governor_turn(&g, 2, 1),
			 (uint32_t)((uint32_t)(SONDE_KEEP_ALL * 0.45) * 0.45));
}

static void test_never_blind(void **state)
{
	struct governor g = governor();

	for (int i = 0; i < 100; i++)
		governor_turn(&g, 1000, 0.01);
	assert_int_equal(g.keep, SONDE_KEEP_ALL / 64);
}

static void test_comes_back_after_calm_only(void **state)
{
	struct governor g = governor();
	uint32_t low = governor_turn(&g, 4, 1);

	assert_int_equal(governor_turn(&g, 0.1, 1), low);
	assert_int_equal(governor_turn(&g, 0.1, 1), low);
	assert_int_equal(governor_turn(&g, 0.1, 1), low + low / 4 + 1);
	/* busy again, though below the limit: the wait begins anew */
	governor_turn(&g, 0.1, 1);
	governor_turn(&g, 0.1, 1);
	assert_int_equal(governor_turn(&g, 0.8, 1), low + low / 4 + 1);
	assert_int_equal(governor_turn(&g, 0.1, 1), low + low / 4 + 1);
	for (int i = 0; i < 100; i++)
		governor_turn(&g, 0.1, 1);
	assert_int_equal(g.keep, SONDE_KEEP_ALL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_below_the_limit_all_are_kept),
		cmocka_unit_test(test_goes_down_in_proportion),
		cmocka_unit_test(test_never_blind),
		cmocka_unit_test(test_comes_back_after_calm_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
