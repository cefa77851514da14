/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The exposition: every series as Prometheus text 0.0.4, OpenMetrics 1.0 or protobuf, in pieces, so
 * that a scrape of any size takes bounded memory and bounded turns of the loop.
 * https://prometheus.io/docs/instrumenting/exposition_formats/
 * https://github.com/prometheus/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md
 */
#ifndef PROMETHEUS_H
#define PROMETHEUS_H

#include <stddef.h>
#include <sys/types.h>
#include "metrics/series.h"

enum prom_format { PROM_TEXT, PROM_OPENMETRICS, PROM_PROTOBUF };

struct prom;

/* Borrows the store, whose series may come and go between two reads. note: a line for the reader,
 * put first as a comment (text only: OpenMetrics knows no comments); NULL: none. NULL: out of
 * memory. */
struct prom *prom_open(const struct series_store *st, enum prom_format format, const char *note);

/* Writes up to `size` bytes of what is left. 0 at the end, -ENOMEM. */
ssize_t prom_read(struct prom *p, char *out, size_t size);
void prom_close(struct prom *p); /* NULL accepted */

#endif
