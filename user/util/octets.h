/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Eight bytes at a time. Each test gives the highest bit of bytes: of the lowest one it is true of,
 * maybe of others above, and of none when it is true of none.
 * https://graphics.stanford.edu/~seander/bithacks.html#ZeroInWord
 */
#ifndef OCTETS_H
#define OCTETS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define OCTETS_ONES  0x0101010101010101ULL
#define OCTETS_HIGHS 0x8080808080808080ULL

static inline uint64_t octets_load(const void *p)
{
	uint64_t x;

	memcpy(&x, p, sizeof(x));
	return x;
}

/* Of one to seven bytes each at least once, and nothing else. */
static inline uint64_t octets_few(const uint8_t *p, size_t n)
{
	uint32_t first, last;

	if (n < 4) {
		first = p[0] | (uint32_t)p[n / 2] << 8 | (uint32_t)p[n - 1] << 16;
		return (first | first << 24) * 0x100000001ULL;
	}
	memcpy(&first, p, sizeof(first));
	memcpy(&last, p + n - sizeof(last), sizeof(last));
	return first | (uint64_t)last << 32;
}

static inline uint64_t octets_below(uint64_t x, uint8_t limit) /* at most 128 */
{
	return (x - OCTETS_ONES * limit) & ~x & OCTETS_HIGHS;
}

static inline uint64_t octets_equal(uint64_t x, uint8_t byte)
{
	return octets_below(x ^ OCTETS_ONES * byte, 1);
}

/* n, a multiple of four, as 2n digits of hexadecimal. */
static inline void octets_hex(char *out, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i += 4) {
		uint32_t four;
		uint64_t x;

		memcpy(&four, p + i, sizeof(four));
		x = (four | (uint64_t)four << 16) & 0x0000ffff0000ffff;
		x = (x | x << 8) & 0x00ff00ff00ff00ff;
		x = (x >> 4 | x << 8) & 0x0f0f0f0f0f0f0f0f;
		x += ((x + OCTETS_ONES * 6) >> 4 & OCTETS_ONES) * ('a' - '9' - 1) +
		     OCTETS_ONES * '0';
		memcpy(out + 2 * i, &x, sizeof(x));
	}
}

/* ASCII capitals as small letters. */
static inline uint64_t octets_lower(uint64_t x)
{
	uint64_t low = x & ~OCTETS_HIGHS;
	uint64_t from_a = low + OCTETS_ONES * (0x80 - 'A'),
		 past_z = low + OCTETS_ONES * (0x7f - 'Z');

	return x | ((from_a ^ past_z) & ~x & OCTETS_HIGHS) >> 2;
}

#endif
