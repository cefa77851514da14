/* SPDX-License-Identifier: Apache-2.0 */
/* Files of /proc as text: lines of words. What does not fit reads as nothing, never as an error. */
#ifndef TEXT_H
#define TEXT_H

#include <stdbool.h>
#include <stdint.h>
#include "util/slice.h"

/* The next line of what is left in *text, without its end. False: there is none. */
bool text_line(struct slice *text, struct slice *line);

/* The next word of what is left of a line; blanks separate. Empty: there is none. */
struct slice text_word(struct slice *line);

/* Leaves out so many words. */
void text_skip(struct slice *line, int words);

/* A decimal number at the start of a word, saturating; 0 when there is none. */
uint64_t text_u64(struct slice word);

/* "12.34" in billionths, digits beyond the ninth left out. */
uint64_t text_nano(struct slice word);

#endif
