/* SPDX-License-Identifier: Apache-2.0 */
/* Where records come from: the live ring, a recording, later a pcap. One stream of records of
 * include/sonde_abi.h, in the order they are to be processed. */
#ifndef SOURCE_H
#define SOURCE_H

#include <stddef.h>
#include <stdint.h>
#include "sonde_abi.h"

/* `rec` is borrowed until the callback returns and is checked by nobody yet: see decode.h.
 * Non-zero stops reading. */
typedef int (*source_fn)(void *ctx, const void *rec, size_t size);

struct source;

struct source_ops {
	const char *name;
	int (*fd)(struct source *s); /* readable when records wait; -1: always */
	/* Hands out up to `budget` records. Returns how many, 0 at the moment none,
	 * -ENODATA at the end of a finite source, else -errno. */
	int (*read)(struct source *s, source_fn fn, void *ctx, int budget);
	/* Tells the kernel what is wanted of a connection. NULL: nobody to tell. */
	void (*verdict)(struct source *s, uint32_t slot, const struct sonde_verdict *v);
	void (*close)(struct source *s); /* frees s; NULL accepted */
};

/* First member of every source. */
struct source {
	const struct source_ops *ops;
	/* CLOCK_REALTIME minus CLOCK_MONOTONIC of the host the records come from, ns. */
	int64_t realtime_offset_ns;
};

#endif
