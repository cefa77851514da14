// SPDX-License-Identifier: Apache-2.0
/* The text: what is no literal stays as it was written, white space included. */
#include "proto/sql_parts.h"

static bool is_char(const struct sql_token *t, char c)
{
	return t->kind == SQL_PUNCT && t->text.n == 1 && t->text.p[0] == (uint8_t)c;
}

static bool is_placeholder(const struct sql_token *t)
{
	return t->kind == SQL_LITERAL || (t->kind == SQL_PARAM && t->text.p[0] == '?');
}

/* TRUE and FALSE are literals, except in IS [NOT] TRUE, which is an operator. */
static bool is_boolean(const struct sql_text *t, const struct sql_token *token)
{
	if (token->word != SQLW_TRUE && token->word != SQLW_FALSE)
		return false;
	return t->before[0] != SQLW_IS && !(t->before[0] == SQLW_NOT && t->before[1] == SQLW_IS);
}

/* A name where only a secret can be meant: PASSWORD "x", IDENTIFIED BY "x". */
static bool is_secret(const struct sql_text *t, const struct sql_token *token)
{
	bool is_account = t->first == SQLW_ALTER || t->first == SQLW_CREATE ||
			  t->first == SQLW_GRANT || t->first == SQLW_SET;

	if (token->kind != SQL_QUOTED || !is_account)
		return false;
	return t->before[0] == SQLW_PASSWORD ||
	       (t->before[0] == SQLW_BY && t->before[1] == SQLW_IDENTIFIED);
}

/* SET name = value, SET name TO value: what is no literal is a value all the same. */
static void track_set(struct sql_text *t, const struct sql_token *token)
{
	if (t->first != SQLW_SET)
		return;
	if (is_char(token, '=') || (token->kind == SQL_PUNCT && token->text.n == 2) ||
	    token->word == SQLW_TO)
		t->is_value = true;
	else if (is_char(token, '(') || (is_char(token, ',') && t->dialect == SQL_MYSQL))
		t->is_value = false;
}

static void put(struct sql_text *t, const struct sql_token *token)
{
	bool is_name = token->kind == SQL_WORD || token->kind == SQL_QUOTED;

	if (token->kind == SQL_COMMENT || (token->kind == SQL_SPACE && t->out.n == 0))
		return;
	if (token->kind == SQL_LITERAL || (t->is_value && is_name) || is_boolean(t, token) ||
	    is_secret(t, token))
		sql_put(&t->out, SLICE("?"));
	else
		sql_put(&t->out, token->text);
}

/* True: the token is one of a row that goes. */
static bool track_rows(struct sql_text *t, const struct sql_token *token)
{
	bool is_open = is_char(token, '('), is_close = is_char(token, ')');
	bool is_within = t->rows.state == SQL_ROWS_FIRST || t->rows.state == SQL_ROWS_MORE;

	if (is_within) {
		bool is_gone = t->rows.state == SQL_ROWS_MORE;

		t->rows.depth += is_open - is_close;
		if (t->rows.depth == 0)
			t->rows.state = SQL_ROWS_BETWEEN;
		return is_gone;
	}
	if (t->rows.state == SQL_ROWS_BETWEEN) {
		if (is_open && t->rows.is_comma) {
			sql_back(&t->out, t->rows.mark);
			t->rows.state = SQL_ROWS_MORE;
			t->rows.depth = 1;
			return true;
		}
		if (is_char(token, ','))
			t->rows.is_comma = true;
		else if (token->kind != SQL_SPACE && token->kind != SQL_COMMENT &&
			 token->word != SQLW_ROW)
			t->rows.state = SQL_ROWS_NONE;
		return false;
	}
	if (is_open && (t->before[0] == SQLW_VALUES || t->before[0] == SQLW_VALUE ||
			(t->before[0] == SQLW_ROW && t->before[1] == SQLW_VALUES) ||
			(t->list.is_on && !t->list.has_one))) {
		t->rows.state = SQL_ROWS_FIRST;
		t->rows.depth = 1;
	}
	return false;
}

/* Behind the first literal of IN (1, 2, 3) come only a comma and a literal: back to it. */
static bool track_list(struct sql_text *t, const struct sql_token *token)
{
	if (is_char(token, '(') && t->before[0] == SQLW_IN) {
		t->list.is_on = true;
		t->list.has_one = false;
		return false;
	}
	if (!t->list.is_on || token->kind == SQL_SPACE || token->kind == SQL_COMMENT)
		return false;
	if (is_placeholder(token)) {
		if (t->list.has_one)
			sql_back(&t->out, t->list.mark);
		return t->list.has_one;
	}
	if (is_char(token, ')') && t->list.has_one)
		sql_back(&t->out, t->list.mark);
	if (!is_char(token, ','))
		t->list.is_on = false;
	return false;
}

static void end_statement(struct sql_text *t)
{
	t->first = SQLW_NAME;
	t->is_first = true;
	t->is_value = false;
	t->list.is_on = false;
	t->rows.state = SQL_ROWS_NONE;
}

void sql_text_token(struct sql_text *t, const struct sql_token *token)
{
	bool is_gone = track_rows(t, token);

	if (t->rows.state == SQL_ROWS_BETWEEN && is_char(token, ')'))
		t->rows.is_comma = false;
	if (!is_gone)
		is_gone = track_list(t, token);
	if (!is_gone)
		put(t, token);
	if (t->rows.state == SQL_ROWS_BETWEEN && is_char(token, ')') && !is_gone)
		t->rows.mark = sql_mark(&t->out);
	if (t->list.is_on && !t->list.has_one && is_placeholder(token)) {
		t->list.has_one = true;
		t->list.mark = sql_mark(&t->out);
	}
	if (token->kind == SQL_SPACE || token->kind == SQL_COMMENT)
		return;
	track_set(t, token);
	if (t->is_first && token->kind == SQL_WORD) {
		t->first = token->word;
		t->is_first = false;
	}
	t->before[1] = t->before[0];
	t->before[0] = token->kind == SQL_WORD ? token->word : SQLW_NAME;
	if (is_char(token, ';'))
		end_statement(t);
}
