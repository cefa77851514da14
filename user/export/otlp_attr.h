/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes: a list of key and value, as resources, spans and data points carry them. */
#ifndef OTLP_ATTR_H
#define OTLP_ATTR_H

#include "export/otlp_out.h"

/* Where the list is a field: its number differs from message to message. Between the two only
 * attributes may be written. */
struct otlp_attrs {
	struct otlp_out *o;
	struct otlp_field field;
};

struct otlp_attrs otlp_attrs(struct otlp_out *o, uint32_t number);
void otlp_attrs_end(const struct otlp_attrs *a);

/* A key is plain ASCII. */
void attr_string(const struct otlp_attrs *a, struct slice key, struct slice value);
/* The same, but an empty one is left out. */
void attr_string_if(const struct otlp_attrs *a, struct slice key, struct slice value);
/* One of our own words, plain ASCII: nothing in it is looked at. */
void attr_word(const struct otlp_attrs *a, struct slice key, struct slice value);
void attr_int(const struct otlp_attrs *a, struct slice key, int64_t value);
void attr_bool(const struct otlp_attrs *a, struct slice key, bool value);
void attr_seconds(const struct otlp_attrs *a, struct slice key, uint64_t ns); /* a double */

#endif
