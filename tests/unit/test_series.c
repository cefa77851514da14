/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include "identity/process.h"
#include "metrics/series_impl.h"

enum { CAP = 10 };

static const uint64_t minute_ns = 60ULL * 1000000000ULL;

static struct service service(uint32_t id, const char *name)
{
	struct service s = { .id = id };

	snprintf(s.name, sizeof(s.name), "%s", name);
	snprintf(s.instance_id, sizeof(s.instance_id), "instance-of-%.20s", name);
	return s;
}

/* A failed connect: result, address, port. */
static struct series *get(struct series_store *st, const struct service *s, const char *result,
			  const char *address, uint64_t now_ns)
{
	struct slice v[] = { slice_str(result), slice_str(address), { 0 } };

	return series_get(st, METRIC_TCP_CONNECTS, s, v, now_ns);
}

static void assert_label(const struct series *s, size_t i, const char *expected)
{
	struct slice v = series_label(s, i);

	assert_int_equal(v.n, strlen(expected));
	assert_memory_equal(v.p, expected, v.n);
}

static void test_one_series_per_label_set(void **state)
{
	struct series_store *st = series_store_new(CAP);
	struct service a = service(1, "a"), b = service(2, "b");
	struct series *s = get(st, &a, "refused", "db", 1);

	assert_ptr_equal(get(st, &a, "refused", "db", 2), s);
	assert_int_equal(s->updated_ns, 2);
	assert_ptr_not_equal(get(st, &a, "timeout", "db", 2), s);
	assert_ptr_not_equal(get(st, &b, "refused", "db", 2), s);
	/* where a value ends matters, not only what all of them are together */
	assert_ptr_not_equal(get(st, &a, "refusedd", "b", 2), get(st, &a, "refused", "db", 2));
	assert_ptr_not_equal(get(st, &a, "refuseddb", "", 2), get(st, &a, "", "refuseddb", 2));
	assert_label(s, 0, "refused");
	assert_label(s, 1, "db");
	assert_label(s, 2, "");
	assert_int_equal(series_count(st, METRIC_TCP_CONNECTS), 6);
	series_store_free(st);
}

static void test_overflow_folds_and_counts(void **state)
{
	struct series_store *st = series_store_new(CAP);
	struct service a = service(1, "a"), b = service(2, "b");
	struct series *fold = NULL, *s;
	char address[16];

	for (int i = 0; i < 3 * CAP; i++) {
		snprintf(address, sizeof(address), "h%d", i);
		s = get(st, &a, "refused", address, 1);
		s->value++;
		assert_int_equal(s->is_overflow, i >= CAP);
		fold = i >= CAP ? s : fold;
	}
	assert_int_equal(fold->value, 2 * CAP);
	assert_string_equal(fold->service->name, "a");
	assert_int_equal(series_label(fold, 0).n, 0);
	assert_int_equal(series_overflows(st, METRIC_TCP_CONNECTS), 2 * CAP);
	assert_int_equal(series_count(st, METRIC_TCP_CONNECTS), CAP + 1);
	/* what is known goes on being counted for itself */
	assert_false(get(st, &a, "refused", "h0", 1)->is_overflow);
	/* another service folds into one of its own; another metric is not concerned */
	s = get(st, &b, "refused", "h0", 1);
	assert_true(s->is_overflow);
	assert_ptr_not_equal(s, fold);
	assert_int_equal(series_overflows(st, METRIC_OLDEST_ACTIVE), 0);
	series_store_free(st);
}

static void test_overflow_series_are_bounded_too(void **state)
{
	struct series_store *st = series_store_new(1);
	struct series *last = NULL;
	size_t n = 0;

	for (uint32_t i = 1; i <= 3 * SERIES_OVERFLOWS_MAX; i++) {
		char name[16];
		struct service s;

		snprintf(name, sizeof(name), "s%u", i);
		s = service(i, name);
		last = get(st, &s, "refused", "h", 1);
		last->value++;
	}
	assert_true(last->is_overflow);
	assert_null(last->service);
	assert_int_equal(series_count(st, METRIC_TCP_CONNECTS), 1 + SERIES_OVERFLOWS_MAX + 1);
	for (struct series *s = NULL;
	     (s = series_after(st, METRIC_TCP_CONNECTS, s ? s->serial : 0));)
		n += s->value;
	assert_int_equal(n, 3 * SERIES_OVERFLOWS_MAX); /* nothing went missing */
	series_store_free(st);
}

/* Where there is no room for a service, no measurement of it makes the store's memory anew. */
static void test_a_full_metric_remembers_nobody(void **state)
{
	struct series_store *st = series_store_new(1);
	struct service s = service(1, "known"), more = service(9999, "more");
	const struct map_slot *ids, *words;
	uint64_t folds;

	get(st, &s, "refused", "h", 1);
	for (uint32_t i = 2; i <= SERIES_OVERFLOWS_MAX + 1; i++) {
		char name[16];

		snprintf(name, sizeof(name), "s%u", i);
		s = service(i, name);
		get(st, &s, "refused", "h", 1);
	}
	assert_int_equal(st->n_services, SERIES_OVERFLOWS_MAX + 1);
	ids = st->by_id.slots;
	words = st->by_words.slots;
	folds = series_overflows(st, METRIC_TCP_CONNECTS);
	for (int i = 0; i < 1000; i++) {
		struct series *fold = get(st, &more, "refused", "h", 1 + (uint64_t)i);

		assert_true(fold->is_overflow && !fold->service);
		assert_int_equal(fold->value++, i);
		assert_int_equal(fold->created_ns, 1);
		assert_int_equal(fold->updated_ns, 1 + i);
	}
	assert_int_equal(series_overflows(st, METRIC_TCP_CONNECTS), folds + 1000);
	assert_int_equal(st->n_services, SERIES_OVERFLOWS_MAX + 1);
	assert_ptr_equal(st->by_id.slots, ids);
	assert_ptr_equal(st->by_words.slots, words);
	/* one that is known goes on, under another id too */
	s.id = 5000;
	assert_string_equal(get(st, &s, "refused", "h", 2)->service->name, s.name);
	/* and where another metric has room, it is remembered */
	assert_string_equal(series_get(st, METRIC_TCP_ACCEPT_OVERFLOWS, &more,
				       (struct slice[METRIC_LABELS_MAX]){ 0 }, 2)
				    ->service->name,
			    "more");
	assert_int_equal(st->n_services, SERIES_OVERFLOWS_MAX + 2);
	series_store_free(st);
}

/* Thousands that end at once: forgotten in one walk, and known anew if they come again. */
static void test_many_gone_at_once(void **state)
{
	enum { MANY = 3000 };
	struct series_store *st = series_store_new(2 * MANY);
	struct service s;
	char name[16];

	for (int round = 0; round < 2; round++) {
		uint64_t now_ns = 1 + (uint64_t)round * 10 * minute_ns;

		for (uint32_t i = 1; i <= MANY; i++) {
			snprintf(name, sizeof(name), "s%u", i);
			s = service(i, name);
			get(st, &s, "refused", "h", i % 3 ? now_ns : now_ns + 3 * minute_ns);
			s.id += MANY;
			get(st, &s, "refused", "h", i % 3 ? now_ns : now_ns + 3 * minute_ns);
		}
		assert_int_equal(series_count(st, METRIC_TCP_CONNECTS), MANY);
		series_expire(st, now_ns + 6 * minute_ns);
		assert_int_equal(st->n_services, MANY / 3);
		assert_int_equal(st->by_words.n, MANY / 3);
		assert_int_equal(st->by_id.n, 2 * MANY / 3);
		assert_int_equal(series_count(st, METRIC_TCP_CONNECTS), MANY / 3);
	}
	series_store_free(st);
}

static void test_hostile_values(void **state)
{
	struct series_store *st = series_store_new(CAP);
	struct service a = service(1, "\xff service");
	char longer[2 * SERIES_VALUE_MAX];
	struct series *s = get(st, &a, "\xc3\x28", "caf\xc3\xa9 \xf0\x9f\x98\x80 plain text", 1);

	assert_string_equal(s->service->name, "\xef\xbf\xbd service");
	assert_label(s, 0, "\xef\xbf\xbd(");
	assert_label(s, 1, "caf\xc3\xa9 \xf0\x9f\x98\x80 plain text");
	/* two that become the same text are one series: an exposition has no duplicates */
	assert_ptr_equal(get(st, &a, "\xfe(", "caf\xc3\xa9 \xf0\x9f\x98\x80 plain text", 1), s);
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	s = get(st, &a, longer, "", 1);
	assert_int_equal(series_label(s, 0).n, SERIES_VALUE_MAX);
	assert_ptr_equal(get(st, &a, longer, "", 1), s);
	s = series_get(st, METRIC_OLDEST_ACTIVE, &a, &(struct slice){ (const uint8_t *)"a\0b", 3 },
		       1);
	assert_label(s, 0,
		     "a\xef\xbf\xbd"
		     "b");
	series_store_free(st);
}

static void test_expiry(void **state)
{
	struct series_store *st = series_store_new(CAP);
	struct service gone = service(1, "gone"), idle = service(2, "idle");
	struct series *s, *first;

	get(st, &gone, "refused", "a", 0);
	first = get(st, &idle, "refused", "a", 0);
	first->value = 7;
	get(st, &gone, "refused", "b", 2 * minute_ns);
	series_get(st, METRIC_EVENTS, NULL, &SLICE("data"), 0);

	series_service_seen(st, &idle, 6 * minute_ns); /* it lives, though nothing is measured */
	series_expire(st, 6 * minute_ns);
	assert_int_equal(series_count(st, METRIC_TCP_CONNECTS), 3);
	series_expire(st, 7 * minute_ns);
	assert_int_equal(series_count(st, METRIC_TCP_CONNECTS), 1);
	assert_int_equal(series_count(st, METRIC_EVENTS), 1);
	s = get(st, &idle, "refused", "a", 7 * minute_ns);
	assert_ptr_equal(s, first);
	assert_int_equal(s->value, 7);
	/* there is room again, and what comes back begins anew */
	s = get(st, &gone, "refused", "a", 8 * minute_ns);
	assert_int_equal(s->value, 0);
	assert_string_equal(s->service->name, "gone");
	series_expire(st, 60 * minute_ns);
	assert_int_equal(series_count(st, METRIC_TCP_CONNECTS), 0);
	series_store_free(st);
}

static void test_same_words_are_one_service(void **state)
{
	struct series_store *st = series_store_new(CAP);
	struct service before = service(1, "shop"), after = service(9, "shop");
	struct series *s = get(st, &before, "refused", "a", 1);

	assert_ptr_equal(get(st, &after, "refused", "a", 2), s);
	series_expire(st, 10 * minute_ns);
	assert_int_equal(get(st, &after, "refused", "a", 10 * minute_ns)->value, 0);
	assert_int_equal(get(st, &before, "refused", "a", 10 * minute_ns)->value, 0);
	assert_int_equal(series_count(st, METRIC_TCP_CONNECTS), 1);
	series_store_free(st);
}

static void test_walk_survives_changes(void **state)
{
	struct series_store *st = series_store_new(CAP);
	struct service a = service(1, "a"), b = service(2, "b"), c = service(3, "c");
	struct series *s;

	get(st, &a, "refused", "1", 0);
	get(st, &b, "refused", "2", 9 * minute_ns);
	s = series_after(st, METRIC_TCP_CONNECTS, 0);
	assert_string_equal(s->service->name, "a");
	{
		uint64_t serial = s->serial;

		series_expire(st, 9 * minute_ns);
		get(st, &c, "refused", "3", 9 * minute_ns);
		s = series_after(st, METRIC_TCP_CONNECTS, serial);
	}
	assert_string_equal(s->service->name, "b");
	s = series_after(st, METRIC_TCP_CONNECTS, s->serial);
	assert_string_equal(s->service->name, "c");
	assert_null(series_after(st, METRIC_TCP_CONNECTS, s->serial));
	series_store_free(st);
}

static void test_walk_from_where_it_was(void **state)
{
	struct series_store *st = series_store_new(CAP);
	struct service a = service(1, "a"), b = service(2, "b");
	uint64_t serial = 0;
	size_t at = 0;

	for (int i = 0; i < 5; i++) {
		char text[2] = { (char)('0' + i), 0 };

		get(st, i < 2 ? &a : &b, "refused", text, i < 2 ? 0 : 9 * minute_ns);
	}
	for (int i = 0; i < 5; i++) {
		struct series *s = series_next(st, METRIC_TCP_CONNECTS, serial, &at);

		assert_int_equal(series_label(s, 1).p[0], '0' + i);
		serial = s->serial;
		if (i == 2) /* what was before it goes: it is at another place now */
			series_expire(st, 9 * minute_ns);
	}
	assert_null(series_next(st, METRIC_TCP_CONNECTS, serial, &at));
	series_store_free(st);
}

/* 5,000 histograms of routes that each spread over a decade and a half. */
static void test_memory(void **state)
{
	struct series_store *st = series_store_new(5000);
	struct service a = service(1, "a");
	size_t before = mallinfo2().uordblks;

	for (int i = 0; i < 5000; i++) {
		char route[64];
		struct slice v[METRIC_LABELS_MAX] = { SLICE("GET"), { 0 }, SLICE("200") };
		struct series *s;

		snprintf(route, sizeof(route), "/api/v1/things/%d/{id}/parts", i);
		v[1] = slice_str(route);
		s = series_get(st, METRIC_HTTP_SERVER_DURATION, &a, v, 1);
		for (uint64_t ns = 1000000; ns < 30000000; ns += ns / 40)
			hist_record(&s->hist, ns);
	}
	assert_int_equal(series_count(st, METRIC_HTTP_SERVER_DURATION), 5000);
	assert_true(mallinfo2().uordblks - before < 10 * 1000 * 1000);
	series_store_free(st);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_series_per_label_set),
		cmocka_unit_test(test_overflow_folds_and_counts),
		cmocka_unit_test(test_overflow_series_are_bounded_too),
		cmocka_unit_test(test_a_full_metric_remembers_nobody),
		cmocka_unit_test(test_many_gone_at_once),
		cmocka_unit_test(test_hostile_values),
		cmocka_unit_test(test_expiry),
		cmocka_unit_test(test_same_words_are_one_service),
		cmocka_unit_test(test_walk_survives_changes),
		cmocka_unit_test(test_walk_from_where_it_was),
		cmocka_unit_test(test_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
