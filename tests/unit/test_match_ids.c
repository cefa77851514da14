// SPDX-License-Identifier: Apache-2.0
/* Requests and open responses by their ids, against a plain list of them. */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include "proto/proto.h"
#include "stream/match_impl.h"

enum { MANY = 1024, STEPS = 20000 };

static struct conns *cs;
static struct conn conn;
static struct request requests[MANY];
static struct request *order[MANY]; /* those outstanding, oldest first */
static int n;
static unsigned int seed;

static void no_txn(void *ctx, struct txn *t)
{
}

static int setup(void **state)
{
	cs = conns_new(&(struct conns_opts){ .on_txn = no_txn });
	conn = (struct conn){ .proto = proto_get(PROTO_DNS) };
	n = 0;
	seed = 1;
	return 0;
}

static int teardown(void **state)
{
	map_free(&conn.match.by_id);
	conns_free(cs);
	return 0;
}

static void add(struct request *r, uint64_t id)
{
	*r = (struct request){ .id = id };
	assert_int_equal(match_put_id(cs, &conn, r), 0);
	order[n++] = r;
}

static void take(int at)
{
	match_take_id(&conn.match, order[at]);
	n--;
	memmove(order + at, order + at + 1, (size_t)(n - at) * sizeof(*order));
}

/* The requests of an id are those of the list, in its order. */
static void check(uint64_t id)
{
	struct request *r = match_of_id(&conn.match, id);

	for (int i = 0; i < n; i++) {
		if (order[i]->id != id)
			continue;
		assert_ptr_equal(r, order[i]);
		r = r->same;
	}
	assert_null(r);
}

static void test_like_a_list(void **state)
{
	static const uint64_t ids[] = { 1, 3, 50, 65536 }; /* few ids: many of each; or many */

	for (size_t k = 0; k < sizeof(ids) / sizeof(ids[0]); k++) {
		struct request *unused[MANY];
		int n_unused = 0;

		for (int i = 0; i < MANY; i++)
			unused[n_unused++] = &requests[i];
		for (int step = 0; step < STEPS; step++) {
			bool grows = (step / (STEPS / 8)) % 2 == 0;
			bool adds = n == 0 || (n < MANY && (rand_r(&seed) % 4 != 0) == grows);
			uint64_t id = (uint64_t)rand_r(&seed) % ids[k];

			if (adds) {
				add(unused[--n_unused], id);
			} else { /* the oldest one mostly, as they are answered */
				int at = rand_r(&seed) % 3 ? 0 : rand_r(&seed) % n;

				id = order[at]->id;
				unused[n_unused++] = order[at];
				take(at);
			}
			if (step % 7 == 0)
				check(id);
		}
		while (n) {
			uint64_t id = order[n - 1]->id;

			take(n - 1);
			check(id);
		}
		assert_int_equal(conn.match.by_id.n, 0);
	}
}

/* What a thousand took is given back when they are answered, and what few take is kept. */
static void test_memory_is_given_back(void **state)
{
	for (int i = 0; i < MANY; i++)
		add(&requests[i], (uint64_t)i);
	assert_true(conn.match.by_id.cap >= MANY);
	while (n)
		take(0);
	assert_int_equal(conn.match.by_id.cap, 0);
	add(&requests[0], 1);
	take(0);
	assert_true(conn.match.by_id.cap > 0);
	assert_true(conn.match.by_id.cap <= 64);
}

/* Ids that are one bucket's where the hash is known: all are found within a few steps. */
static void test_ids_chosen_to_collide(void **state)
{
	size_t run = 0, longest = 0;

	assert_true(cs->seed != 0);
	for (int i = 0; i < MANY; i++) /* times the plain hash's inverse, as in test_map.c */
		add(&requests[i], ((uint64_t)i * 0xf1de83e19937733dULL << 40) >> 1);
	assert_true(conn.match.by_id.seed == cs->seed);
	for (size_t i = 0; i < conn.match.by_id.cap; i++) {
		run = conn.match.by_id.slots[i].value ? run + 1 : 0;
		longest = run > longest ? run : longest;
	}
	assert_in_range(longest, 1, 200);
	while (n)
		take(n - 1);
}

/* One that was asked under a protocol without ids is taken from nowhere, and harms nobody's. */
static void test_not_there(void **state)
{
	struct request other = { .id = 7 };

	match_take_id(&conn.match, &other);
	add(&requests[0], 7);
	add(&requests[1], 7);
	match_take_id(&conn.match, &other);
	check(7);
	conn.proto = proto_get(PROTO_HTTP1);
	assert_int_equal(match_put_id(cs, &conn, &other), 0);
	check(7);
	while (n)
		take(0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_like_a_list),
		TEST(test_memory_is_given_back),
		TEST(test_ids_chosen_to_collide),
		TEST(test_not_there),
	};

	return cmocka_run_group_tests_name("match_ids", tests, NULL, NULL);
}
