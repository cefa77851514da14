/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The spans of late, for /api/v1/traces: a ring, the oldest overwritten and counted. A transaction
 * is some kilobytes, so of each only what is shown is kept, its texts cut.
 */
#ifndef TRACES_H
#define TRACES_H

#include <stddef.h>
#include <stdint.h>
#include "export/export.h"

enum { TRACES_SPANS_MAX = 16384 };

struct traces;

struct traces *traces_new(size_t max); /* 0: TRACES_SPANS_MAX. NULL: out of memory */
void traces_free(struct traces *s);
/* What to give to pipeline_add(). Its close() does nothing: s stays the caller's. */
void traces_exporter(struct traces *s, struct exporter *out);

/* The spans of a trace that are still held, by their start, as JSON: malloc'd, the caller's. NULL:
 * none, or out of memory. `hex`: the id, 32 hexadecimal digits. */
char *traces_json(const struct traces *s, const char *hex, int64_t realtime_offset_ns);

size_t traces_held(const struct traces *s);
uint64_t traces_overwritten(const struct traces *s);

#endif
