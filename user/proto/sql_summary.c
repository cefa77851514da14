// SPDX-License-Identifier: Apache-2.0
/*
 * "{operation} {target} {operation} {target} ...": a reader that knows where operations and their
 * targets may stand and passes over the rest, whatever it is. Parentheses are levels; names of
 * common table expressions are no targets.
 */
#include "proto/sql_parts.h"

static struct sql_level *level(struct sql_summary *s)
{
	return &s->level[s->depth < SQL_DEPTH ? s->depth : SQL_DEPTH - 1];
}

static bool is_deep(const struct sql_summary *s)
{
	return s->depth >= SQL_DEPTH;
}

/* One word more; all or nothing, and nothing after what did not fit. */
static void emit(struct sql_summary *s, struct slice word)
{
	struct sql_mark before = sql_mark(&s->out);

	if (s->out.n)
		sql_put(&s->out, s->is_separate ? SLICE("; ") : SLICE(" "));
	sql_put(&s->out, word);
	if (s->out.is_full)
		s->out.n = before.n;
	s->is_separate = false;
}

static bool is_cte(const struct sql_summary *s, struct slice name)
{
	for (unsigned i = 0; i < s->n_cte; i++)
		if (slice_ieq(s->cte[i], name))
			return true;
	return false;
}

/* A name is complete when no dot follows it. */
static void end_name(struct sql_summary *s)
{
	if (s->is_name && s->is_single && is_cte(s, s->name))
		sql_back(&s->out, s->name_begin);
	s->is_name = s->is_dotted = false;
}

static void begin_name(struct sql_summary *s, struct slice name)
{
	s->name_begin = sql_mark(&s->out);
	s->name = name;
	s->is_name = s->is_single = true;
	emit(s, name);
}

/* a.b: what does not fit as a whole is left out as a whole. */
static void go_on_name(struct sql_summary *s, struct slice text)
{
	s->is_single = false;
	sql_put(&s->out, text);
	if (s->out.is_full)
		s->out.n = s->name_begin.n;
}

/* Could it be the name of an operation that is not known here? */
static bool is_plain(struct slice text)
{
	for (size_t i = 0; i < text.n; i++)
		if (slice_lower(text.p[i]) < 'a' || slice_lower(text.p[i]) > 'z')
			return false;
	return text.n <= 16;
}

static void begin_operation(struct sql_summary *s, struct sql_level *l, const struct sql_token *t)
{
	uint8_t flags = sql_word_flags(t->word);

	l->op = t->word;
	l->is_list = l->is_query = l->is_with = false;
	l->expect = SQL_EXPECT_NOTHING;
	if (t->word == SQLW_WITH) {
		l->is_with = true;
		l->expect = SQL_EXPECT_CTE;
		return;
	}
	if (flags & SQLF_SOLO || !(flags & SQLF_START))
		l->expect = SQL_EXPECT_NONE_EVER;
	/* rows within a statement are no operation of their own */
	if ((t->word != SQLW_VALUES || s->depth == 0) && (flags || is_plain(t->text)))
		emit(s, t->text);
}

/* What an operation is about, once it has been told. */
static void expect_of(struct sql_level *l)
{
	switch ((int)l->op) {
	case SQLW_SELECT:
	case SQLW_DELETE: l->is_query = true; break;
	case SQLW_INSERT:
	case SQLW_REPLACE:
	case SQLW_MERGE:
	case SQLW_CALL:
	case SQLW_EXEC:
	case SQLW_EXECUTE:
	case SQLW_USE:
	case SQLW_TABLE:
	case SQLW_COPY: l->expect = SQL_EXPECT_TARGET; break;
	case SQLW_UPDATE:
		l->expect = SQL_EXPECT_TARGET;
		l->is_query = l->is_list = true;
		break;
	case SQLW_CREATE:
	case SQLW_ALTER:
	case SQLW_DROP: l->expect = SQL_EXPECT_KIND; break;
	case SQLW_TRUNCATE:
	case SQLW_LOCK:
	case SQLW_BEGIN:
	case SQLW_START:
	case SQLW_COMMIT:
	case SQLW_ROLLBACK:
	case SQLW_END:
	case SQLW_ABORT: l->expect = SQL_EXPECT_SUFFIX; break;
	case SQLW_EXPLAIN:
	case SQLW_DESC:
	case SQLW_DESCRIBE: l->expect = SQL_EXPECT_EXPLAINED; break;
	default: break;
	}
}

static void start(struct sql_summary *s, struct sql_level *l, const struct sql_token *t)
{
	begin_operation(s, l, t);
	expect_of(l);
}

/* CREATE [OR REPLACE] [UNIQUE] ... INDEX: the word that says what kind of thing it is. */
static void kind_word(struct sql_summary *s, struct sql_level *l, const struct sql_token *t)
{
	static const char *const before[] = {
		"OR",	     "REPLACE",	 "TEMP",	 "TEMPORARY", "UNIQUE",	   "GLOBAL",
		"LOCAL",     "UNLOGGED", "RECURSIVE",	 "FULLTEXT",  "SPATIAL",   "EXTERNAL",
		"TRUSTED",   "DEFINER",	 "CURRENT_USER", "ALGORITHM", "UNDEFINED", "MERGE",
		"TEMPTABLE", "SQL",	 "SECURITY",	 "INVOKER",
	};

	for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++)
		if (slice_ieq(t->text, slice_str(before[i])))
			return;
	emit(s, t->text);
	if (t->word == SQLW_MATERIALIZED || t->word == SQLW_FOREIGN)
		return;
	l->expect = SQL_EXPECT_TARGET;
	l->is_list = l->op == SQLW_DROP;
}

/* TRUNCATE [TABLE] t, LOCK TABLES t, BEGIN [TRANSACTION]. */
static bool suffix_word(struct sql_summary *s, struct sql_level *l, const struct sql_token *t)
{
	bool has_target = l->op == SQLW_TRUNCATE || l->op == SQLW_LOCK;

	l->expect = has_target ? SQL_EXPECT_TARGET : SQL_EXPECT_NONE_EVER;
	l->is_list = l->op == SQLW_TRUNCATE;
	if (has_target ? t->word != SQLW_TABLE && t->word != SQLW_TABLES
		       : t->word != SQLW_TRANSACTION)
		return false;
	emit(s, t->text);
	return true;
}

static void cte_word(struct sql_summary *s, struct sql_level *l, const struct sql_token *t)
{
	if (t->word == SQLW_RECURSIVE)
		return;
	if (s->n_cte < SQL_CTES)
		s->cte[s->n_cte++] = t->text;
	l->expect = SQL_EXPECT_NOTHING;
}

/* True: the word was a target, or on the way to one. */
static bool target_word(struct sql_summary *s, struct sql_level *l, const struct sql_token *t)
{
	uint8_t flags = sql_word_flags(t->word);

	if (flags & SQLF_PASS || (t->word == SQLW_INTO && l->expect == SQL_EXPECT_TARGET))
		return true;
	if (l->expect == SQL_EXPECT_TABLE && l->is_first &&
	    (t->word == SQLW_SELECT || t->word == SQLW_WITH)) {
		start(s, l, t);
		return true;
	}
	l->expect = SQL_EXPECT_NOTHING;
	if (flags & SQLF_NEVER)
		return false;
	begin_name(s, t->text);
	return true;
}

static void from(struct sql_summary *s, struct sql_level *l)
{
	if (!l->is_query || s->is_distinct)
		return;
	l->expect = SQL_EXPECT_TABLE;
	l->is_list = true;
}

static void ordinary_word(struct sql_summary *s, struct sql_level *l, const struct sql_token *t)
{
	switch ((int)t->word) {
	case SQLW_SELECT: start(s, l, t); return;
	case SQLW_FROM: from(s, l); return;
	case SQLW_JOIN:
	case SQLW_APPLY:
	case SQLW_STRAIGHT_JOIN:
		if (l->is_query || l->is_list)
			l->expect = SQL_EXPECT_TABLE;
		return;
	case SQLW_USING:
		if (l->op == SQLW_MERGE || (l->op == SQLW_DELETE && l->is_list))
			l->expect = SQL_EXPECT_TABLE;
		if (l->op == SQLW_MERGE)
			l->op = SQLW_NAME; /* JOIN ... USING (x) is another one */
		return;
	case SQLW_AS:
		if (l->op == SQLW_PREPARE)
			l->expect = SQL_EXPECT_STATEMENT;
		return;
	default: break;
	}
	/* WITH a AS (...) INSERT ... */
	if (l->is_with && !s->is_as && (sql_word_flags(t->word) & SQLF_START))
		start(s, l, t);
	else if (sql_word_flags(t->word) & SQLF_NO_LIST)
		l->is_list = false;
}

static void explained_word(struct sql_summary *s, struct sql_level *l, const struct sql_token *t)
{
	if (t->word == SQLW_ANALYZE || t->word == SQLW_VERBOSE || t->word == SQLW_EXTENDED)
		return;
	l->expect = SQL_EXPECT_NONE_EVER;
	if (sql_word_flags(t->word) & SQLF_START)
		start(s, l, t);
}

static void word(struct sql_summary *s, struct sql_level *l, const struct sql_token *t)
{
	switch ((enum sql_expect)l->expect) {
	case SQL_EXPECT_STATEMENT: start(s, l, t); return;
	case SQL_EXPECT_QUERY:
		l->expect = SQL_EXPECT_NOTHING;
		if (t->word == SQLW_SELECT || t->word == SQLW_WITH)
			start(s, l, t);
		return;
	case SQL_EXPECT_TARGET:
	case SQL_EXPECT_TABLE:
		if (target_word(s, l, t))
			return;
		break;
	case SQL_EXPECT_KIND: kind_word(s, l, t); return;
	case SQL_EXPECT_SUFFIX:
		if (!suffix_word(s, l, t) && l->expect == SQL_EXPECT_TARGET)
			target_word(s, l, t);
		return;
	case SQL_EXPECT_EXPLAINED: explained_word(s, l, t); return;
	case SQL_EXPECT_CTE: cte_word(s, l, t); return;
	case SQL_EXPECT_NONE_EVER: return;
	case SQL_EXPECT_NOTHING: break;
	}
	ordinary_word(s, l, t);
}

static void open_level(struct sql_summary *s)
{
	struct sql_level *l = level(s), *inner;
	uint8_t expect = SQL_EXPECT_QUERY;
	bool is_table = l->expect == SQL_EXPECT_TABLE;

	if (l->expect == SQL_EXPECT_NONE_EVER)
		expect = SQL_EXPECT_NONE_EVER;
	else if (is_table)
		expect = SQL_EXPECT_TABLE;
	else if (l->expect == SQL_EXPECT_STATEMENT || s->is_as)
		expect = SQL_EXPECT_STATEMENT;
	if (l->expect != SQL_EXPECT_NONE_EVER && l->expect != SQL_EXPECT_EXPLAINED)
		l->expect = SQL_EXPECT_NOTHING;
	s->depth++;
	if (is_deep(s))
		return;
	inner = level(s);
	*inner = (struct sql_level){ .expect = expect, .is_list = is_table, .is_first = true };
}

static void close_level(struct sql_summary *s)
{
	if (s->depth)
		s->depth--;
}

static void end_statement(struct sql_summary *s)
{
	s->depth = 0;
	s->n_cte = 0;
	s->level[0] = (struct sql_level){ .expect = SQL_EXPECT_STATEMENT };
	s->is_separate = s->out.n > 0;
}

static void punct(struct sql_summary *s, char c)
{
	struct sql_level *l = level(s);

	switch (c) {
	case '(': open_level(s); return;
	case ')': close_level(s); return;
	case ';': end_statement(s); return;
	case ',':
		if (is_deep(s))
			return;
		if (l->is_with)
			l->expect = SQL_EXPECT_CTE;
		else if (l->is_list)
			l->expect = SQL_EXPECT_TABLE;
		return;
	default:
		if (l->expect == SQL_EXPECT_TARGET || l->expect == SQL_EXPECT_TABLE)
			l->expect = SQL_EXPECT_NOTHING;
	}
}

/* True: the token belongs to the name before it. */
static bool name_token(struct sql_summary *s, const struct sql_token *t)
{
	bool is_dot = t->kind == SQL_PUNCT && t->text.n == 1 && t->text.p[0] == '.';

	if (s->is_name && !s->is_dotted && is_dot) {
		s->is_dotted = true;
		return true;
	}
	if (s->is_dotted && (t->kind == SQL_WORD || t->kind == SQL_QUOTED)) {
		go_on_name(s, SLICE("."));
		if (!s->out.is_full)
			go_on_name(s, t->text);
		s->is_dotted = false;
		return true;
	}
	end_name(s);
	return false;
}

void sql_summary_token(struct sql_summary *s, const struct sql_token *t)
{
	struct sql_level *l = level(s);

	if (t->kind == SQL_SPACE || t->kind == SQL_COMMENT || name_token(s, t))
		return;
	if (t->kind == SQL_PUNCT) {
		punct(s, (char)t->text.p[0]);
	} else if (is_deep(s)) {
		return;
	} else if (t->kind == SQL_WORD) {
		word(s, l, t);
	} else if (t->kind == SQL_QUOTED &&
		   (l->expect == SQL_EXPECT_TARGET || l->expect == SQL_EXPECT_TABLE ||
		    l->expect == SQL_EXPECT_SUFFIX)) {
		l->expect = SQL_EXPECT_NOTHING;
		begin_name(s, t->text);
	} else if (t->kind == SQL_QUOTED && l->expect == SQL_EXPECT_CTE) {
		cte_word(s, l, t);
	} else if (l->expect != SQL_EXPECT_NONE_EVER && l->expect != SQL_EXPECT_STATEMENT &&
		   l->expect != SQL_EXPECT_KIND) {
		l->expect = SQL_EXPECT_NOTHING;
	}
	l->is_first = false;
	s->is_distinct = t->word == SQLW_DISTINCT;
	if (t->word != SQLW_NOT && t->word != SQLW_MATERIALIZED)
		s->is_as = t->word == SQLW_AS && l->is_with;
}

void sql_summary_end(struct sql_summary *s)
{
	if (s->is_dotted) /* cut off within a name */
		sql_back(&s->out, s->name_begin);
	end_name(s);
}
