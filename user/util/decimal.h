/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers as text, several times faster than printf. None is NUL terminated. */
#ifndef DECIMAL_H
#define DECIMAL_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { DECIMAL_U64_MAX = 20 }; /* digits of UINT64_MAX */

extern const char decimal_pairs[200]; /* "00" to "99" */

/* Exactly `digits` digits, with leading zeros; higher ones are lost. */
static inline void decimal_fixed(char *out, uint64_t value, size_t digits)
{
	for (; digits >= 2; value /= 100)
		memcpy(out + (digits -= 2), decimal_pairs + value % 100 * 2, 2);
	if (digits)
		*out = (char)('0' + value % 10);
}

static inline size_t decimal_digits(uint64_t value)
{
	size_t n = 1;

	for (; value >= 10000; value /= 10000)
		n += 4;
	return n + (value >= 10) + (value >= 100) + (value >= 1000);
}

/* Writes at most DECIMAL_U64_MAX bytes and returns how many. */
static inline size_t decimal_u64(char *out, uint64_t value)
{
	size_t n = decimal_digits(value);

	decimal_fixed(out, value, n);
	return n;
}

#endif
