/* SPDX-License-Identifier: Apache-2.0 */
/* The live view within the loop: the clock, the keyboard, and where frames come from. */
#ifndef TOP_UI_H
#define TOP_UI_H

#include <stdio.h>
#include "loop.h"
#include "top/view.h"

struct screen;

struct top_source {
	void *ctx;
	/* Fills the frame. at_ns: as it was then, while paused; 0: now. 0, -errno. */
	int (*read)(void *ctx, const struct top_ask *ask, uint64_t at_ns, struct top_frame *f);
	/* A step through time; NULL: there is only now. */
	int (*step)(void *ctx, int way);
	/* Begins or ends a recording, and says so in `said`: it goes on when true. NULL: cannot. */
	bool (*record)(void *ctx, char *said, size_t size);
};

struct top_ui {
	struct loop *loop; /* borrowed */
	struct top_source source;
	struct screen *screen;
	struct view view;
	uint64_t due_ns; /* the next picture that nobody asks for */
	struct canvas canvas;
	struct top_frame frame;
	char *copied; /* owned; for stdout, once the terminal is given back */
	size_t copied_size;
	FILE *copies;
};

/* Takes the terminal over, from the first turn of the loop on. 0, or -1 after saying why not on
 * stderr; top_ui_close() is due either way. */
int top_ui_open(struct top_ui *ui, struct loop *loop, const struct top_source *source);
void top_ui_close(struct top_ui *ui);

#endif
