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

static void read_comment(struct slice comment, struct context *out)
{
	context_traceparent(context_sql_comment(comment), out);
}

/* Comments stand at the end. What the text is too long to be read up to is one if it ends as one:
 * a literal ends with its quote. */
static void read_last_comment(struct slice text, struct context *out)
{
	size_t at;

	text = trim(text);
	while (text.n && (text.p[text.n - 1] == ';' || text.p[text.n - 1] == '\0'))
		text = trim((struct slice){ text.p, text.n - 1 });
	if (text.n < 4 || memcmp(text.p + text.n - 2, "*/", 2) != 0)
		return;
	for (at = text.n - 3; at && memcmp(text.p + at - 1, "/*", 2) != 0; at--)
		if (memcmp(text.p + at - 1, "*/", 2) == 0)
			return;
	read_comment((struct slice){ text.p + at, text.n - at }, out);
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
	const uint8_t *at;

	out->context = (struct context){ 0 };
	while (at = lexer.p, sql_next(&lexer, &token)) {
		if (token.kind == SQL_COMMENT)
			read_comment(token.text, &out->context);
		sql_text_token(&text, &token);
		sql_summary_token(&summary, &token);
	}
	sql_summary_end(&summary);
	if (lexer.end - at > 2 && memcmp(at, "/*", 2) == 0) /* a comment that is cut */
		read_comment((struct slice){ at, (size_t)(lexer.end - at) }, &out->context);
	if (is_long && !source->is_cut && !out->context.is_known)
		read_last_comment(source->text, &out->context);
	out->text = trim((struct slice){ (uint8_t *)room, text.out.n });
	out->summary = (struct slice){ (uint8_t *)summary.out.p, summary.out.n };
	out->operation = first_word(out->summary);
}
