/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the SQL reader share; nobody else includes it. */
#ifndef SQL_PARTS_H
#define SQL_PARTS_H

#include <stdint.h>
#include "proto/sql.h"

enum sql_kind {
	SQL_SPACE,
	SQL_COMMENT,
	SQL_WORD,    /* keyword or name */
	SQL_QUOTED,  /* a name in quotes, which are part of the text */
	SQL_LITERAL, /* string or number, with sign and prefix */
	SQL_PARAM,   /* $1, ?, :name, @name */
	SQL_PUNCT,   /* one character, or :: */
};

enum sql_word {
	SQLW_NAME, /* no word that matters here */
#define WORD(ID, text, flags) SQLW_##ID,
#include "proto/sql_words.def"
#undef WORD
	SQLW_MAX
};

struct sql_token {
	enum sql_kind kind;
	enum sql_word word; /* of SQL_WORD */
	struct slice text;
};

struct sql_lexer {
	const uint8_t *p, *end;
	enum sql_dialect dialect;
	enum sql_kind last; /* kind of the token before */
	uint8_t last_char;  /* of it */
	bool is_cut, is_backslash;
	bool is_executed; /* within a comment that MySQL executes */
};

/* False at the end, and where a literal, a comment or a quoted name has none. */
bool sql_next(struct sql_lexer *l, struct sql_token *t);

/* sql_word.c. Flags of words */
enum {
	SQLF_START = 1 << 0,   /* may begin a statement */
	SQLF_SOLO = 1 << 1,    /* begins a statement that names nothing worth a word */
	SQLF_NO_LIST = 1 << 2, /* ends a list of tables */
	SQLF_PASS = 1 << 3,    /* may stand between an operation and its target */
	SQLF_NEVER = 1 << 4,   /* is no target, even where one is due */
};

enum sql_word sql_word_find(struct slice text);
uint8_t sql_word_flags(enum sql_word word);

struct sql_out {
	char *p;
	size_t n, max;
	bool is_full; /* something did not fit: nothing more comes */
};

/* Whole or not at all. */
static inline void sql_put(struct sql_out *o, struct slice s)
{
	if (o->is_full || s.n > o->max - o->n) {
		o->is_full = true;
		return;
	}
	memcpy(o->p + o->n, s.p, s.n);
	o->n += s.n;
}

/* A place to go back to. */
struct sql_mark {
	size_t n;
	bool is_full;
};

static inline struct sql_mark sql_mark(const struct sql_out *o)
{
	return (struct sql_mark){ o->n, o->is_full };
}

static inline void sql_back(struct sql_out *o, struct sql_mark m)
{
	o->n = m.n;
	o->is_full = m.is_full;
}

/* sql_text.c */
struct sql_text {
	struct sql_out out;
	enum sql_dialect dialect;
	enum sql_word first; /* of the statement */
	enum sql_word
		before[2]; /* the words before, if nothing but space lies between: last first */
	bool is_first;	   /* the next word is the first of a statement */
	bool is_value;	   /* of SET: names are values here */
	/* IN (...): everything behind the first literal of a list of literals goes */
	struct {
		bool is_on, has_one;
		struct sql_mark mark;
	} list;
	/* VALUES (...), (...): everything behind the first row goes */
	struct {
		enum { SQL_ROWS_NONE, SQL_ROWS_FIRST, SQL_ROWS_BETWEEN, SQL_ROWS_MORE } state;
		bool is_comma; /* since the last row */
		int depth;
		struct sql_mark mark;
	} rows;
};

void sql_text_token(struct sql_text *t, const struct sql_token *token);

/* sql_summary.c */
enum { SQL_DEPTH = 16, SQL_CTES = 8 };

enum sql_expect {
	SQL_EXPECT_NOTHING,
	SQL_EXPECT_STATEMENT, /* the word that says what is to be done */
	SQL_EXPECT_QUERY,     /* behind a parenthesis: SELECT, or nothing of interest */
	SQL_EXPECT_TARGET,
	SQL_EXPECT_TABLE,  /* a target or, behind a parenthesis, a query */
	SQL_EXPECT_KIND,   /* of object: CREATE, ALTER, DROP */
	SQL_EXPECT_SUFFIX, /* TRANSACTION, TABLE: a second word of the operation */
	SQL_EXPECT_EXPLAINED,
	SQL_EXPECT_CTE,	      /* the name of one */
	SQL_EXPECT_NONE_EVER, /* until the next statement */
};

struct sql_level {
	uint8_t expect;
	bool is_list;  /* a comma is followed by one more target */
	bool is_query; /* FROM names tables */
	bool is_with;  /* behind WITH, before the statement proper */
	bool is_first; /* nothing stands before */
	enum sql_word op;
};

struct sql_summary {
	struct sql_out out;
	struct sql_mark name_begin; /* of the target that may go on with a dot */
	struct slice name;
	bool is_name;	  /* the last token was (part of) a target */
	bool is_dotted;	  /* and a dot behind it */
	bool is_single;	  /* and nothing before that */
	bool is_separate; /* a semicolon lies before the next operation */
	bool is_distinct; /* the word before was DISTINCT: IS DISTINCT FROM */
	bool is_as;	  /* ... AS, maybe [NOT] MATERIALIZED */
	unsigned depth;	  /* levels beyond SQL_DEPTH are counted only */
	struct sql_level level[SQL_DEPTH];
	struct slice cte[SQL_CTES];
	unsigned n_cte;
};

void sql_summary_token(struct sql_summary *s, const struct sql_token *token);
void sql_summary_end(struct sql_summary *s);

#endif
