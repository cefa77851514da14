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
	assert_int_equal(h.exp_counts[3 - h.exp_first], 1); /* 1.07 times 2^-30 s */
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

/* log2l() is right to 2^-63: enough for the side of a boundary that no nanosecond is near. */
static void check_seconds(uint64_t ns)
{
	long double at = log2l((long double)ns / 1e9L) * 32;

	assert_int_equal(hist_index_seconds(ns), (int32_t)ceill(at) - 1);
}

static void test_buckets_of_seconds(void **state)
{
	uint64_t seed = 1;

	/* a bucket holds its upper end: powers of two that are whole nanoseconds */
	for (int k = 0; k < 9; k++)
		assert_int_equal(hist_index_seconds(1000000000ULL >> k), -k * 32 - 1);
	for (int k = 0; k < 25; k++) { /* past that, hours, a nanosecond is too little to tell */
		assert_int_equal(hist_index_seconds(1000000000ULL << k), k * 32 - 1);
		assert_int_equal(hist_index_seconds((1000000000ULL << k) + 1), k * 32);
	}
	for (uint64_t ns = 1; ns < 100000; ns++)
		check_seconds(ns);
	for (int i = 0; i < 100000; i++) {
		seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
		if (seed >> (seed % 50 + 8) != 1000000000)
			check_seconds((seed >> (seed % 50 + 8)) + 1);
	}
	assert_int_equal(hist_index_seconds(UINT64_MAX),
			 (int32_t)ceill(log2l(18446744073.7L) * 32) - 1);
}

static void check_exponential(const uint64_t *values, size_t n, int scale)
{
	struct hist_exp e;
	uint64_t sum = 0;
	struct hist h;

	hist_init(&h, &hist_duration_bounds);
	for (size_t i = 0; i < n; i++)
		hist_record(&h, values[i]);
	hist_exponential(&h, &e);
	assert_int_equal(e.scale, scale);
	assert_int_equal(e.count, n);
	assert_in_range(e.n, 1, HIST_EXP_MAX);
	assert_true(e.counts[0] && e.counts[e.n - 1]);
	for (uint32_t i = 0; i < e.n; i++)
		sum += e.counts[i];
	assert_int_equal(sum, n);
	for (size_t i = 0; i < n; i++) {
		int32_t at = (hist_index_seconds(values[i]) >> (HIST_SCALE - scale)) - e.offset;

		assert_in_range(at, 0, e.n - 1);
		assert_true(e.counts[at]);
	}
	hist_free(&h);
}

static void test_exponential_has_room_for_160(void **state)
{
	const uint64_t one[] = { 1234567 };
	const uint64_t near[] = { 1000000, 2000000, 31000000 }; /* 5 octaves: 158 buckets */
	const uint64_t far[] = { 1, 1000000, 4000000000000 };
	struct hist_exp e;
	struct hist h;

	check_exponential(one, 1, HIST_SCALE);
	check_exponential(near, 3, HIST_SCALE);
	check_exponential(far, 3, 1);
	hist_init(&h, &hist_duration_bounds);
	hist_record(&h, 0);
	hist_exponential(&h, &e);
	assert_int_equal(e.n, 0);
	assert_int_equal(e.count, 1);
	hist_free(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_index),
		cmocka_unit_test(test_explicit_is_exact),
		cmocka_unit_test(test_quantiles),
		cmocka_unit_test(test_extremes_stay_bounded),
		cmocka_unit_test(test_buckets_of_seconds),
		cmocka_unit_test(test_exponential_has_room_for_160),
		cmocka_unit_test(test_merge_is_recording_both),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
