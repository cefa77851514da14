/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include "identity/asked.h"
#include "util/clock.h"
#include "util/log.h"

#define S  NS_PER_S
#define MS NS_PER_MS

static struct asked fresh(void)
{
	return (struct asked){ .name = "docker", .where = "/x", .due_ns = 1, .seed = 7 };
}

/* Ever later, up to a minute, and never all at once; at once again after an answer. */
static void test_failing(void **state)
{
	static const uint64_t longest_s[] = { 1, 2, 4, 8, 16, 32, 60, 60, 60 };
	struct asked a = fresh();
	uint64_t waits[2];

	for (size_t i = 0; i < sizeof(longest_s) / sizeof(longest_s[0]); i++) {
		asked_failed(&a, 100 * S, "no %d", 7);
		assert_in_range(a.due_ns - 100 * S, longest_s[i] * S * 3 / 4, longest_s[i] * S);
	}
	assert_string_equal(a.reason, "no 7");
	assert_int_equal(a.failures, 9);
	for (int i = 0; i < 2; i++) {
		asked_failed(&a, 0, "again");
		waits[i] = a.due_ns;
	}
	assert_int_not_equal(waits[0], waits[1]);
	asked_answered(&a);
	assert_string_equal(a.reason, "");
	assert_true(a.has_answered);
	asked_failed(&a, 0, "x");
	assert_in_range(a.due_ns, S * 3 / 4, S);
}

static void refused(struct asked *a, int status, const char *error, const char *body,
		    uint64_t after_ns)
{
	const struct fetch_end end = {
		.status = status,
		.is_whole = !*error,
		.error = error,
		.retry_after_ns = after_ns,
	};

	asked_refused(a, 100 * S, &end, slice_str(body));
}

static void test_reasons(void **state)
{
	struct asked a = fresh();

	refused(&a, 0, "Connection refused", "", 0);
	assert_string_equal(a.reason, "Connection refused");
	refused(&a, 200, "it broke off", "", 0);
	assert_string_equal(a.reason, "it broke off");
	refused(&a, 403, "", "{\"message\":\"pods is forbidden\"}", 0);
	assert_string_equal(a.reason, "answered 403: pods is forbidden");
	refused(&a, 500, "", "{\"message\":7}", 0);
	assert_string_equal(a.reason, "answered 500");
	refused(&a, 500, "", "<html>", 0);
	assert_string_equal(a.reason, "answered 500");
	refused(&a, 429, "", "", 300 * S);
	assert_int_equal(a.due_ns, 400 * S);
}

static void test_when(void **state)
{
	struct asked a = fresh();
	uint64_t t = 10 * S;

	assert_true(asked_is_time(&a, t, 0, 0));
	a.due_ns = t + 30 * S;
	asked_answered(&a);
	assert_false(asked_is_time(&a, t + 29 * S, 0, 0));
	/* somebody unknown: soon, but not at once */
	assert_false(asked_is_time(&a, t + 249 * MS, 1, 0));
	assert_true(asked_is_time(&a, t + 250 * MS, 1, 0));
	t += 250 * MS;
	a.due_ns = t + 30 * S;
	/* it brought nothing: later and later, up to 8 s */
	assert_false(asked_is_time(&a, t + 499 * MS, 2, 0));
	assert_true(asked_is_time(&a, t + 500 * MS, 2, 0));
	for (uint64_t n = 3; n < 20; n++) {
		t = a.asked_ns;
		a.due_ns = t + 30 * S;
		assert_true(asked_is_time(&a, t + 8 * S, n, 0));
	}
	t = a.asked_ns;
	a.due_ns = t + 30 * S;
	assert_false(asked_is_time(&a, t + 7999 * MS, 20, 0));
	/* something new: soon again */
	assert_true(asked_is_time(&a, t + 250 * MS, 20, 1));
	/* while it fails its own times hold */
	asked_failed(&a, t, "x");
	a.due_ns = t + 60 * S;
	assert_false(asked_is_time(&a, t + 59 * S, 99, 1));
	a.due_ns = 0; /* never again */
	assert_false(asked_is_time(&a, t + 600 * S, 99, 1));
}

static void test_text(void **state)
{
	struct answer_text t = { .max = 40000 };
	char piece[1000];

	memset(piece, 'x', sizeof(piece));
	for (int i = 0; i < 40; i++)
		assert_true(answer_text_add(&t, (struct slice){ (uint8_t *)piece, 1000 }));
	assert_int_equal(t.n, 40000);
	assert_false(answer_text_add(&t, SLICE("x")));
	answer_text_free(&t);
	assert_int_equal(t.n, 0);
	assert_true(answer_text_add(&t, SLICE("x")));
	answer_text_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_failing),
		cmocka_unit_test(test_reasons),
		cmocka_unit_test(test_when),
		cmocka_unit_test(test_text),
	};

	log_init(LOG_ERROR, false);
	return cmocka_run_group_tests_name("asked", tests, NULL, NULL);
}
