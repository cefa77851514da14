/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Eight bytes at a time. Each test gives the highest bit of bytes: of the lowest one it is true of,
 * maybe of others above, and of none when it is true of none.
 * https://graphics.stanford.edu/~seander/bithacks.html#ZeroInWord
 */
#ifndef OCTETS_H
#define OCTETS_H

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

static inline uint64_t octets_below(uint64_t x, uint8_t limit) /* at most 128 */
{
	return (x - OCTETS_ONES * limit) & ~x & OCTETS_HIGHS;
}

static inline uint64_t octets_equal(uint64_t x, uint8_t byte)
{
	return octets_below(x ^ OCTETS_ONES * byte, 1);
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
