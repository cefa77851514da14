/* SPDX-License-Identifier: Apache-2.0 */
#include "util/nearest.h"

#include <stdio.h>
#include <string.h>
#include "util/slice.h"

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t m = a < b ? a : b;

	return m < c ? m : c;
}

static int differ(const char *a, const char *b)
{
	return slice_lower((uint8_t)*a) != slice_lower((uint8_t)*b);
}

/* Optimal string alignment: three rows of the matrix are enough. */
size_t nearest_distance(const char *a, const char *b)
{
	size_t rows[3][NEAREST_WORD_MAX + 1];
	size_t *before = rows[0], *above = rows[1], *row = rows[2], *spare;
	size_t an = strnlen(a, NEAREST_WORD_MAX), bn = strnlen(b, NEAREST_WORD_MAX);

	for (size_t j = 0; j <= bn; j++)
		above[j] = j;
	for (size_t i = 1; i <= an; i++) {
		row[0] = i;
		for (size_t j = 1; j <= bn; j++) {
			row[j] = min3(above[j] + 1, row[j - 1] + 1,
				      above[j - 1] + (size_t)differ(a + i - 1, b + j - 1));
			if (i > 1 && j > 1 && !differ(a + i - 1, b + j - 2) &&
			    !differ(a + i - 2, b + j - 1) && before[j - 2] + 1 < row[j])
				row[j] = before[j - 2] + 1;
		}
		spare = before;
		before = above;
		above = row;
		row = spare;
	}
	return above[bn];
}

void nearest_offer(struct nearest *n, const char *meant, const char *word)
{
	size_t d = nearest_distance(meant, word);

	if (n->word && d >= n->distance)
		return;
	n->word = word;
	n->distance = d;
}

void nearest_say(const struct nearest *n, const char *prefix, char *out, size_t size)
{
	out[0] = '\0';
	if (!n->word)
		return;
	if (n->distance * 2 <= strlen(n->word))
		snprintf(out, size, "; did you mean %s%s?", prefix, n->word);
	else
		snprintf(out, size, "; the nearest is %s%s", prefix, n->word);
}
