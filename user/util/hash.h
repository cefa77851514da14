/* SPDX-License-Identifier: Apache-2.0 */
/* Hashes of what comes from the wire. Not for files: they follow the machine's byte order. */
#ifndef HASH_H
#define HASH_H

#include <stdint.h>
#include "util/slice.h"

/* With what both factors are: there are values that make one of them 0, and the product would then
 * say nothing of the other. */
static inline uint64_t hash_mix(uint64_t a, uint64_t b)
{
	uint64_t p = a ^ 0x9e3779b97f4a7c15ULL, q = b ^ 0xe7037ed1a0b428dbULL;
	__uint128_t x = (__uint128_t)p * q;

	return (uint64_t)x ^ (uint64_t)(x >> 64) ^ p ^ q;
}

/* Folds a text into a running hash. */
uint64_t hash_slice(uint64_t h, struct slice text);

/* Where hashes begin, another one at each call: whoever chooses what is hashed shall not foresee
 * them. The system is asked for chance once. Never 0. */
uint64_t hash_seed(void);

#endif
