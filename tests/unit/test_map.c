/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include "util/hash.h"
#include "util/map.h"

enum { KEYS = 500, STEPS = 200000 };

static void test_empty(void **state)
{
	struct map m = { 0 };
	uint64_t key;
	void *value;
	size_t i = 0;

	assert_null(map_get(&m, 0));
	assert_null(map_del(&m, 0));
	assert_false(map_next(&m, &i, &key, &value));
	map_free(&m);
}

static void test_replaces(void **state)
{
	struct map m = { 0 };
	int a, b;

	assert_int_equal(map_put(&m, 0, &a), 0); /* 0 is a key as any other */
	assert_int_equal(map_put(&m, 0, &b), 0);
	assert_int_equal(m.n, 1);
	assert_ptr_equal(map_get(&m, 0), &b);
	assert_ptr_equal(map_del(&m, 0), &b);
	assert_null(map_get(&m, 0));
	assert_int_equal(m.n, 0);
	map_free(&m);
	assert_int_equal(m.cap, 0);
}

/* Key number i of a set. */
typedef uint64_t (*key_fn)(uint64_t i);

static uint64_t key_dense(uint64_t i)
{
	return i;
}

static uint64_t key_strided(uint64_t i)
{
	return i << 32;
}

/* All of one home slot, for as long as the table has no more than 2^20 of them. */
static uint64_t key_colliding(uint64_t i)
{
	return i * 0xf1de83e19937733dULL << 40; /* times the hash's own inverse */
}

static uint64_t key_high(uint64_t i)
{
	return UINT64_MAX - i * 0x10001;
}

static void check_all(const struct map *m, void *const want[], key_fn key_of)
{
	uint64_t key;
	void *value;
	size_t seen = 0, held = 0;

	for (uint64_t k = 0; k < KEYS; k++) {
		assert_ptr_equal(map_get(m, key_of(k)), want[k]);
		held += want[k] != NULL;
	}
	assert_int_equal(m->n, held);
	for (size_t i = 0; map_next(m, &i, &key, &value); seen++)
		assert_ptr_equal(map_get(m, key), value);
	assert_int_equal(seen, held);
}

/* Against a plain array: the same puts and deletes, now and then the whole of it compared. */
static void run_random(key_fn key_of, unsigned int seed)
{
	void *want[KEYS] = { 0 };
	struct map m = { 0 };

	for (int step = 0; step < STEPS; step++) {
		uint64_t k = (uint64_t)rand_r(&seed) % KEYS;
		/* grows full in one half of the run, empty in the other */
		bool grows = (step / (STEPS / 8)) % 2 == 0;
		void *value = &want[rand_r(&seed) % KEYS];

		if ((rand_r(&seed) % 4 != 0) == grows) {
			assert_int_equal(map_put(&m, key_of(k), value), 0);
			want[k] = value;
		} else {
			assert_ptr_equal(map_del(&m, key_of(k)), want[k]);
			want[k] = NULL;
		}
		if (step % 997 == 0)
			check_all(&m, want, key_of);
	}
	check_all(&m, want, key_of);
	map_free(&m);
}

static size_t longest_run(const struct map *m)
{
	size_t run = 0, longest = 0;

	for (size_t i = 0; i < m->cap; i++) {
		run = m->slots[i].value ? run + 1 : 0;
		longest = run > longest ? run : longest;
	}
	return longest;
}

/* Whoever knows the hash, but not the seed, chooses keys in vain. */
static void test_seed(void **state)
{
	struct map plain = { 0 }, seeded = { .seed = hash_seed() };
	void *want[KEYS];

	for (uint64_t k = 0; k < KEYS; k++) {
		want[k] = &want[k];
		assert_int_equal(map_put(&plain, key_colliding(k), want[k]), 0);
		assert_int_equal(map_put(&seeded, key_colliding(k), want[k]), 0);
	}
	assert_true(longest_run(&plain) >= KEYS / 2); /* the keys are chosen well */
	assert_in_range(longest_run(&seeded), 1, KEYS / 5);
	check_all(&seeded, want, key_colliding);
	for (uint64_t k = 0; k < KEYS; k += 2) {
		assert_ptr_equal(map_del(&seeded, key_colliding(k)), want[k]);
		want[k] = NULL;
	}
	check_all(&seeded, want, key_colliding);
	map_free(&plain);
	map_free(&seeded);
}

/* What is replaced was there before: it cannot fail for want of memory. */
static void test_replacing_takes_no_memory(void **state)
{
	struct map m = { 0 };
	int a, b;

	for (uint64_t k = 0; m.cap <= 64; k++)
		assert_int_equal(map_put(&m, k, &a), 0);
	while ((m.n + 1) * 4 <= m.cap * 3)
		assert_int_equal(map_put(&m, m.n, &a), 0);
	assert_int_equal(m.cap, 128);
	assert_int_equal(map_put(&m, 0, &b), 0);
	assert_int_equal(m.cap, 128);
	assert_ptr_equal(map_get(&m, 0), &b);
	map_free(&m);
}

static void test_like_an_array(void **state)
{
	static const key_fn sets[] = { key_dense, key_strided, key_colliding, key_high };

	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
		for (unsigned int seed = 1; seed <= 3; seed++)
			run_random(sets[i], seed);
}

/* The table never fills up: a search for what is not there always ends. */
static void test_keeps_room(void **state)
{
	struct map m = { 0 };
	int value;

	for (uint64_t k = 0; k < 10000; k++) {
		assert_int_equal(map_put(&m, k, &value), 0);
		assert_true(m.n * 4 <= m.cap * 3);
	}
	assert_null(map_get(&m, 10000));
	map_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_replaces),
		cmocka_unit_test(test_seed),
		cmocka_unit_test(test_replacing_takes_no_memory),
		cmocka_unit_test(test_like_an_array),
		cmocka_unit_test(test_keeps_room),
	};

	return cmocka_run_group_tests_name("map", tests, NULL, NULL);
}
