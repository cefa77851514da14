// SPDX-License-Identifier: Apache-2.0
#include "proto/sql_parts.h"

static struct slice trim(struct slice s)
{
	while (s.n && (s.p[s.n - 1] == ' ' || (s.p[s.n - 1] >= '\t' && s.p[s.n - 1] <= '\r')))
		s.n--;
	return s;
}

static struct slice first_word(struct slice s)
{
	size_t n = 0;

	while (n < s.n && s.p[n] != ' ' && s.p[n] != ';')
		n++;
	return (struct slice){ s.p, n };
}

void sql_describe(const struct sql_source *source, char *room, struct sql *out)
{
	bool is_long = source->text.n > SQL_SCAN_MAX;
	struct sql_lexer lexer = {
		.p = source->text.p,
		.end = source->text.p + (is_long ? (size_t)SQL_SCAN_MAX : source->text.n),
		.dialect = source->dialect,
		.is_cut = source->is_cut || is_long,
		.is_backslash = source->is_backslash,
	};
	struct sql_text text = {
		.out = { .p = room, .max = SQL_TEXT_MAX },
		.dialect = source->dialect,
		.is_first = true,
	};
	struct sql_summary summary = {
		.out = { .p = room + SQL_TEXT_MAX, .max = SQL_SUMMARY_MAX },
		.level[0].expect = SQL_EXPECT_STATEMENT,
	};
	struct sql_token token;

	while (sql_next(&lexer, &token)) {
		sql_text_token(&text, &token);
		sql_summary_token(&summary, &token);
	}
	sql_summary_end(&summary);
	out->text = trim((struct slice){ (uint8_t *)room, text.out.n });
	out->summary = (struct slice){ (uint8_t *)summary.out.p, summary.out.n };
	out->operation = first_word(out->summary);
}
