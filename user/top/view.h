/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The live view: what one has zoomed into, sorts by and filters, and where the cursor is. Pure:
 * keys and frames in, cells out.
 */
#ifndef VIEW_H
#define VIEW_H

#include "top/canvas.h"
#include "top/column.h"
#include "top/frame.h"

/* Keys beyond Unicode. */
enum view_key {
	VIEW_UP = 0x110000,
	VIEW_DOWN,
	VIEW_PAGE_UP,
	VIEW_PAGE_DOWN,
	VIEW_HOME,
	VIEW_END,
	VIEW_ENTER,
	VIEW_ESCAPE,
	VIEW_BACKSPACE,
};

/* What is to be done after a key. */
enum view_action {
	VIEW_NOTHING,
	VIEW_ASK, /* another frame is wanted at once */
	VIEW_QUIT,
	VIEW_FORWARD, /* through a recording */
	VIEW_BACK,
	VIEW_RECORD, /* begin to, or end it */
	VIEW_COPY,   /* view_selected() */
};

struct view {
	struct top_ask ask;
	size_t sort[TOP_REQUESTS + 1]; /* by level: place in the table of columns */
	bool is_reverse;
	bool is_paused;
	bool is_help;
	bool is_typing; /* a filter */
	bool is_replay; /* t and T are of use */
	bool is_recording;
	char filter[64];
	uint64_t cursor_key;  /* of the row in hand, 0: the first */
	size_t cursor, first; /* places among what is shown; first: at the top of the screen */
	size_t *order;	      /* owned; of the items of the frame that are shown */
	size_t n_order, room;
	char message[160]; /* told once, until the next key */
};

void view_init(struct view *v);
void view_free(struct view *v);

enum view_action view_press(struct view *v, int key, const struct top_frame *f);

/* Chooses and sorts what is shown of a frame; the cursor stays with its row. 0, -ENOMEM. */
int view_take(struct view *v, const struct top_frame *f, int height);

/* The item in hand: of rows, or of requests at TOP_REQUESTS; NULL: there is none. */
const struct top_row *view_row(const struct view *v, const struct top_frame *f);
const struct recent_request *view_request(const struct view *v, const struct top_frame *f);

/* Paints all of it. */
void view_draw(const struct view *v, const struct top_frame *f, struct canvas *c);

/* When the next picture is due, after one that was begun at now_ns and cost so much CPU: in a
 * second, or later where there is so much to show that all pictures would take over 3 % of a core.
 */
uint64_t view_due_ns(uint64_t now_ns, uint64_t cost_ns);

/* Rows of the table that a screen of that height has. */
int view_table_height(int height);

#endif
