// SPDX-License-Identifier: Apache-2.0
/* What a process used up, from texts as the kernel writes them, and from others. */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>
#include "guard.h"
#include "pressure/usage.h"

#define STAT                                                                                   \
	"4711 (a) b (c) S 1 4711 4711 0 -1 4194560 2000 30 40 50 600 70 8 9 20 0 11 0 123456 " \
	"1048576 25 18446744073709551615 1 1 0"

static void test_stat(void **state)
{
	struct usage u = { 0 };

	assert_true(usage_stat(slice_str(STAT), 100, 4096, &u));
	/* the name ends at the last parenthesis */
	assert_string_equal(u.comm, "a) b (c");
	assert_false(u.is_kernel);
	assert_int_equal(u.minor_faults, 2000);
	assert_int_equal(u.major_faults, 40);
	assert_int_equal(u.user_ns, 6000000000);
	assert_int_equal(u.system_ns, 700000000);
	assert_int_equal(u.threads, 11);
	assert_int_equal(u.start_ns, 1234560000000);
	assert_int_equal(u.virtual_bytes, 1048576);
	assert_int_equal(u.resident_bytes, 25 * 4096);
}

static void test_threads_of_the_kernel(void **state)
{
	struct usage u = { 0 };

	assert_true(usage_stat(
		slice_str("2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 3 0 0 20 0 1 0 1 0 0"), 100,
		4096, &u));
	assert_true(u.is_kernel);
}

/* Nobody has waited for it; but one whose first thread alone has ended goes on. */
static void test_ended(void **state)
{
	struct usage u = { 0 };

	assert_true(usage_stat(slice_str("2 (x) Z 1 0 0 0 -1 0 0 0 0 0 7 3 0 0 20 0 1 0 1 0 0"),
			       100, 4096, &u));
	assert_true(u.is_over);
	assert_true(usage_stat(slice_str("2 (x) Z 1 0 0 0 -1 0 0 0 0 0 7 3 0 0 20 0 2 0 1 0 0"),
			       100, 4096, &u));
	assert_false(u.is_over);
	assert_true(usage_stat(slice_str("2 (Z) S 1 0 0 0 -1 0 0 0 0 0 7 3 0 0 20 0 1 0 1 0 0"),
			       100, 4096, &u));
	assert_false(u.is_over);
}

static void test_status(void **state)
{
	static const char text[] = "Name:\tx\nVmSwap:\t      12 kB\nvoluntary_ctxt_switches:\t5\n"
				   "nonvoluntary_ctxt_switches:\t7\n";
	struct usage u = { 0 };

	/* one text for each thread */
	assert_true(usage_status(slice_str(text), &u));
	assert_true(usage_status(slice_str(text), &u));
	assert_int_equal(u.swap_bytes, 12 * 1024);
	assert_int_equal(u.voluntary, 10);
	assert_int_equal(u.involuntary, 14);
	assert_false(u.ignores_children);
	/* SIGCHLD is 17; 16 and 18 are others */
	assert_true(usage_status(slice_str("SigIgn:\t0000000000010000\nVmSwap: 1 kB\n"), &u));
	assert_true(u.ignores_children);
	assert_true(usage_status(slice_str("SigIgn:\t0000000000028000\nVmSwap: 1 kB\n"), &u));
	assert_false(u.ignores_children);
}

static void test_io(void **state)
{
	struct usage u = { 0 };

	assert_true(usage_io(slice_str("rchar: 1\nwchar: 2\nsyscr: 3\nsyscw: 4\nread_bytes: 4096\n"
				       "write_bytes: 8192\ncancelled_write_bytes: 9\n"),
			     &u));
	assert_true(u.has_io);
	assert_int_equal(u.read_bytes, 4096);
	assert_int_equal(u.written_bytes, 8192);
	assert_false(usage_io(SLICE("nothing\n"), &u));
	assert_false(u.has_io);
}

static void test_what_is_none(void **state)
{
	static const char *const texts[] = { "", "1", "1 (a", "1 a)", ")(", "1 (a) S", "1 () ) (" };
	struct usage u = { 0 };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_false(usage_stat(slice_str(texts[i]), 100, 4096, &u));
}

static void test_cut_anywhere(void **state)
{
	struct guard g = guard_new(256);
	struct usage u;

	for (size_t n = 0; n <= strlen(STAT); n++) {
		const struct slice cut = { (const uint8_t *)STAT, n };

		u = (struct usage){ 0 };
		usage_stat(guard_put(&g, cut), 100, 4096, &u);
		assert_non_null(memchr(u.comm, 0, sizeof(u.comm)));
		usage_status(guard_put(&g, cut), &u);
		usage_io(guard_put(&g, cut), &u);
	}
	guard_free(&g);
}

/* What was told of a process stays when it ends, and no more is told than it has used. */
static void test_end(void **state)
{
	static const struct {
		uint64_t user, system; /* told before */
		uint64_t run, user_ticks, system_ticks;
		uint64_t is_user, is_system;
	} cases[] = {
		{ 0, 0, 1000, 30, 10, 750, 250 },
		{ 0, 0, 1000, 0, 0, 1000, 0 },
		{ 700, 200, 1000, 30, 10, 750, 250 },
		/* half of it was system's by the ticks of before, a quarter by all of them */
		{ 400, 400, 1000, 30, 10, 600, 400 },
		{ 800, 0, 1000, 10, 30, 800, 200 },
		/* /proc rounds, perhaps not as we do */
		{ 800, 201, 1000, 10, 30, 800, 201 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct usage u = { .user_ns = cases[i].user, .system_ns = cases[i].system };

		usage_end(&u, cases[i].run, cases[i].user_ticks, cases[i].system_ticks);
		assert_int_equal(u.user_ns, cases[i].is_user);
		assert_int_equal(u.system_ns, cases[i].is_system);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stat),	     cmocka_unit_test(test_threads_of_the_kernel),
		cmocka_unit_test(test_ended),	     cmocka_unit_test(test_status),
		cmocka_unit_test(test_io),	     cmocka_unit_test(test_what_is_none),
		cmocka_unit_test(test_cut_anywhere), cmocka_unit_test(test_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
