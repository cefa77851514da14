/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers as text, several times faster than printf. None is NUL terminated. */
#ifndef DECIMAL_H
#define DECIMAL_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
	DECIMAL_U64_MAX = 20, /* digits of UINT64_MAX */
	DECIMAL_SECONDS_MAX = 21,
	DECIMAL_IPV4_MAX = 15,
};

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

/* Nanoseconds as seconds, with all nine digits unless they are 0: exact. */
static inline size_t decimal_seconds(char *out, uint64_t ns)
{
	size_t n = decimal_u64(out, ns / 1000000000);

	if (ns % 1000000000 == 0)
		return n;
	out[n] = '.';
	decimal_fixed(out + n + 1, ns % 1000000000, 9);
	return n + 10;
}

/* "127.0.0.1" */
static inline size_t decimal_ipv4(char *out, const uint8_t ip[4])
{
	size_t n = decimal_u64(out, ip[0]);

	for (int i = 1; i < 4; i++) {
		out[n++] = '.';
		n += decimal_u64(out + n, ip[i]);
	}
	return n;
}

#endif
