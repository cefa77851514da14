/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include "guard.h"
#include "proto/sql.h"
#include "proto/sql_parts.h"

struct sql_case {
	enum sql_dialect dialect;
	const char *sql, *text, *summary;
};

static const struct sql_case cases[] = {
#define ANSI(sql, text, summary)  { SQL_ANSI, sql, text, summary },
#define PG(sql, text, summary)	  { SQL_POSTGRESQL, sql, text, summary },
#define MYSQL(sql, text, summary) { SQL_MYSQL, sql, text, summary },
#include "data/sql_cases.def"
};

enum { N_CASES = sizeof(cases) / sizeof(cases[0]) };

static struct guard guard;
static char room[SQL_ROOM];

static int setup(void **state)
{
	guard = guard_new(65536);
	return 0;
}

static int teardown(void **state)
{
	guard_free(&guard);
	return 0;
}

static const char *str(struct slice s)
{
	static char text[2][2048];
	static int turn;

	turn = !turn;
	slice_copy(text[turn], sizeof(text[turn]), s);
	return text[turn];
}

static struct sql describe(enum sql_dialect dialect, struct slice sql, bool is_cut)
{
	struct sql_source source = { guard_put(&guard, sql), dialect, .is_cut = is_cut };
	struct sql out;

	sql_describe(&source, room, &out);
	return out;
}

static void official_vectors(void **state)
{
	json_error_t err;
	json_t *all = json_load_file("tests/unit/data/sql-test-cases.json", 0, &err);
	size_t i, k;
	json_t *test, *text;

	assert_non_null(all);
	assert_true(json_array_size(all) >= 16);
	json_array_foreach(all, i, test)
	{
		const char *sql, *summary;
		bool is_found = false;
		json_t *texts;
		struct sql out;

		assert_int_equal(json_unpack(test, "{s:{s:s},s:{s:o,s:s}}", "input", "query", &sql,
					     "expected", "db.query.text", &texts,
					     "db.query.summary", &summary),
				 0);
		out = describe(SQL_ANSI, slice_str(sql), false);
		assert_string_equal(str(out.summary), summary);
		json_array_foreach(texts, k, text) is_found |=
			slice_eq(out.text, slice_str(json_string_value(text)));
		if (!is_found)
			fail_msg("%s: %s", sql, str(out.text));
	}
	json_decref(all);
}

static void further_cases(void **state)
{
	for (int i = 0; i < N_CASES; i++) {
		struct sql out = describe(cases[i].dialect, slice_str(cases[i].sql), false);

		if (strcmp(str(out.text), cases[i].text) ||
		    strcmp(str(out.summary), cases[i].summary))
			print_message("of: %s\n", cases[i].sql);
		assert_string_equal(str(out.text), cases[i].text);
		assert_string_equal(str(out.summary), cases[i].summary);
	}
}

/* What is in a literal of the cases begins with these, and nothing else has them. */
static bool is_telling(struct slice s)
{
	return memmem(s.p, s.n, "zq", 2) || memmem(s.p, s.n, "77", 2);
}

static const char *const secrets[] = {
	"SELECT 'zq''zq' FROM t WHERE a = 7777 AND b = 'zq' || \"c\"",
	"SELECT E'zq\\'zq', U&'zq\\0061', B'77', X'77', N'zq' FROM t",
	"SELECT $$zq$$, $tag$zq $$ zq$tag$, $1 FROM t",
	"INSERT INTO t VALUES (77, 'zq', 77.77e-77), (-77, 'zq', 0x77zq), (77, now(), 'zq')",
	"SELECT * FROM t WHERE a IN (77, 'zq', +77) /* zq /* zq */ 77 */ -- zq 77\n AND b = 77",
	"CREATE USER bob PASSWORD 'zq'; ALTER USER bob WITH PASSWORD \"zq\"",
	"SET PASSWORD = 'zq'; SET a.token TO zq, zq; SET x = zq",
	"GRANT ALL ON t TO bob IDENTIFIED BY 'zq'",
	"SELECT a FROM t WHERE d = DATE '77-77-77' AND i = INTERVAL '77 zq' AND n = .77",
};

static void nothing_of_a_literal_at_any_cut(void **state)
{
	for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
		for (size_t n = 0; n <= strlen(secrets[i]); n++) {
			for (int d = SQL_ANSI; d <= SQL_POSTGRESQL; d++) {
				struct slice sql = { (const uint8_t *)secrets[i], n };
				struct sql out = describe(d, sql, true);

				if (is_telling(out.text) || is_telling(out.summary))
					fail_msg("%s: %s: %s", str(sql), str(out.text),
						 str(out.summary));
			}
		}
	}
}

static const char *const mysql_secrets[] = {
	"SELECT 'zq\\'zq', \"zq\"\"zq\\\"zq\", _utf8'zq' # zq 77\n FROM `t` -- zq\n WHERE a=77",
	"SELECT /*!40101 'zq', 77 */ 5--77 FROM t WHERE a IN (\"zq\", 'zq')",
	"CREATE USER 'zq'@'zq' IDENTIFIED BY 'zq', 'zq' IDENTIFIED WITH x AS 'zq'",
	"SET PASSWORD FOR bob = PASSWORD('zq'); SET GLOBAL x = zq, y = \"zq\"",
};

static void nothing_of_a_mysql_literal_at_any_cut(void **state)
{
	for (size_t i = 0; i < sizeof(mysql_secrets) / sizeof(mysql_secrets[0]); i++) {
		for (size_t n = 0; n <= strlen(mysql_secrets[i]); n++) {
			struct slice sql = { (const uint8_t *)mysql_secrets[i], n };
			struct sql out = describe(SQL_MYSQL, sql, true);

			if (is_telling(out.text) || is_telling(out.summary))
				fail_msg("%s: %s: %s", str(sql), str(out.text), str(out.summary));
		}
	}
}

/* A cut text gives the beginning of what the whole gives; no half names. */
static void a_cut_gives_no_half_target(void **state)
{
	const char *sql = "SELECT a FROM sch.accounts JOIN branches ON x = y WHERE z = 1";

	for (size_t n = 0; n <= strlen(sql); n++) {
		struct sql out =
			describe(SQL_POSTGRESQL, (struct slice){ (uint8_t *)sql, n }, true);
		const char *s = str(out.summary);

		assert_true(!*s || !strcmp(s, "SELECT") || !strcmp(s, "SELECT sch.accounts") ||
			    !strcmp(s, "SELECT sch.accounts branches"));
	}
}

static void a_long_summary_ends_between_tokens(void **state)
{
	char sql[4096] = "SELECT * FROM sch.t0000";
	struct sql out;
	size_t at = strlen(sql);

	for (int i = 1; i < 60; i++)
		at += (size_t)sprintf(sql + at, ", sch.t%04d", i);
	out = describe(SQL_ANSI, slice_str(sql), false);
	assert_in_range(out.summary.n, 240, SQL_SUMMARY_MAX);
	assert_memory_equal(out.summary.p + out.summary.n - 10, " sch.t00", 8);
	assert_in_range(out.text.n, 600, SQL_TEXT_MAX);
}

static void long_rows_do_not_hide_what_follows(void **state)
{
	char sql[6000] = "INSERT INTO t VALUES (1, 'a')";
	struct sql out;

	while (strlen(sql) < 5000)
		strcat(sql, ", (22, 'bb')");
	strcat(sql, " RETURNING id");
	out = describe(SQL_POSTGRESQL, slice_str(sql), false);
	assert_string_equal(str(out.text), "INSERT INTO t VALUES (?, ?) RETURNING id");
}

static void every_word_is_found(void **state)
{
#define WORD(ID, text, flags) assert_int_equal(sql_word_find(SLICE(text)), SQLW_##ID);
#include "proto/sql_words.def"
#undef WORD
	assert_int_equal(sql_word_find(SLICE("select")), SQLW_SELECT);
	assert_int_equal(sql_word_find(SLICE("selec")), SQLW_NAME);
	assert_int_equal(sql_word_find(SLICE("selects")), SQLW_NAME);
}

static void every_byte_ends(void **state)
{
	for (int i = 0; i < N_CASES; i++) {
		size_t n = strlen(cases[i].sql);
		char *sql = strdup(cases[i].sql);

		for (size_t at = 0; at < n; at++) {
			char was = sql[at];

			for (int c = 0; c < 256; c++) {
				struct sql out;

				sql[at] = (char)c;
				out = describe(cases[i].dialect,
					       (struct slice){ (uint8_t *)sql, n }, false);
				assert_true(out.text.n <= SQL_TEXT_MAX);
				assert_true(out.summary.n <= SQL_SUMMARY_MAX);
			}
			sql[at] = was;
		}
		free(sql);
	}
}

#define PARENT "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

static bool names_its_trace(const char *sql, size_t n, bool is_cut)
{
	struct sql_source source = { .text = guard_put(&guard,
						       (struct slice){ (const uint8_t *)sql, n }),
				     .dialect = SQL_POSTGRESQL,
				     .is_cut = is_cut };
	struct sql out;

	sql_describe(&source, room, &out);
	return out.context.is_known;
}

static void comments_name_the_trace(void **state)
{
	static const char good[] = "SELECT 1 /*action='%2Fa',traceparent='" PARENT "'*/";
	static const char literal[] = "SELECT '/*traceparent=''" PARENT "''*/'";
	static const char name[] = "SELECT \"/*traceparent='" PARENT "'*/\"";
	static char end[SQL_SCAN_MAX + 256];
	size_t n = SQL_SCAN_MAX + 20;

	assert_true(names_its_trace(good, sizeof(good) - 1, false));
	assert_true(names_its_trace(good, sizeof(good) - 3, true)); /* cut behind the value */
	assert_false(names_its_trace(good, sizeof(good) - 5, true));
	assert_false(names_its_trace(literal, sizeof(literal) - 1, false));
	assert_false(names_its_trace(name, sizeof(name) - 1, false));
	memset(end, ' ', sizeof(end));
	memcpy(end, "SELECT", 6);
	memcpy(end + n, good + 9, sizeof(good) - 9); /* at the end of a long text */
	assert_true(names_its_trace(end, n + sizeof(good) - 10, false));
	memcpy(end + n, literal + 7, sizeof(literal) - 7);
	assert_false(names_its_trace(end, n + sizeof(literal) - 8, false));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(official_vectors),
		cmocka_unit_test(further_cases),
		cmocka_unit_test(nothing_of_a_literal_at_any_cut),
		cmocka_unit_test(nothing_of_a_mysql_literal_at_any_cut),
		cmocka_unit_test(a_cut_gives_no_half_target),
		cmocka_unit_test(a_long_summary_ends_between_tokens),
		cmocka_unit_test(long_rows_do_not_hide_what_follows),
		cmocka_unit_test(every_word_is_found),
		cmocka_unit_test(comments_name_the_trace),
		cmocka_unit_test(every_byte_ends),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
