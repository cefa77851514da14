/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "identity/container.h"
#include "identity/containers.h"

static void expect(const struct facts *f, enum fact_id id, const char *want)
{
	struct slice v = fact(f, id);

	assert_int_equal(v.n, strlen(want));
	assert_memory_equal(v.p, want, v.n);
}

static struct facts *facts_of(enum fact_id id, const char *value)
{
	struct facts_draft d = { .n = 0 };

	facts_set_str(&d, id, value);
	return facts_make(&d);
}

static void test_set(void **state)
{
	struct facts_draft d = { .n = 0 };
	struct facts *f, *g;

	assert_null(facts_make(&d));
	expect(NULL, FACT_K8S_POD, "");
	facts_set_str(&d, FACT_K8S_POD, "web");
	facts_set_str(&d, FACT_K8S_POD, ""); /* says nothing */
	facts_set_str(&d, FACT_K8S_POD, NULL);
	facts_set_str(&d, FACT_CONTAINER_NAME, "a\xff");
	f = facts_make(&d);
	expect(f, FACT_K8S_POD, "web");
	expect(f, FACT_CONTAINER_NAME, "a\xef\xbf\xbd");
	expect(f, FACT_K8S_NODE, "");
	d = (struct facts_draft){ .n = 0 };
	facts_set_str(&d, FACT_K8S_POD, "mine");
	facts_merge(&d, f);
	facts_merge(&d, NULL);
	g = facts_make(&d);
	expect(g, FACT_K8S_POD, "mine");
	expect(g, FACT_CONTAINER_NAME, "a\xef\xbf\xbd");
	assert_false(facts_equal(f, g));
	assert_false(facts_equal(f, NULL));
	facts_release(g);
	assert_ptr_equal(facts_hold(f), f);
	facts_release(f);
	expect(f, FACT_K8S_POD, "web"); /* one reference is left */
	facts_release(f);
}

static void test_bounded(void **state)
{
	struct facts_draft d = { .n = 0 };
	char value[1000];
	struct facts *f;

	memset(value, 'v', sizeof(value));
	for (int id = 0; id < FACT_MAX; id++)
		facts_set(&d, (enum fact_id)id, (struct slice){ (uint8_t *)value, sizeof(value) });
	f = facts_make(&d);
	assert_int_equal(fact(f, FACT_K8S_CLUSTER).n, FACT_VALUE_MAX);
	assert_true(fact(f, (enum fact_id)(FACT_MAX - 1)).n <= FACT_VALUE_MAX);
	facts_release(f);
}

/* Every name once, and what is written is read back; cut anywhere it is still whole pairs. */
static void test_written(void **state)
{
	struct facts_draft d = { .n = 0 };
	struct facts *f, *back;
	char text[2048], value[32];
	size_t n;

	for (int id = 0; id < FACT_MAX; id++) {
		assert_int_equal(fact_by_attribute(slice_str(fact_name(id)->attribute)), id);
		snprintf(value, sizeof(value), "value=%d", id);
		facts_set_str(&d, (enum fact_id)id, value);
	}
	f = facts_make(&d);
	n = facts_write(f, text, sizeof(text));
	d = (struct facts_draft){ .n = 0 };
	facts_read(&d, (struct slice){ (uint8_t *)text, n });
	back = facts_make(&d);
	assert_true(facts_equal(f, back));
	facts_release(back);
	for (size_t size = 0; size < n; size++) {
		size_t m = facts_write(f, text, size);

		assert_true(m <= size && (m == 0 || text[m - 1] == '\0'));
		d = (struct facts_draft){ .n = 0 };
		facts_read(&d, (struct slice){ (uint8_t *)text, size });
	}
	facts_release(f);
	assert_int_equal(fact_by_attribute(SLICE("no.such")), FACT_MAX);
	assert_true(slice_eq(facts_find(SLICE("a\0b=1\0c=2\0"), SLICE("c")), SLICE("2")));
	assert_int_equal(facts_find(SLICE("a\0b=1\0"), SLICE("a")).n, 0);
}

static struct container container(const char *id, const char *name, const char *group)
{
	return (struct container){
		.id = id, .name = name, .name_space = "", .instance = "", .group = group
	};
}

static void put(struct containers *cs, enum containers_source by, const char *id, const char *name,
		const char *group)
{
	struct container c = container(id, name, group);

	containers_put(cs, by, &c);
}

static const char *name_of(struct containers *cs, const char *id)
{
	uint64_t version;
	const struct container *c = containers_find(cs, id, &version);

	assert_int_equal(version, containers_version(cs, container_key(id)));
	return c ? c->name : NULL;
}

static void test_containers(void **state)
{
	struct containers *cs = containers_new(0);
	struct container c = container("a", "one", "");
	uint64_t changes, before, after;

	assert_null(name_of(cs, "a"));
	assert_int_equal(containers_misses(cs), 1);
	assert_null(name_of(cs, "")); /* in none: nobody is to be asked */
	assert_int_equal(containers_misses(cs), 1);
	put(cs, CONTAINERS_CRI, "a", "cri", "");
	put(cs, CONTAINERS_DOCKER, "a", "docker", "");
	assert_string_equal(name_of(cs, "a"), "docker"); /* by who is believed more */
	containers_find(cs, "a", &before);
	c.facts = facts_of(FACT_CONTAINER_NAME, "x");
	containers_put(cs, CONTAINERS_DOCKER, &c);
	containers_find(cs, "a", &after);
	assert_int_not_equal(before, after);
	changes = containers_changes(cs);
	containers_put(cs, CONTAINERS_DOCKER, &c); /* the same again */
	assert_int_equal(containers_changes(cs), changes);
	facts_release(c.facts);
	expect(containers_find(cs, "a", &after)->facts, FACT_CONTAINER_NAME, "x");
	assert_null(containers_find(NULL, "a", &after));
	put(cs, CONTAINERS_CRI, "", "nobody", "");
	assert_int_equal(containers_count(cs, CONTAINERS_CRI), 1);
	containers_free(cs);
}

static void test_rounds(void **state)
{
	struct containers *cs = containers_new(0);
	char id[16];

	for (int i = 0; i < 1000; i++) {
		snprintf(id, sizeof(id), "%d", i);
		put(cs, CONTAINERS_KUBERNETES, id, "x", i % 2 ? "odd" : "even");
	}
	put(cs, CONTAINERS_DOCKER, "d", "docker", "");
	containers_begin_group(cs, CONTAINERS_KUBERNETES, "odd");
	put(cs, CONTAINERS_KUBERNETES, "1", "x", "odd");
	containers_end_group(cs, CONTAINERS_KUBERNETES);
	assert_int_equal(containers_count(cs, CONTAINERS_KUBERNETES), 501);
	containers_begin_group(cs, CONTAINERS_KUBERNETES, ""); /* no group is not all */
	containers_end_group(cs, CONTAINERS_KUBERNETES);
	assert_int_equal(containers_count(cs, CONTAINERS_KUBERNETES), 501);
	containers_begin(cs, CONTAINERS_KUBERNETES);
	put(cs, CONTAINERS_KUBERNETES, "2", "x", "even");
	put(cs, CONTAINERS_KUBERNETES, "new", "x", "even");
	containers_end(cs, CONTAINERS_KUBERNETES);
	assert_int_equal(containers_count(cs, CONTAINERS_KUBERNETES), 2);
	assert_string_equal(name_of(cs, "d"), "docker");
	containers_free(cs);
}

static void test_containers_bounded(void **state)
{
	struct containers *cs = containers_new(2);

	put(cs, CONTAINERS_DOCKER, "a", "1", "");
	put(cs, CONTAINERS_DOCKER, "b", "1", "");
	put(cs, CONTAINERS_DOCKER, "c", "1", "");
	assert_null(name_of(cs, "c"));
	assert_int_equal(containers_left_out(cs), 1);
	put(cs, CONTAINERS_DOCKER, "a", "2", ""); /* one that is there may change */
	assert_string_equal(name_of(cs, "a"), "2");
	containers_begin(cs, CONTAINERS_DOCKER);
	containers_end(cs, CONTAINERS_DOCKER);
	put(cs, CONTAINERS_DOCKER, "c", "1", "");
	assert_string_equal(name_of(cs, "c"), "1");
	containers_free(cs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set),	cmocka_unit_test(test_bounded),
		cmocka_unit_test(test_written), cmocka_unit_test(test_containers),
		cmocka_unit_test(test_rounds),	cmocka_unit_test(test_containers_bounded),
	};

	return cmocka_run_group_tests_name("facts", tests, NULL, NULL);
}
