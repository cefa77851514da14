/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/hist.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "util/clock.h"

enum { HIST_GROWTH = 8 }; /* buckets added at a time beyond what is needed */

const struct hist_bounds hist_duration_bounds = {
	.n = 19,
	.le = { 100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000, 25000000, 50000000,
		75000000, 100000000, 250000000, 500000000, 750000000, 1000000000, 2500000000,
		5000000000, 7500000000, 10000000000 },
};

const struct hist_bounds hist_size_bounds = {
	.n = 10,
	.le = { 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216 },
};

/* floor(2^(63 + k/32)). All but the first are irrational, so an integer mantissa is greater than
 * the boundary exactly when it is greater than this. */
static const uint64_t mantissas[1 << HIST_SCALE] = {
	0x8000000000000000, 0x82cd8698ac2ba1d7, 0x85aac367cc487b14, 0x88980e8092da8527,
	0x8b95c1e3ea8bd6e6, 0x8ea4398b45cd53c0, 0x91c3d373ab11c336, 0x94f4efa8fef70961,
	0x9837f0518db8a96f, 0x9b8d39b9d54e5538, 0x9ef5326091a111ad, 0xa27043030c496818,
	0xa5fed6a9b15138ea, 0xa9a15ab4ea7c0ef8, 0xad583eea42a14ac6, 0xb123f581d2ac258f,
	0xb504f333f9de6484, 0xb8fbaf4762fb9ee9, 0xbd08a39f580c36be, 0xc12c4cca66709456,
	0xc5672a115506dadd, 0xc9b9bd866e2f27a2, 0xce248c151f8480e3, 0xd2a81d91f12ae45a,
	0xd744fccad69d6af4, 0xdbfbb797daf23755, 0xe0ccdeec2a94e111, 0xe5b906e77c8348a8,
	0xeac0c6e7dd24392e, 0xefe4b99bdcdaf5cb, 0xf5257d152486cc2c, 0xfa83b2db722a033a,
};

/* Of a value that is mantissa * 2^(exponent - 63), the mantissa's highest bit set. */
static int32_t hist_place(int exponent, uint64_t mantissa)
{
	int below = 0;

	/* how many boundaries lie below: a binary search over 32 */
	for (int step = 1 << (HIST_SCALE - 1); step; step >>= 1)
		below += mantissa > mantissas[below + step - 1] ? step : 0;
	below += mantissa > mantissas[below];
	return exponent * (1 << HIST_SCALE) + below - 1; /* below 1 s it is negative */
}

int32_t hist_index(uint64_t value, int scale)
{
	int lead;

	assert(value > 0 && scale <= HIST_SCALE);
	lead = __builtin_clzll(value);
	/* perfect subsetting: a coarser scale's bucket is a shift away */
	return hist_place(63 - lead, value << lead) >> (HIST_SCALE - scale);
}

/*
 * 2^93 / 10^9, rounded down: so a power of two in seconds falls short of itself by less than 2^-60
 * of it, into the bucket that it ends. All other boundaries are irrational, and none is that near
 * to a whole number of nanoseconds.
 */
#define HIST_PER_NS ((uint64_t)(((__uint128_t)1 << 93) / NS_PER_S))

int32_t hist_index_seconds(uint64_t ns)
{
	__uint128_t x = (__uint128_t)ns * HIST_PER_NS;
	int lead;

	assert(ns > 0);
	lead = x >> 64 ? __builtin_clzll((uint64_t)(x >> 64)) : 64 + __builtin_clzll((uint64_t)x);
	return hist_place(127 - lead - 93, (uint64_t)((x << lead) >> 64));
}

bool hist_is_time(const struct hist *h)
{
	return h->bounds == &hist_duration_bounds;
}

int hist_init(struct hist *h, const struct hist_bounds *bounds)
{
	*h = (struct hist){ .bounds = bounds };
	if (!bounds)
		return 0;
	h->explicit_counts = calloc(bounds->n + 1, sizeof(*h->explicit_counts));
	return h->explicit_counts ? 0 : -ENOMEM;
}

void hist_free(struct hist *h)
{
	free(h->explicit_counts);
	free(h->exp_counts);
	*h = (struct hist){ 0 };
}

void hist_clear(struct hist *h)
{
	if (h->bounds)
		memset(h->explicit_counts, 0, (h->bounds->n + 1) * sizeof(*h->explicit_counts));
	if (h->exp_n)
		memset(h->exp_counts, 0, h->exp_n * sizeof(*h->exp_counts));
	h->count = h->zero_count = h->sum = h->min = h->max = 0;
}

size_t hist_bound(const struct hist_bounds *b, uint64_t value)
{
	size_t low = 0, high = b->n;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (value <= b->le[mid])
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

/* A value of 1 lies in bucket -1: (2^(-1/32), 1]. */
static int32_t hist_bucket(const struct hist *h, uint64_t value)
{
	int32_t i = hist_is_time(h) ? hist_index_seconds(value) + (HIST_SECOND_BITS << HIST_SCALE)
				    : hist_index(value, HIST_SCALE);

	return i < HIST_BUCKETS_MAX - 2 ? i : HIST_BUCKETS_MAX - 2;
}

/* Makes room for buckets first..last. 0, -ENOMEM. */
static int hist_cover(struct hist *h, int32_t first, int32_t last)
{
	int32_t old_last = h->exp_first + (int32_t)h->exp_n - 1;
	uint64_t *wider;
	uint32_t n;

	if (h->exp_n && first >= h->exp_first && last <= old_last)
		return 0;
	if (h->exp_n) {
		first = first < h->exp_first ? first : h->exp_first;
		last = last > old_last ? last : old_last;
	}
	if (!h->exp_n || first < h->exp_first)
		first = first - HIST_GROWTH > -1 ? first - HIST_GROWTH : -1;
	if (!h->exp_n || last > old_last)
		last = last + HIST_GROWTH < HIST_BUCKETS_MAX - 2 ? last + HIST_GROWTH
								 : HIST_BUCKETS_MAX - 2;
	n = (uint32_t)(last - first) + 1;
	wider = calloc(n, sizeof(*wider));
	if (!wider)
		return -ENOMEM;
	if (h->exp_n)
		memcpy(wider + (h->exp_first - first), h->exp_counts, h->exp_n * sizeof(*wider));
	free(h->exp_counts);
	h->exp_counts = wider;
	h->exp_first = first;
	h->exp_n = n;
	return 0;
}

void hist_record_many(struct hist *h, uint64_t value, uint64_t n, uint64_t sum)
{
	int32_t i;

	if (!n)
		return;
	h->min = h->count == 0 || value < h->min ? value : h->min;
	h->max = value > h->max ? value : h->max;
	h->count += n;
	h->sum += sum;
	if (h->bounds)
		h->explicit_counts[hist_bound(h->bounds, value)] += n;
	if (value == 0) {
		h->zero_count += n;
		return;
	}
	i = hist_bucket(h, value);
	if (hist_cover(h, i, i) == 0)
		h->exp_counts[i - h->exp_first] += n;
}

void hist_record(struct hist *h, uint64_t value)
{
	hist_record_many(h, value, 1, value);
}

int hist_merge(struct hist *h, const struct hist *from)
{
	assert(h->bounds == from->bounds);
	if (from->count == 0)
		return 0;
	if (from->exp_n &&
	    hist_cover(h, from->exp_first, from->exp_first + (int32_t)from->exp_n - 1) < 0)
		return -ENOMEM;
	for (uint32_t i = 0; i < from->exp_n; i++)
		h->exp_counts[from->exp_first - h->exp_first + (int32_t)i] += from->exp_counts[i];
	for (size_t i = 0; h->bounds && i <= h->bounds->n; i++)
		h->explicit_counts[i] += from->explicit_counts[i];
	h->min = h->count == 0 || from->min < h->min ? from->min : h->min;
	h->max = from->max > h->max ? from->max : h->max;
	h->count += from->count;
	h->zero_count += from->zero_count;
	h->sum += from->sum;
	return 0;
}

int hist_since(struct hist *out, const struct hist *h, const struct hist *before)
{
	hist_clear(out);
	if (hist_merge(out, h) < 0)
		return -ENOMEM;
	/* what was recorded once has its bucket, in the later one too */
	for (uint32_t i = 0; i < before->exp_n; i++)
		if (before->exp_counts[i])
			out->exp_counts[before->exp_first - out->exp_first + (int32_t)i] -=
				before->exp_counts[i];
	for (size_t i = 0; h->bounds && i <= h->bounds->n; i++)
		out->explicit_counts[i] -= before->explicit_counts[i];
	out->count -= before->count;
	out->zero_count -= before->zero_count;
	out->sum -= before->sum;
	out->min = out->max = 0;
	return 0;
}

double hist_quantile(const struct hist *h, double q)
{
	uint64_t total = h->zero_count, rank, seen = h->zero_count;
	double value;

	/* not h->count: what found no memory is in the explicit part alone */
	for (uint32_t i = 0; i < h->exp_n; i++)
		total += h->exp_counts[i];
	if (total == 0)
		return (double)NAN;
	rank = (uint64_t)ceil(q * (double)total);
	rank = rank < 1 ? 1 : rank > total ? total : rank;
	if (rank <= seen)
		return 0;
	for (uint32_t i = 0; i < h->exp_n; i++) {
		seen += h->exp_counts[i];
		if (seen < rank)
			continue;
		value = exp2((h->exp_first + (int32_t)i + 0.5) / (1 << HIST_SCALE));
		if (hist_is_time(h))
			value *= (double)NS_PER_S / (1 << HIST_SECOND_BITS);
		value = value > (double)h->min ? value : (double)h->min;
		return value < (double)h->max ? value : (double)h->max;
	}
	return (double)h->max;
}

void hist_exponential(const struct hist *h, struct hist_exp *out)
{
	uint32_t first = 0, end = h->exp_n;
	int32_t low, high;
	int shift = 0;

	*out = (struct hist_exp){ .scale = HIST_SCALE, .count = h->zero_count };
	while (first < end && h->exp_counts[first] == 0)
		first++;
	while (end > first && h->exp_counts[end - 1] == 0)
		end--;
	if (first == end)
		return;
	low = h->exp_first + (int32_t)first -
	      (hist_is_time(h) ? HIST_SECOND_BITS << HIST_SCALE : 0);
	high = low + (int32_t)(end - first) - 1;
	while ((high >> shift) - (low >> shift) >= HIST_EXP_MAX)
		shift++;
	out->scale -= shift;
	out->offset = low >> shift;
	out->n = (uint32_t)((high >> shift) - out->offset) + 1;
	for (uint32_t i = first; i < end; i++) {
		out->counts[((low + (int32_t)(i - first)) >> shift) - out->offset] +=
			h->exp_counts[i];
		out->count += h->exp_counts[i];
	}
}
