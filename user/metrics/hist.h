/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One histogram: an exponential one at scale 5 (base 2^(1/32): quantiles right to 2.2 %), with the
 * explicit boundaries of the exposition counted beside it exactly. Values are nanoseconds or bytes;
 * the buckets of durations that are exported are those of seconds, the unit they are exported in.
 * https://opentelemetry.io/docs/specs/otel/metrics/data-model/#exponentialhistogram
 */
#ifndef HIST_H
#define HIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	HIST_SCALE = 5,
	HIST_BOUNDS_MAX = 32,
	/* The exponential part tells values apart up to 2^42 (73 minutes, 4 TiB); greater ones
	 * share its last bucket. So one histogram never takes more than this many buckets. */
	HIST_BUCKETS_MAX = 42 << HIST_SCALE,
	/* Buckets of seconds are kept as those of 2^-30 s: their indices are then none below -1. */
	HIST_SECOND_BITS = 30,
};

/* Upper-inclusive boundaries, ascending, in the recorded unit (ns or bytes). Shared, static. */
struct hist_bounds {
	size_t n;
	uint64_t le[HIST_BOUNDS_MAX];
};

extern const struct hist_bounds hist_duration_bounds; /* of contract: 0.0001 ... 10 s, in ns */
extern const struct hist_bounds hist_size_bounds;     /* 64 ... 16777216 bytes */

struct hist {
	const struct hist_bounds *bounds; /* borrowed; NULL: the exponential part alone */
	uint64_t count, zero_count;
	uint64_t sum; /* of the recorded unit; saturates never in practice (584 years of ns) */
	uint64_t min, max;
	uint64_t *explicit_counts; /* bounds->n + 1, not cumulative; owned */
	uint64_t *exp_counts;	   /* grows to what is used; owned */
	int32_t exp_first;	   /* index of exp_counts[0] */
	uint32_t exp_n;
};

/* The place of the bucket that a value is counted in: bounds->n beyond the last boundary. */
size_t hist_bound(const struct hist_bounds *b, uint64_t value);

int hist_init(struct hist *h, const struct hist_bounds *bounds); /* 0, -ENOMEM */
void hist_free(struct hist *h);
void hist_record(struct hist *h,
		 uint64_t value); /* never fails: out of memory counts in explicit only */
/* n of them at once, about `value` each, `sum` together. */
void hist_record_many(struct hist *h, uint64_t value, uint64_t n, uint64_t sum);
void hist_clear(struct hist *h); /* empty again, its memory kept */

/* Adds what `from` counted to `h`, which has the same bounds: exact, both have one scale. 0, or
 * -ENOMEM with `h` unchanged. */
int hist_merge(struct hist *h, const struct hist *from);

/* `out`, which has the same bounds, becomes what was recorded to `h` since it was as `before` is.
 * min and max are not known of that: they are 0. 0, or -ENOMEM. */
int hist_since(struct hist *out, const struct hist *h, const struct hist *before);

/* Recorded unit; NaN when empty. Within 1.1 % of the value of that rank: the middle of its bucket,
 * never outside what was recorded. */
double hist_quantile(const struct hist *h, double q);

/* The bucket (base^i, base^(i+1)] that holds value > 0, base = 2^(2^-scale), scale <= HIST_SCALE
 * (may be negative). Exact, in integers. */
int32_t hist_index(uint64_t value, int scale);

/* The same of a duration in seconds, at HIST_SCALE. */
int32_t hist_index_seconds(uint64_t ns);

bool hist_is_time(const struct hist *h); /* its exponential buckets are those of seconds */

enum { HIST_EXP_MAX = 160 }; /* buckets of the SDKs' exponential histograms, and no more */

/* The exponential part as it is exported, at the finest scale with which it has room: bucket
 * offset + i of (base^i, base^(i+1)] seconds or bytes. */
struct hist_exp {
	int scale;
	int32_t offset;
	uint32_t n;	/* first and last are not empty */
	uint64_t count; /* of all buckets and the zeros */
	uint64_t counts[HIST_EXP_MAX];
};

void hist_exponential(const struct hist *h, struct hist_exp *out);

#endif
