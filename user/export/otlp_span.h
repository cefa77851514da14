/* SPDX-License-Identifier: Apache-2.0 */
/* A transaction as an OTLP span: name, kind, attributes and status of the semantic conventions. */
#ifndef OTLP_SPAN_H
#define OTLP_SPAN_H

#include "export/otlp_out.h"
#include "txn.h"

enum { SPAN_NAME_MAX = TXN_METHOD_LEN + TXN_ROUTE_LEN + TXN_SUMMARY_LEN };

/* Whether it has a place in a trace that is to be exported. */
bool otlp_span_wanted(const struct txn *t);

/* Writes the Span whole, as otlp_raw_element() takes it. realtime_offset_ns turns monotonic into
 * wall time. */
void otlp_span(struct otlp_out *o, const struct txn *t, int64_t realtime_offset_ns);

/* Its name: of low cardinality, never a path. NUL terminated; returns its length. */
size_t otlp_span_name(const struct txn *t, char out[SPAN_NAME_MAX]);

#endif
