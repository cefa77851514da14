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

/* Eight digits of a value below 10^8, the first in the lowest byte: halves of four, of two and of
 * one digit, all of a kind at once. A division by 100 or 10 is a product whose fraction is cut off.
 */
static inline uint64_t decimal_eight(uint32_t value)
{
	uint64_t fours = value / 10000 | (uint64_t)(value % 10000) << 32;
	uint64_t hundreds = (fours * 10486 >> 20) & 0x7f0000007f;
	uint64_t twos = hundreds | (fours - hundreds * 100) << 16;
	uint64_t tens = (twos * 103 >> 10) & 0x000f000f000f000f;

	return (tens | (twos - tens * 10) << 8) + 0x3030303030303030; /* '0' */
}

/* Exactly `digits` digits, with leading zeros; higher ones are lost. */
static inline void decimal_fixed(char *out, uint64_t value, size_t digits)
{
	for (; digits >= 8; value /= 100000000) {
		uint64_t eight = decimal_eight(value % 100000000);

		memcpy(out + (digits -= 8), &eight, sizeof(eight));
	}
	for (; digits >= 2; value /= 100)
		memcpy(out + (digits -= 2), decimal_pairs + value % 100 * 2, 2);
	if (digits)
		*out = (char)('0' + value % 10);
}

/* Below 10^8, without its leading zeros: writes eight bytes, and returns how many are digits. */
static inline size_t decimal_short(char *out, uint32_t value)
{
	uint64_t eight = decimal_eight(value);
	/* the lowest byte that is no '0'; of 0 itself the last */
	unsigned int zeros =
		(unsigned int)__builtin_ctzll((eight & 0x0f0f0f0f0f0f0f0f) | 1ULL << 56) / 8;

	eight >>= 8 * zeros;
	memcpy(out, &eight, sizeof(eight));
	return sizeof(eight) - zeros;
}

/* Returns how many digits; what is behind them, up to DECIMAL_U64_MAX, may be written over. */
static inline size_t decimal_u64(char *out, uint64_t value)
{
	const uint64_t e8 = 100000000;
	size_t n, rest;

	if (value < e8)
		return decimal_short(out, (uint32_t)value);
	rest = value < e8 * e8 ? 8 : 16;
	n = decimal_short(out, (uint32_t)(value / (rest == 8 ? e8 : e8 * e8)));
	decimal_fixed(out + n, value, rest);
	return n + rest;
}

/* Returns how many of at most three digits. */
static inline size_t decimal_octet(char *out, uint8_t value)
{
	size_t n = value >= 100 ? 3 : value >= 10 ? 2 : 1;

	decimal_fixed(out, value, n);
	return n;
}

/* Nanoseconds as seconds, with all nine digits unless they are 0: exact. */
static inline size_t decimal_seconds(char *out, uint64_t ns)
{
	size_t n = 1;

	if (ns < 1000000000)
		*out = '0';
	else
		n = decimal_u64(out, ns / 1000000000);
	if (ns % 1000000000 == 0)
		return n;
	out[n] = '.';
	decimal_fixed(out + n + 1, ns % 1000000000, 9);
	return n + 10;
}

/* "127.0.0.1" */
static inline size_t decimal_ipv4(char *out, const uint8_t ip[4])
{
	size_t n = decimal_octet(out, ip[0]);

	for (int i = 1; i < 4; i++) {
		out[n++] = '.';
		n += decimal_octet(out + n, ip[i]);
	}
	return n;
}

#endif
