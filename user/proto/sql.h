/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SQL made fit to be shown: its text without literals, and the summary that the OpenTelemetry
 * semantic conventions call db.query.summary. One pass, no allocation, bounded output; whatever the
 * text is, nothing that stands in a literal comes out.
 *
 *     INSERT INTO t VALUES (1, 'a'), (2, 'b') -- note    ->    INSERT INTO t VALUES (?, ?)
 *                                                              INSERT t
 *
 *   sql_token.c    bytes into words, literals, comments     sql_text.c      the text
 *   sql_word.c     what words mean                          sql_summary.c   the summary
 */
#ifndef SQL_H
#define SQL_H

#include <stdbool.h>
#include <stddef.h>
#include "proto/context.h"
#include "util/slice.h"

/* What quotes mean: "x" is a name in all but MySQL, [x] in ANSI alone (which stands for everything
 * that is neither), '\' escapes in MySQL, and in E'' strings. */
enum sql_dialect { SQL_ANSI, SQL_POSTGRESQL, SQL_MYSQL };

enum {
	SQL_TEXT_MAX = 1024,   /* bytes of text that are kept */
	SQL_SUMMARY_MAX = 255, /* the convention's limit */
	SQL_SCAN_MAX = 8192,   /* bytes that are looked at; what lies behind them is cut off */
	SQL_ROOM = SQL_TEXT_MAX + SQL_SUMMARY_MAX,
};

struct sql {
	struct slice text;    /* without literals, comments, further rows of VALUES and IN lists */
	struct slice summary; /* operations and their targets, in order; empty: nothing known */
	struct slice operation; /* the first word of the summary */
	struct context context; /* that a comment of sqlcommenter names */
};

struct sql_source {
	struct slice text;
	enum sql_dialect dialect;
	bool is_cut;	   /* the end is missing: what touches it is not shown */
	bool is_backslash; /* '\' escapes in every string, whatever the dialect says */
};

/* The results point into `room`, of SQL_ROOM bytes. */
void sql_describe(const struct sql_source *source, char *room, struct sql *out);

#endif
