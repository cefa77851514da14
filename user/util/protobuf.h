/* SPDX-License-Identifier: Apache-2.0 */
/* The little that is to be read of protobuf: a walk over the fields of one message. Pure.
 * https://protobuf.dev/programming-guides/encoding/ */
#ifndef PROTOBUF_H
#define PROTOBUF_H

#include <stdint.h>
#include "util/slice.h"

enum protobuf_kind { PROTOBUF_VARINT, PROTOBUF_FIXED, PROTOBUF_BYTES };

struct protobuf_field {
	uint32_t number;
	enum protobuf_kind kind;
	uint64_t value;	    /* of numbers, else 0 */
	struct slice bytes; /* of strings and messages, else empty */
};

/* Cuts the next field off. 1; 0: the end, -1: it is no protobuf, and nothing more is to be had. */
int protobuf_next(struct slice *in, struct protobuf_field *out);

#endif
