/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MEDIAN_H
#define MEDIAN_H

#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS = 21 };

static inline int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static inline void print_median(const char *name, double *rounds)
{
	qsort(rounds, ROUNDS, sizeof(*rounds), compare);
	printf("%-28s %7.1f ns  (%.1f to %.1f)\n", name, rounds[ROUNDS / 2], rounds[0],
	       rounds[ROUNDS - 1]);
}

#endif
