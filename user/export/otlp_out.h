/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes an OTLP message in either of its forms, so that what is said is said once: the walk names
 * fields, the form decides what becomes of them.
 * https://protobuf.dev/programming-guides/encoding/
 * https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
 */
#ifndef OTLP_OUT_H
#define OTLP_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "util/slice.h"

enum otlp_form { OTLP_PROTOBUF, OTLP_JSON };

/* A field of a message: its number in protobuf, and what stands before its value in JSON. The
 * latter is copied OTLP_KEY_MAX bytes at a time, which is faster than n of them, and has so many
 * behind it.
 */
struct otlp_field {
	uint32_t number;
	uint32_t n; /* of the comma, the name in quotes, and the colon */
	const char *json;
};

enum { OTLP_KEY_MAX = 32 };

/* The length of a literal, which must not be longer than that. */
#define OTLP_SHORT(literal, max) \
	(sizeof(literal) - 1 + 0 * sizeof(char[sizeof(literal) - 1 <= (max) ? 1 : -1]))

#define OTLP_FIELD(number, name)                                             \
	{                                                                    \
		(number), OTLP_SHORT(",\"" name "\":", OTLP_KEY_MAX),        \
			",\"" name "\":                                    " \
	}

struct otlp_out {
	enum otlp_form form;
	uint8_t *p; /* owned */
	size_t n, cap;
	size_t max;	/* never grows beyond; 0: no limit */
	bool is_failed; /* out of memory, or beyond max: what was written since is not whole */
};

void otlp_out_init(struct otlp_out *o, enum otlp_form form, size_t max);
void otlp_out_free(struct otlp_out *o);
void otlp_out_clear(struct otlp_out *o); /* empty again, its memory kept */

/* Nothing but ASCII, and no NUL: UTF-8 that can be copied as it is. */
bool otlp_is_ascii(struct slice s);

enum { OTLP_VARINT_MAX = 10 };

static inline size_t otlp_varint(uint8_t *out, uint64_t v)
{
	size_t n = 0;

	while (v >= 0x80) {
		out[n++] = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	out[n++] = (uint8_t)v;
	return n;
}

bool otlp_grow(struct otlp_out *o, size_t more); /* of otlp_reserve() alone */
/* Room for n more bytes, which count when they are added to o->n. NULL: there is none. */
static inline uint8_t *otlp_reserve(struct otlp_out *o, size_t n)
{
	return o->cap - o->n >= n || otlp_grow(o, n) ? o->p + o->n : NULL;
}

/* Messages: one that is a field, one that is an element of a list. What begin returns goes to end.
 * JSON needs the list itself, too; in protobuf its elements stand beside each other. The outermost
 * message is begun with otlp_root(); one stands beside another as elements do. */
size_t otlp_begin(struct otlp_out *o, struct otlp_field f);
size_t otlp_element(struct otlp_out *o, struct otlp_field f);
void otlp_end(struct otlp_out *o, size_t begun);
void otlp_list(struct otlp_out *o, struct otlp_field f);
void otlp_list_end(struct otlp_out *o);
void otlp_root(struct otlp_out *o);
void otlp_root_end(struct otlp_out *o);
/* An element that was written whole into another of the same form. */
void otlp_raw_element(struct otlp_out *o, struct otlp_field f, struct slice bytes);

/* A message with nothing but its length before it: protobuf only. */
size_t otlp_delimited(struct otlp_out *o);

/* Values. Strings become valid UTF-8; a time is a fixed64, a string of digits in JSON. */
void otlp_string(struct otlp_out *o, struct otlp_field f, struct slice s);
void otlp_hex(struct otlp_out *o, struct otlp_field f, const uint8_t *id,
	      size_t n); /* n % 4 == 0 */
void otlp_enum(struct otlp_out *o, struct otlp_field f, uint32_t v);
void otlp_bool(struct otlp_out *o, struct otlp_field f, bool v);
void otlp_int64(struct otlp_out *o, struct otlp_field f, int64_t v);
void otlp_sint32(struct otlp_out *o, struct otlp_field f, int32_t v); /* zigzag */
void otlp_fixed32(struct otlp_out *o, struct otlp_field f, uint32_t v);
void otlp_fixed64(struct otlp_out *o, struct otlp_field f, uint64_t v);
void otlp_sfixed64(struct otlp_out *o, struct otlp_field f, int64_t v);
void otlp_double(struct otlp_out *o, struct otlp_field f, double v);
/* Nanoseconds as seconds: exact in JSON, the nearest double in protobuf. */
void otlp_seconds(struct otlp_out *o, struct otlp_field f, uint64_t ns);

/* Packed lists. */
void otlp_fixed64s(struct otlp_out *o, struct otlp_field f, const uint64_t *v, size_t n);
void otlp_uint64s(struct otlp_out *o, struct otlp_field f, const uint64_t *v,
		  size_t n);								/* varint */
void otlp_sint64s(struct otlp_out *o, struct otlp_field f, const int64_t *v, size_t n); /* zigzag */
void otlp_doubles(struct otlp_out *o, struct otlp_field f, const double *v, size_t n);

#endif
