/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "top/table.h"
#include "util/human.h"

static const struct conns_stats dark = { .open = 9, .parsed = 4, .encrypted = 3, .unknown = 2 };
static const struct conns_stats bright = { .open = 4, .parsed = 4 };

static const struct recent_row rows[] = {
	{ .name = "shop",
	  .role = SONDE_ROLE_SERVER,
	  .f = { .count = 250,
		 .errors = 5,
		 .rate = 50,
		 .error_ratio = 0.02,
		 .p50_ns = 1230000,
		 .p95_ns = 45600000,
		 .p99_ns = 999600000,
		 .max_ns = 7000000000,
		 .in_flight = 3 } },
	{ .name = "evil\033[2J\xff name that is far too long for it",
	  .name_space = "prod",
	  .role = SONDE_ROLE_CLIENT,
	  .f.in_flight = 1 },
};

static char *text_of(const struct table *t, int (*json)(const struct table *, FILE *))
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	assert_non_null(f);
	if (json)
		assert_int_equal(json(t, f), 0);
	else
		table_text(t, f);
	fclose(f);
	return text;
}

static void text_has_a_row_for_each_service(void **state)
{
	struct table t = { .rows = rows, .n = 2, .window_ns = 5000000000, .conns = &bright };
	char *text = text_of(&t, NULL);

	assert_non_null(strstr(text, "SERVICE"));
	assert_non_null(strstr(text, "shop                     server      50.0    2.0   1.23 ms   "
				     "45.6 ms    1.00 s    7.00 s         3\n"));
	/* nothing counted is no duration of 0 */
	assert_non_null(strstr(text, "         -         1\n"));
	assert_null(strchr(text, '\033'));
	assert_null(strchr(text, '\xff'));
	assert_null(strstr(text, "dark"));
	assert_null(strstr(text, "lost"));
	free(text);
}

/* Characters of two columns take as much room as they need, and what is cut says so. */
static void text_aligns_wide_names(void **state)
{
	static const struct recent_row wide[] = {
		{ .name = "在庫🛒", .role = SONDE_ROLE_SERVER },
		{ .name = "在庫管理サービスとても長い名前", .role = SONDE_ROLE_CLIENT },
	};
	struct table t = { .rows = wide, .n = 2, .window_ns = 5000000000, .conns = &bright };
	char *text = text_of(&t, NULL);

	assert_non_null(strstr(text, "\n在庫🛒                   server "));
	assert_non_null(strstr(text, "\n在庫管理サービスとても…  client "));
	free(text);
}

static void text_says_what_is_dark_and_lost(void **state)
{
	struct table t = { .window_ns = 5000000000, .conns = &dark, .lost = 7 };
	char *text = text_of(&t, NULL);

	assert_non_null(strstr(text, "no transaction in 5 s"));
	assert_non_null(strstr(text, "dark connections: 3 encrypted"));
	assert_non_null(strstr(text, ", 2 of a protocol"));
	assert_non_null(strstr(text, "events lost: 7"));
	free(text);
}

static void json_holds_what_was_given(void **state)
{
	struct table t = { .rows = rows,
			   .n = 2,
			   .window_ns = 5000000000,
			   .conns = &dark,
			   .lost = 7,
			   .time_unix_nano = 1795241711123456789 };
	char *text = text_of(&t, table_json);
	json_t *o = json_loads(text, 0, NULL), *s, *row;

	assert_non_null(o);
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
	assert_int_equal(json_integer_value(json_object_get(o, "time_unix_nano")),
			 1795241711123456789);
	assert_int_equal(json_integer_value(json_object_get(o, "events_lost")), 7);
	s = json_object_get(o, "connections");
	assert_int_equal(json_integer_value(json_object_get(s, "encrypted")), 3);
	s = json_object_get(o, "services");
	assert_int_equal(json_array_size(s), 2);
	row = json_array_get(s, 0);
	assert_string_equal(json_string_value(json_object_get(row, "service")), "shop");
	assert_true(json_is_null(json_object_get(row, "namespace")));
	assert_int_equal(json_integer_value(json_object_get(row, "p95_ns")), 45600000);
	row = json_array_get(s, 1);
	assert_string_equal(json_string_value(json_object_get(row, "namespace")), "prod");
	assert_true(json_is_null(json_object_get(row, "p95_ns")));
	assert_int_equal(json_integer_value(json_object_get(row, "in_flight")), 1);
	json_decref(o);
	free(text);
}

static void quantities_have_three_digits(void **state)
{
	assert_string_equal(human_duration(0).text, "0 ns");
	assert_string_equal(human_duration(999).text, "999 ns");
	assert_string_equal(human_duration(1234).text, "1.23 us");
	assert_string_equal(human_duration(999499).text, "999 us");
	assert_string_equal(human_duration(999600).text, "1 ms");
	assert_string_equal(human_duration(3600000000000).text, "3600 s");
	assert_string_equal(human_bytes(1200).text, "1.2 kB");
	/* one below the other */
	assert_string_equal(human_duration_column(7).text, "7 ns");
	assert_string_equal(human_duration_column(2000000).text, "2.00 ms");
	assert_string_equal(human_duration_column(9994000).text, "9.99 ms");
	assert_string_equal(human_duration_column(9996000).text, "10.0 ms");
	assert_string_equal(human_duration_column(99940000).text, "99.9 ms");
	assert_string_equal(human_duration_column(99960000).text, "100 ms");
	assert_string_equal(human_duration_column(999600).text, "1.00 ms");
	assert_string_equal(human_duration_column(5000000000000).text, "5000 s");
	assert_string_equal(human_bytes_column(68).text, "68 B");
	assert_string_equal(human_bytes_column(1200).text, "1.20 kB");
	assert_string_equal(human_bytes(UINT64_MAX).text, "18446744 TB");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_has_a_row_for_each_service),
		cmocka_unit_test(text_aligns_wide_names),
		cmocka_unit_test(text_says_what_is_dark_and_lost),
		cmocka_unit_test(json_holds_what_was_given),
		cmocka_unit_test(quantities_have_three_digits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
