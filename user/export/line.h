/* SPDX-License-Identifier: Apache-2.0 */
/* One line written into a caller's buffer; what does not fit is not written and remembered. */
#ifndef LINE_H
#define LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "util/decimal.h"

struct line {
	char *p, *end;
	bool is_full;
};

/* True when n more bytes fit; else the line is full for good. */
static inline bool line_room(struct line *l, size_t n)
{
	if ((size_t)(l->end - l->p) < n)
		l->is_full = true;
	return !l->is_full;
}

static inline void line_put(struct line *l, const void *bytes, size_t n)
{
	if (!line_room(l, n))
		return;
	memcpy(l->p, bytes, n);
	l->p += n;
}

/* Only for literals: their length is known to the compiler. */
#define LINE_PUT(l, literal) line_put(l, "" literal, sizeof(literal) - 1)

static inline void line_str(struct line *l, const char *s)
{
	line_put(l, s, strlen(s));
}

static inline void line_u64(struct line *l, uint64_t value)
{
	if (line_room(l, DECIMAL_U64_MAX))
		l->p += decimal_u64(l->p, value);
}

static inline void line_fixed(struct line *l, uint64_t value, size_t digits)
{
	if (!line_room(l, digits))
		return;
	decimal_fixed(l->p, value, digits);
	l->p += digits;
}

#endif
