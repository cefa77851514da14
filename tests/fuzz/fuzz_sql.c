/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two things at once. The input as SQL: all ends, nothing outside of it is read, the results have
 * their limits. The input as a recipe: its bytes choose fragments of SQL, in whose literals alone
 * stands a mark; wherever the text is cut, the mark may not come out.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/sql.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const fragments[] = {
	"SELECT ",     "INSERT INTO t ",
	"VALUES (",    "), (",
	")",	       "(",
	", ",	       " IN (",
	"; ",	       " FROM a.b ",
	" WHERE c = ", "'zq77'",
	"'zq''77'",    "E'zq\\'77'",
	"$$zq77$$",    "$x$zq$$77$x$",
	"7777",	       "-7777",
	"0x7777",      "77.77e+77",
	".7777",       "U&'zq77'",
	"X'7777'",     " /* zq77 */ ",
	" -- zq77\n",  " \"name\" ",
	" $1 ",	       "::int",
	" SET x = ",   " TO zq77z",
	"WITH c AS (", "UPDATE t SET a = ",
	" ROW(",       " NOT ",
	" IS ",	       "TRUE",
	" AND ",       "\t",
	"[1:",	       "]",
	"PASSWORD ",   "@v",
	"N'zq77'",     ".",
	"name",	       " AS ",
	" UNION ALL ", "?",
};

enum { N_FRAGMENTS = sizeof(fragments) / sizeof(fragments[0]) };

static void describe(struct slice text, enum sql_dialect dialect, bool is_cut, struct sql *out)
{
	static char room[SQL_ROOM];
	struct sql_source source = { text, dialect, .is_cut = is_cut };

	sql_describe(&source, room, out);
	if (out->text.n > SQL_TEXT_MAX || out->summary.n > SQL_SUMMARY_MAX)
		abort();
}

static void as_it_is(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1); /* so that the sanitizer knows its end */
	struct sql out;

	memcpy(copy, data, size);
	for (int d = SQL_ANSI; d <= SQL_MYSQL; d++)
		describe((struct slice){ copy, size }, d, size & 1, &out);
	free(copy);
}

/* A name in SET ... TO is a value and marked too; it stands nowhere else. */
static bool may_follow(const char *fragment, const char *text)
{
	return strncmp(fragment, " TO ", 4) != 0 || strcmp(text, "SET x") == 0;
}

static void as_recipe(const uint8_t *data, size_t size)
{
	char text[4096] = "";
	size_t n = 0;
	struct sql out;

	for (size_t i = 1; i < size; i++) {
		const char *f = fragments[data[i] % N_FRAGMENTS];

		if (n + strlen(f) + 2 >= sizeof(text))
			break;
		if (!may_follow(f, text))
			continue;
		/* close behind a name it would be part of that */
		if (n && !strchr("(,=+- ", text[n - 1]))
			text[n++] = ' ';
		strcpy(text + n, f);
		n += strlen(f);
		text[n] = '\0';
	}
	n = size && n ? n - (size_t)(data[0] % n) : 0;
	for (int d = SQL_ANSI; d <= SQL_POSTGRESQL; d++) {
		describe((struct slice){ (uint8_t *)text, n }, d, true, &out);
		if (memmem(out.text.p, out.text.n, "77", 2) ||
		    memmem(out.summary.p, out.summary.n, "77", 2)) {
			fprintf(stderr, "%.*s\n%.*s\n", (int)n, text, (int)out.text.n, out.text.p);
			abort();
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	as_it_is(data, size);
	as_recipe(data, size);
	return 0;
}
