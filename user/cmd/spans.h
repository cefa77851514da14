/* SPDX-License-Identifier: Apache-2.0 */
/* Spans to stdout, as the file form of OTLP has them: a whole request in JSON on each line.
 * https://opentelemetry.io/docs/specs/otel/protocol/file-exporter/ */
#ifndef SPANS_H
#define SPANS_H

#include "cmd/filter.h"
#include "cmd/out.h"
#include "export/export.h"
#include "export/otlp_lines.h"

struct spans {
	struct out out;
	struct filter *filter;
	struct otlp_origin origin;
	struct otlp_lines *lines;
};

/* filter: an expression, NULL: every span. 0, or the exit code after saying what is wrong. */
int spans_init(struct spans *s, const char *filter, int64_t realtime_offset_ns);
void spans_exporter(struct spans *s, struct exporter *out);
void spans_free(struct spans *s); /* writes what is left */

#endif
