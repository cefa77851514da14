/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Telemetry to a collector: spans as they come, metrics at an interval, each signal through a lane
 * of its own with one request under way. A collector that is slow, gone or hostile costs memory
 * that is bounded from the start, and nothing else: what it does not take is dropped, oldest first,
 * and counted.
 *
 *   on_txn -> otlp_spans --+                      +-> taken
 *                          +-> lane -> otlp_post -+-> later: the same bytes again, after a while
 *   series -> otlp_metrics +                      +-> refused: dropped
 */
#ifndef OTLP_H
#define OTLP_H

#include "export/export.h"
#include "export/otlp_config.h"
#include "metrics/series.h"

struct loop;
struct otlp;

struct otlp_opts {
	const struct otlp_config *config; /* borrowed */
	const char *host_name, *version;  /* borrowed; host_name may be NULL */
	int64_t realtime_offset_ns;
	uint64_t now_ns;
	/* The series, gauges brought up to date. NULL: out of memory. */
	struct series_store *(*collect)(void *ctx);
	void *ctx;
};

/* False: the configuration asks for no export. */
bool otlp_is_wanted(const struct otlp_config *c);

struct otlp *otlp_open(const struct otlp_opts *opts); /* NULL: errno; ENOSYS: not built in */
void otlp_close(struct otlp *x);		      /* NULL accepted */

/* What to give to pipeline_add(). Its close does nothing. */
void otlp_exporter(struct otlp *x, struct exporter *out);

/* Works in this loop from now on. 0 or -errno. */
int otlp_join(struct otlp *x, struct loop *l);

/* At the end: sends what is left, for no longer than that. What remains is dropped and counted.
 * Blocks. */
void otlp_flush(struct otlp *x, uint64_t for_ns);

/* Writes the sonde_otlp_* series. */
void otlp_publish(const struct otlp *x, struct series_store *st, uint64_t now_ns);

#endif
