/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers as text, several times faster than printf. */
#ifndef DECIMAL_H
#define DECIMAL_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { DECIMAL_U64_MAX = 20 }; /* digits of UINT64_MAX */

/* Exactly `digits` digits, with leading zeros; higher ones are lost. Not NUL terminated. */
static inline void decimal_fixed(char *out, uint64_t value, size_t digits)
{
	while (digits) {
		out[--digits] = (char)('0' + value % 10);
		value /= 10;
	}
}

/* Writes at most DECIMAL_U64_MAX bytes and returns how many. Not NUL terminated. */
static inline size_t decimal_u64(char *out, uint64_t value)
{
	char digits[DECIMAL_U64_MAX];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	memcpy(out, digits + at, sizeof(digits) - at);
	return sizeof(digits) - at;
}

#endif
