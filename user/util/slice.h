/* SPDX-License-Identifier: Apache-2.0 */
/* A borrowed run of bytes. Never NUL terminated, never owned. */
#ifndef SLICE_H
#define SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "util/octets.h"

struct slice {
	const uint8_t *p;
	size_t n;
};

#define SLICE(literal) ((struct slice){ (const uint8_t *)(literal), sizeof(literal) - 1 })

static inline struct slice slice_str(const char *s)
{
	return (struct slice){ (const uint8_t *)s, strlen(s) };
}

static inline bool slice_eq(struct slice a, struct slice b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* ASCII only, as protocol words are; never the locale. */
static inline uint8_t slice_lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? c + 32 : c;
}

static inline bool slice_ieq(struct slice a, struct slice b)
{
	size_t i = 0;

	if (a.n != b.n)
		return false;
	for (; i + 8 <= a.n; i += 8)
		if (octets_lower(octets_load(a.p + i)) != octets_lower(octets_load(b.p + i)))
			return false;
	if (i < a.n && a.n >= 8) /* the last eight, of which some were looked at */
		return octets_lower(octets_load(a.p + a.n - 8)) ==
		       octets_lower(octets_load(b.p + a.n - 8));
	for (; i < a.n; i++)
		if (slice_lower(a.p[i]) != slice_lower(b.p[i]))
			return false;
	return true;
}

static inline bool slice_starts(struct slice s, struct slice head)
{
	return s.n >= head.n && (head.n == 0 || memcmp(s.p, head.p, head.n) == 0);
}

/* Copies at most size - 1 bytes and ends with NUL. Returns the bytes copied. */
static inline size_t slice_copy(char *out, size_t size, struct slice s)
{
	size_t n = s.n < size - 1 ? s.n : size - 1;

	if (n)
		memcpy(out, s.p, n);
	out[n] = '\0';
	return n;
}

#endif
