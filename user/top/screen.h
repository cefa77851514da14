/* SPDX-License-Identifier: Apache-2.0 */
/* A terminal that shows a canvas and tells keys; the only file that knows ncurses. */
#ifndef SCREEN_H
#define SCREEN_H

#include "top/canvas.h"

struct screen;

bool screen_is_built(void); /* the library was there when this was built */

/* Takes over the terminal. NULL: it is none that can be painted on, with the reason in err. */
struct screen *screen_open(char *err, size_t size);
/* Gives it back as it was, and prints what messages came meanwhile on stderr; NULL accepted. */
void screen_close(struct screen *s);

/* Its size, and what it can show, for canvas_reset(). */
int screen_fit(struct screen *s, struct canvas *c);
void screen_paint(struct screen *s, const struct canvas *c);

int screen_key(struct screen *s); /* a character, or enum view_key; -1: none is waiting */

/* Puts text into the clipboard of the terminal, where it allows that (OSC 52). */
void screen_copy(struct screen *s, const char *text);
/* The last line written to stderr since asked; empty: none. */
void screen_said(struct screen *s, char *out, size_t size);

#endif
