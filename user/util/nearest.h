/* SPDX-License-Identifier: Apache-2.0 */
/* The valid word a person most likely meant. */
#ifndef NEAREST_H
#define NEAREST_H

#include <stddef.h>

enum { NEAREST_WORD_MAX = 64 }; /* longer words are compared by their first bytes */

/* Edits (insert, delete, replace, swap of neighbours) from a to b; ASCII case is ignored. */
size_t nearest_distance(const char *a, const char *b);

/* Remembers the closest word offered so far. Zero it before the first offer. */
struct nearest {
	const char *word; /* borrowed from the offers; NULL: none was made */
	size_t distance;
};

void nearest_offer(struct nearest *n, const char *meant, const char *word);

/* "; did you mean listen?" or, when nothing is close, "; the nearest is listen". */
void nearest_say(const struct nearest *n, const char *prefix, char *out, size_t size);

#endif
