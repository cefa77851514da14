/* SPDX-License-Identifier: Apache-2.0 */
/* Memory between two inaccessible pages: a parser that reads one byte outside of its input dies. */
#ifndef GUARD_H
#define GUARD_H

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "util/slice.h"

struct guard {
	uint8_t *map;
	uint8_t *end; /* the page behind begins here */
	size_t size;  /* usable bytes before it */
};

/* Room for at least `size` bytes. */
static inline struct guard guard_new(size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), room = (size + page) / page * page;
	struct guard g = { .size = room };

	g.map = mmap(NULL, room + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (g.map == MAP_FAILED || mprotect(g.map + page, room, PROT_READ | PROT_WRITE) < 0)
		abort();
	g.end = g.map + page + room;
	return g;
}

static inline void guard_free(struct guard *g)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	if (g->map)
		munmap(g->map, g->size + 2 * page);
	*g = (struct guard){ 0 };
}

/* A copy of `s` that ends where the inaccessible page begins; the bytes before it are others than
 * any text. Valid until the next put. */
static inline struct slice guard_put(struct guard *g, struct slice s)
{
	size_t n;

	if (s.n > g->size)
		abort();
	n = g->size - s.n < 64 ? g->size - s.n : 64;
	memset(g->end - s.n - n, 0xa5, n);
	if (s.n)
		memcpy(g->end - s.n, s.p, s.n);
	return (struct slice){ g->end - s.n, s.n };
}

/* The same, beginning where the page before ends. */
static inline struct slice guard_put_first(struct guard *g, struct slice s)
{
	uint8_t *first = g->end - g->size;

	if (s.n > g->size)
		abort();
	if (s.n)
		memcpy(first, s.p, s.n);
	memset(first + s.n, 0xa5, g->size - s.n < 64 ? g->size - s.n : 64);
	return (struct slice){ first, s.n };
}

#endif
