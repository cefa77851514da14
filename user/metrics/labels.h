/* SPDX-License-Identifier: Apache-2.0 */
/* Label values: made fit to be exported, hashed. */
#ifndef LABELS_H
#define LABELS_H

#include <stddef.h>
#include <stdint.h>
#include "metrics/catalogue.h"
#include "metrics/series.h"
#include "util/slice.h"
#include "util/utf8.h"

/* Room for values that had to be changed. */
struct labels {
	struct slice values[METRIC_LABELS_MAX];
	char text[METRIC_LABELS_MAX][SERIES_VALUE_MAX + 1];
};

/* `values` if they can be exported as they are; else room->values with what cannot replaced: bytes
 * that are no UTF-8 (one fails a whole scrape), NULs, and the end of what is too long. n is at most
 * METRIC_LABELS_MAX. */
const struct slice *labels_clean(struct labels *room, const struct slice *values, size_t n);

/* Folds a value into a running hash. Not for files: it follows the machine's byte order. */
uint64_t labels_hash(uint64_t h, struct slice value);

/* With what both factors are: there are values that make one of them 0, and the product would then
 * say nothing of the other. */
static inline uint64_t labels_mix(uint64_t a, uint64_t b)
{
	uint64_t p = a ^ 0x9e3779b97f4a7c15ULL, q = b ^ 0xe7037ed1a0b428dbULL;
	__uint128_t x = (__uint128_t)p * q;

	return (uint64_t)x ^ (uint64_t)(x >> 64) ^ p ^ q;
}

/* Where hashes begin: values come from the wire, and their hashes shall not be foreseen. */
uint64_t labels_seed(void);

#endif
