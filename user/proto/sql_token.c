// SPDX-License-Identifier: Apache-2.0
/*
 * Where quotes are wrong, unknown or cut off, the doubt is resolved towards a literal: too little
 * is shown rather than too much.
 */
#include "proto/sql_parts.h"

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0x80;
}

static bool is_space(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_word(uint8_t c)
{
	return is_letter(c) || is_digit(c) || c == '$';
}

static uint8_t at(const struct sql_lexer *l, size_t i)
{
	return (size_t)(l->end - l->p) > i ? l->p[i] : 0;
}

/* Behind the quote that closes what l->p[open] opens; NULL: nothing does. A doubled quote is one. */
static const uint8_t *quoted_end(const struct sql_lexer *l, size_t open, uint8_t close,
				 bool is_backslash)
{
	const uint8_t *p = l->p + open + 1;

	while (p < l->end) {
		if (*p == '\\' && is_backslash) {
			p += p + 1 < l->end ? 2 : 1;
		} else if (*p != close) {
			p++;
		} else if (p + 1 < l->end && p[1] == close) {
			p += 2;
		} else if (p + 1 == l->end && l->is_cut) {
			return NULL; /* maybe the first of two */
		} else {
			return p + 1;
		}
	}
	return NULL;
}

/* PostgreSQL 4.1.2.4: $tag$ ... $tag$. NULL: it is no such string; `end`: it has no end. */
static const uint8_t *dollar_end(const struct sql_lexer *l)
{
	size_t n = 1;

	if (is_digit(at(l, 1)))
		return NULL;
	while (at(l, n) != '$') {
		if (!is_letter(at(l, n)) && !is_digit(at(l, n)))
			return NULL;
		n++;
	}
	n++;
	for (const uint8_t *p = l->p + n; (size_t)(l->end - p) >= n; p++)
		if (*p == '$' && memcmp(p, l->p, n) == 0)
			return p + n;
	return l->end;
}

/* PostgreSQL nests them, the standard does too, MySQL does not. */
static const uint8_t *comment_end(const struct sql_lexer *l)
{
	int depth = 1;

	for (const uint8_t *p = l->p + 2; p + 1 < l->end; p++) {
		if (p[0] == '*' && p[1] == '/') {
			p++;
			if (--depth == 0)
				return p + 1;
		} else if (p[0] == '/' && p[1] == '*' && l->dialect != SQL_MYSQL) {
			p++;
			depth++;
		}
	}
	return NULL;
}

static const uint8_t *line_end(const struct sql_lexer *l)
{
	const uint8_t *p = l->p;

	while (p < l->end && *p != '\n' && *p != '\r')
		p++;
	return p;
}

static bool is_line_comment(const struct sql_lexer *l)
{
	if (at(l, 0) == '#')
		return l->dialect == SQL_MYSQL;
	if (at(l, 0) != '-' || at(l, 1) != '-')
		return false;
	/* MySQL 11.7: 5--3 is arithmetic */
	return l->dialect != SQL_MYSQL || l->end - l->p == 2 || at(l, 2) <= ' ';
}

/* MySQL 11.7: the body of this one is executed; what opens and closes it is a comment. */
static const uint8_t *executed_comment(struct sql_lexer *l)
{
	const uint8_t *p = l->p;

	if (l->dialect != SQL_MYSQL)
		return NULL;
	if (l->is_executed && p[0] == '*' && at(l, 1) == '/') {
		l->is_executed = false;
		return p + 2;
	}
	if (p[0] != '/' || at(l, 1) != '*' ||
	    (at(l, 2) != '!' && !(at(l, 2) == 'M' && at(l, 3) == '!')))
		return NULL;
	l->is_executed = true;
	p += at(l, 2) == '!' ? 3 : 4;
	while (p < l->end && is_digit(*p))
		p++;
	return p;
}

/* Everything that could be a number's, so that nothing of it is left over. */
static const uint8_t *number_end(const struct sql_lexer *l, const uint8_t *p)
{
	bool is_hex = p[0] == '0' && p + 1 < l->end && slice_lower(p[1]) == 'x';

	while (p < l->end) {
		if (is_word(*p) || *p == '.')
			p++;
		else if ((*p == '+' || *p == '-') && !is_hex && slice_lower(p[-1]) == 'e' &&
			 p + 1 < l->end && is_digit(p[1]))
			p++;
		else
			break;
	}
	return p;
}

/* A sign that belongs to the number behind it: not where it stands close behind an operand. */
static bool is_signed_number(const struct sql_lexer *l)
{
	if (!is_digit(at(l, 1)) && !(at(l, 1) == '.' && is_digit(at(l, 2))))
		return false;
	return l->last == SQL_SPACE || l->last == SQL_COMMENT || l->last == SQL_LITERAL ||
	       (l->last == SQL_PUNCT && l->last_char != ')' && l->last_char != ']');
}

/* E'..', B'..', X'..', N'..', U&'..', U&"..": where the quote is; 0: no such prefix. */
static size_t prefix_length(const struct sql_lexer *l)
{
	uint8_t c = slice_lower(at(l, 0));

	if (c && strchr("ebxn", c) && at(l, 1) == '\'')
		return 1;
	if (c == 'u' && at(l, 1) == '&' && l->dialect != SQL_MYSQL &&
	    (at(l, 2) == '\'' || at(l, 2) == '"'))
		return 2;
	return 0;
}

static bool take(struct sql_lexer *l, struct sql_token *t, enum sql_kind kind, const uint8_t *end)
{
	if (!end) { /* it has no end: what is in it is not to be told */
		l->p = l->end;
		return false;
	}
	/* cut off: a name or number may go on, and be another one */
	if (end == l->end && l->is_cut && (kind == SQL_WORD || kind == SQL_PARAM)) {
		l->p = l->end;
		return false;
	}
	*t = (struct sql_token){ .kind = kind, .text = { l->p, (size_t)(end - l->p) } };
	if (kind == SQL_WORD)
		t->word = sql_word_find(t->text);
	l->last = kind;
	l->last_char = end[-1];
	l->p = end;
	return true;
}

static bool take_quote(struct sql_lexer *l, struct sql_token *t, size_t prefix)
{
	uint8_t c = at(l, prefix);
	bool is_string = c == '\'' || (c == '"' && l->dialect == SQL_MYSQL);
	bool is_escaped = is_string && (l->dialect == SQL_MYSQL || l->is_backslash ||
					(prefix == 1 && slice_lower(at(l, 0)) == 'e'));
	const uint8_t *end = quoted_end(l, prefix, c, is_escaped);

	if (is_string && !end)
		end = l->end;
	return take(l, t, is_string ? SQL_LITERAL : SQL_QUOTED, end);
}

/* [name] in ANSI; elsewhere, and where it could be anything else, a bracket is a bracket. */
static const uint8_t *bracket_end(const struct sql_lexer *l)
{
	const uint8_t *p = l->p + 1;

	if (l->dialect != SQL_ANSI || !is_letter(at(l, 1)) || l->last == SQL_WORD ||
	    l->last == SQL_QUOTED)
		return NULL;
	while (p < l->end && (is_word(*p) || *p == ' '))
		p++;
	return p < l->end && *p == ']' ? p + 1 : NULL;
}

static bool take_dollar(struct sql_lexer *l, struct sql_token *t)
{
	const uint8_t *end = dollar_end(l);

	if (end)
		return take(l, t, SQL_LITERAL, end);
	end = l->p + 1;
	while (end < l->end && is_digit(*end))
		end++;
	return take(l, t, end > l->p + 1 ? SQL_PARAM : SQL_PUNCT, end);
}

static const uint8_t *word_end(const struct sql_lexer *l, const uint8_t *p)
{
	while (p < l->end && is_word(*p))
		p++;
	return p;
}

static bool take_punct(struct sql_lexer *l, struct sql_token *t)
{
	uint8_t c = *l->p;

	if (c == ':' && (at(l, 1) == ':' || at(l, 1) == '='))
		return take(l, t, SQL_PUNCT, l->p + 2);
	if (c == '?')
		return take(l, t, SQL_PARAM, l->p + 1);
	if ((c == ':' || (c == '@' && l->last != SQL_WORD)) && is_letter(at(l, 1)))
		return take(l, t, SQL_PARAM, word_end(l, l->p + 1));
	if (c == '@' && at(l, 1) == '@' && is_letter(at(l, 2)))
		return take(l, t, SQL_PARAM, word_end(l, l->p + 2));
	return take(l, t, SQL_PUNCT, l->p + 1);
}

static bool take_space(struct sql_lexer *l, struct sql_token *t)
{
	const uint8_t *end = l->p;

	while (end < l->end && is_space(*end))
		end++;
	return take(l, t, SQL_SPACE, end);
}

bool sql_next(struct sql_lexer *l, struct sql_token *t)
{
	const uint8_t *end;
	uint8_t c;

	if (l->p >= l->end)
		return false;
	c = *l->p;
	if (is_space(c))
		return take_space(l, t);
	end = executed_comment(l);
	if (end)
		return take(l, t, SQL_COMMENT, end);
	if (c == '/' && at(l, 1) == '*')
		return take(l, t, SQL_COMMENT, comment_end(l));
	if (is_line_comment(l))
		return take(l, t, SQL_COMMENT, line_end(l));
	if (prefix_length(l))
		return take_quote(l, t, prefix_length(l));
	if (is_letter(c) || (c == '#' && l->dialect == SQL_ANSI && is_letter(at(l, 1))))
		return take(l, t, SQL_WORD, word_end(l, l->p + 1));
	if (c == '\'' || c == '"' || c == '`')
		return take_quote(l, t, 0);
	if (c == '[' && bracket_end(l))
		return take(l, t, SQL_QUOTED, bracket_end(l));
	if (c == '$' && l->dialect != SQL_MYSQL)
		return take_dollar(l, t);
	if (c == '$' && is_word(at(l, 1)))
		return take(l, t, SQL_WORD, word_end(l, l->p + 1));
	if (is_digit(c) ||
	    (c == '.' && is_digit(at(l, 1)) && l->last != SQL_WORD && l->last != SQL_QUOTED))
		return take(l, t, SQL_LITERAL, number_end(l, l->p));
	if ((c == '+' || c == '-') && is_signed_number(l))
		return take(l, t, SQL_LITERAL, number_end(l, l->p + 1));
	return take_punct(l, t);
}
