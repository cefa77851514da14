/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "metrics/hist.h"

enum { N = 20000 };

static uint64_t next(uint64_t *x)
{
	/* Marsaglia's xorshift64: the same on every run */
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

/* The definition, slowly: base^i < value <= base^(i + 1). */
static void check_index(uint64_t value, int scale)
{
	int32_t i = hist_index(value, scale);
	long double per_octave = powl(2, scale);

	assert_true(exp2l(i / per_octave) < (long double)value);
	assert_true((long double)value <= exp2l((i + 1) / per_octave));
}

static void test_index(void **state)
{
	uint64_t x = 88172645463325252;

	for (int k = 0; k < 64; k++) {
		/* a boundary belongs to the bucket below it */
		assert_int_equal(hist_index(1ULL << k, HIST_SCALE), k * 32 - 1);
		if (k > HIST_SCALE)
			assert_int_equal(hist_index((1ULL << k) + 1, HIST_SCALE), k * 32);
	}
	for (uint64_t v = 1; v < 5000; v++)
		for (int scale = -2; scale <= HIST_SCALE; scale++)
			check_index(v, scale);
	for (int i = 0; i < N; i++) {
		uint64_t v = next(&x) >> (20 + i % 43) | 1;

		check_index(v, HIST_SCALE);
		check_index(v, 0);
		assert_int_equal(hist_index(v, 3), hist_index(v, HIST_SCALE) >> 2);
	}
	assert_int_equal(hist_index(UINT64_MAX, HIST_SCALE), 64 * 32 - 1);
}

static void test_explicit_is_exact(void **state)
{
	const struct hist_bounds *all[] = { &hist_duration_bounds, &hist_size_bounds };

	for (size_t b = 0; b < 2; b++) {
		struct hist h;

		assert_int_equal(hist_init(&h, all[b]), 0);
		for (size_t i = 0; i < all[b]->n; i++) {
			hist_record(&h, all[b]->le[i]);
			assert_int_equal(h.explicit_counts[i], i ? 2 : 1);
			hist_record(&h, all[b]->le[i] + 1);
			assert_int_equal(h.explicit_counts[i + 1], 1);
		}
		assert_int_equal(h.count, 2 * all[b]->n);
		hist_free(&h);
	}
	assert_int_equal(hist_duration_bounds.le[0], 100 * 1000);
	assert_int_equal(hist_duration_bounds.le[18], 10ULL * 1000 * 1000 * 1000);
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Against the exact sorted data: the value of the same rank, and no more than 2.2 % beside it. */
static void check_quantiles(uint64_t *values, size_t n)
{
	static const double qs[] = { 0, 0.01, 0.25, 0.5, 0.9, 0.95, 0.99, 0.999, 1 };
	struct hist h;

	assert_int_equal(hist_init(&h, &hist_duration_bounds), 0);
	for (size_t i = 0; i < n; i++)
		hist_record(&h, values[i]);
	qsort(values, n, sizeof(*values), compare);
	for (size_t i = 0; i < sizeof(qs) / sizeof(*qs); i++) {
		size_t rank = (size_t)ceil(qs[i] * (double)n);
		double exact = (double)values[rank ? rank - 1 : 0];
		double error = fabs(hist_quantile(&h, qs[i]) - exact) / exact;

		assert_true(error <= 0.022);
	}
	assert_int_equal(h.min, values[0]);
	assert_int_equal(h.max, values[n - 1]);
	hist_free(&h);
}

static void test_quantiles(void **state)
{
	uint64_t *v = malloc(N * sizeof(*v)), x = 0x2545f4914f6cdd1d;

	for (int i = 0; i < N; i++) /* evenly over seven decades: log-uniform */
		v[i] = (uint64_t)exp2(10 + 24 * ((double)(next(&x) >> 11) / 9007199254740992.0));
	check_quantiles(v, N);
	for (int i = 0; i < N; i++) /* two humps: a cache and what it misses */
		v[i] = (next(&x) % 10 < 8 ? 200000 : 30000000) + next(&x) % 100000;
	check_quantiles(v, N);
	for (int i = 0; i < N; i++) /* all the same, on a bucket's edge */
		v[i] = 1 << 20;
	check_quantiles(v, N);
	free(v);
}

static void test_extremes_stay_bounded(void **state)
{
	struct hist h;

	hist_init(&h, &hist_duration_bounds);
	assert_true(isnan(hist_quantile(&h, 0.5)));
	hist_record(&h, 0);
	assert_true(hist_quantile(&h, 0.5) == 0);
	hist_record(&h, 1);
	hist_record(&h, UINT64_MAX / 2);
	assert_int_equal(h.count, 3);
	assert_int_equal(h.zero_count, 1);
	assert_int_equal(h.max, UINT64_MAX / 2);
	assert_true(h.exp_n <= HIST_BUCKETS_MAX);
	assert_int_equal(h.exp_counts[-1 - h.exp_first], 1);
	assert_int_equal(h.exp_counts[h.exp_n - 1], 1);
	assert_true(fabs(hist_quantile(&h, 0.6) - 1) < 0.022);
	hist_free(&h);
}

static void test_merge_is_recording_both(void **state)
{
	struct hist a, b, both;
	uint64_t x = 42;

	hist_init(&a, NULL);
	hist_init(&b, NULL);
	hist_init(&both, NULL);
	for (int i = 0; i < 1000; i++) {
		uint64_t v = next(&x) >> (i % 2 ? 30 : 44);

		hist_record(i % 2 ? &a : &b, v);
		hist_record(&both, v);
	}
	assert_int_equal(hist_merge(&a, &b), 0);
	assert_int_equal(a.count, both.count);
	assert_int_equal(a.sum, both.sum);
	assert_int_equal(a.min, both.min);
	assert_int_equal(a.max, both.max);
	for (int q = 0; q <= 100; q++)
		assert_true(hist_quantile(&a, q / 100.0) == hist_quantile(&both, q / 100.0));
	hist_clear(&a);
	assert_int_equal(a.count, 0);
	assert_true(isnan(hist_quantile(&a, 0.5)));
	hist_record(&a, 7);
	assert_true(hist_quantile(&a, 0.5) == 7);
	hist_free(&a);
	hist_free(&b);
	hist_free(&both);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_index),
		cmocka_unit_test(test_explicit_is_exact),
		cmocka_unit_test(test_quantiles),
		cmocka_unit_test(test_extremes_stay_bounded),
		cmocka_unit_test(test_merge_is_recording_both),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
