/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A screen before it is one: cells with a glyph and a style each. What is drawn is pure, so that
 * tests read it; screen.c paints it. Names come from observed programs: nothing of them steers a
 * terminal.
 */
#ifndef CANVAS_H
#define CANVAS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <wchar.h>

enum style {
	STYLE_NORMAL,
	STYLE_DIM,
	STYLE_BOLD,
	STYLE_TITLE,
	STYLE_HEAD,   /* titles of columns */
	STYLE_SORTED, /* of the one that is sorted by */
	STYLE_GOOD,
	STYLE_WARN,
	STYLE_BAD,
	STYLE_SPARK,
	STYLE_KEY,
	STYLE_WAIT, /* and the following six: as enum txn_wait */
	STYLE_MAX = STYLE_WAIT + 7,
};

struct cell {
	wchar_t glyph; /* 0: the second half of the one before */
	uint8_t style;
	bool is_selected;
};

struct canvas {
	int width, height;
	bool is_unicode;    /* else what is not ASCII becomes '?' */
	bool is_color;	    /* else bars are made of letters */
	struct cell *cells; /* owned; rows of `width` */
};

/* (Re)sizes and clears. 0, -ENOMEM. */
int canvas_reset(struct canvas *c, int width, int height);
void canvas_free(struct canvas *c);

/* Writes UTF-8 text from column x on, at most `room` columns; what does not fit ends with an
 * ellipsis. What is no text becomes '?'. Returns the columns used. Outside of the canvas: none. */
int canvas_text(struct canvas *c, int y, int x, int room, enum style style, const char *text);
/* The same, ending at column x + room. */
void canvas_right(struct canvas *c, int y, int x, int room, enum style style, const char *text);
void canvas_glyph(struct canvas *c, int y, int x, enum style style, wchar_t glyph);
/* Gives `room` cells a style, and keeps what stands in them. */
void canvas_fill(struct canvas *c, int y, int x, int room, enum style style);
void canvas_select(struct canvas *c, int y);

/* Columns that a text takes. */
int canvas_width(const char *text);

/* A line as UTF-8, spaces at its end left out: for tests, and for whoever prints it. */
void canvas_line(const struct canvas *c, int y, char *out, size_t size);

#endif
