/* SPDX-License-Identifier: Apache-2.0 */
/*
 * THE tables of columns: what is shown of a row and of a single request, how wide, and how it is
 * sorted. Those that fit are chosen by rank; those of which nothing is known are left out.
 */
#ifndef COLUMN_H
#define COLUMN_H

#include "top/canvas.h"
#include "top/frame.h"

enum { COLUMNS_MAX = 24, COLUMN_TEXT_LEN = 256 };

enum column_kind {
	COLUMN_LEFT,  /* text */
	COLUMN_RIGHT, /* numbers */
	COLUMN_WAITS, /* a bar of what the time went into */
	COLUMN_SPARK, /* requests of each second, the latest at the right */
};

struct column {
	const char *title;
	const char *help;
	enum column_kind kind;
	int width, max_width; /* what is over goes to the columns that can grow */
	int rank;	      /* 1: the last to be left out */
	enum style (*text)(const void *item, char *out); /* COLUMN_TEXT_LEN bytes */
	/* < 0: a goes first. NULL: not to be sorted by. */
	int (*compare)(const void *a, const void *b);
	bool (*is_known)(const struct top_frame *f); /* NULL: always */
};

struct columns {
	const struct column *list;
	size_t n;
	size_t item_size;
	size_t sort; /* what it is sorted by at first */
};

/* Those of a level: items are struct top_row, or struct recent_request. */
const struct columns *columns_of(enum top_level level, enum recent_group group);

/* The columns that fit into `width`: their places in the list, and widths. Returns how many. */
size_t columns_fit(const struct columns *cs, const struct top_frame *f, int width, size_t *places,
		   int *widths);

#endif
