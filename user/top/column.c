/* SPDX-License-Identifier: Apache-2.0 */
#include "top/column.h"

/* A column and the space behind it. */
static int taken(int width)
{
	return width + 1;
}

/* The one of the best rank that is not there yet; -1: it does not fit. None of a worse rank takes
 * its place, so that a wider screen never has fewer. */
static int next_column(const struct columns *cs, const struct top_frame *f, const bool *is_there,
		       int room)
{
	int best = -1;

	for (size_t i = 0; i < cs->n; i++) {
		const struct column *c = &cs->list[i];

		if (is_there[i] || (c->is_known && !c->is_known(f)))
			continue;
		if (best < 0 || c->rank < cs->list[best].rank)
			best = (int)i;
	}
	return best >= 0 && taken(cs->list[best].width) <= room ? best : -1;
}

size_t columns_fit(const struct columns *cs, const struct top_frame *f, int width, size_t *places,
		   int *widths)
{
	bool is_there[COLUMNS_MAX] = { false };
	int room = width + 1; /* the last one needs no space behind it */
	size_t n = 0;
	int i;

	while ((i = next_column(cs, f, is_there, room)) >= 0) {
		is_there[i] = true;
		room -= taken(cs->list[i].width);
	}
	for (size_t k = 0; k < cs->n; k++) {
		if (!is_there[k])
			continue;
		places[n] = k;
		widths[n++] = cs->list[k].width;
	}
	/* what is left over: to the first that can grow, then to the next */
	for (size_t k = 0; k < n && room > 0; k++) {
		int more = cs->list[places[k]].max_width - widths[k];

		more = more < 0 ? 0 : more < room ? more : room;
		widths[k] += more;
		room -= more;
	}
	return n;
}
