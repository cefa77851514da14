/* SPDX-License-Identifier: Apache-2.0 */
/* The little that is to be read of protobuf: a walk over the fields of one message. Pure.
 * https://protobuf.dev/programming-guides/encoding/ */
#ifndef OTLP_IN_H
#define OTLP_IN_H

#include <stdint.h>
#include "util/slice.h"

enum otlp_in_kind { OTLP_IN_VARINT, OTLP_IN_FIXED, OTLP_IN_BYTES };

struct otlp_in_field {
	uint32_t number;
	enum otlp_in_kind kind;
	uint64_t value;	    /* of numbers, else 0 */
	struct slice bytes; /* of strings and messages, else empty */
};

/* Cuts the next field off. 1; 0: the end, -1: it is no protobuf, and nothing more is to be had. */
int otlp_in_next(struct slice *in, struct otlp_in_field *out);

/* The bytes that a text in base64 (RFC 4648, 4; padded or not) stands for, up to the first
 * character that is none of it. out: room for strlen(text). */
struct slice otlp_in_base64(const char *text, uint8_t *out);

#endif
