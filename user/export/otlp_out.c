/* SPDX-License-Identifier: Apache-2.0 */
#include "export/otlp_out.h"

#include <endian.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "export/quote.h"
#include "util/clock.h"
#include "util/decimal.h"
#include "util/utf8.h"

enum { OUT_FIRST = 4096 };

enum wire { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

void otlp_out_init(struct otlp_out *o, enum otlp_form form, size_t max)
{
	*o = (struct otlp_out){ .form = form, .max = max };
}

void otlp_out_free(struct otlp_out *o)
{
	free(o->p);
	o->p = NULL;
	o->n = o->cap = 0;
}

void otlp_out_clear(struct otlp_out *o)
{
	o->n = 0;
	o->is_failed = false;
}

bool otlp_grow(struct otlp_out *o, size_t more)
{
	size_t cap = o->cap ? o->cap : OUT_FIRST;
	uint8_t *p;

	while (cap - o->n < more)
		cap *= 2;
	if (o->is_failed || (o->max && o->n + more > o->max))
		goto fail;
	p = realloc(o->p, cap);
	if (!p)
		goto fail;
	o->p = p;
	o->cap = cap;
	return true;
fail:
	o->is_failed = true;
	return false;
}

static inline bool room(struct otlp_out *o, size_t more)
{
	return otlp_reserve(o, more) != NULL;
}

static inline void put(struct otlp_out *o, const void *bytes, size_t n)
{
	if (n == 0 || !room(o, n))
		return;
	memcpy(o->p + o->n, bytes, n);
	o->n += n;
}

static void put_varint(struct otlp_out *o, uint64_t v)
{
	if (room(o, OTLP_VARINT_MAX))
		o->n += otlp_varint(o->p + o->n, v);
}

static void put_64(struct otlp_out *o, uint64_t v)
{
	v = htole64(v);
	put(o, &v, sizeof(v));
}

static void tag(struct otlp_out *o, struct otlp_field f, enum wire wire)
{
	put_varint(o, (uint64_t)f.number << 3 | wire);
}

#define PUT(o, literal) put(o, "" literal, sizeof(literal) - 1)

/* Or after a comma that is there already. */
static inline bool is_opening(uint8_t c)
{
	return c == '{' || c == '[' || c == ',';
}

/* A comma, but for the first in its braces or brackets. */
static void comma(struct otlp_out *o)
{
	if (o->n && !is_opening(o->p[o->n - 1]))
		PUT(o, ",");
}

static void key(struct otlp_out *o, struct otlp_field f)
{
	uint8_t *at = otlp_reserve(o, OTLP_KEY_MAX);
	size_t is_first;

	if (!at)
		return;
	is_first = o->n == 0 || is_opening(at[-1]);
	memcpy(at, f.json + is_first, OTLP_KEY_MAX);
	o->n += f.n - is_first;
}

static void put_digits(struct otlp_out *o, uint64_t v)
{
	if (room(o, DECIMAL_U64_MAX))
		o->n += decimal_u64((char *)o->p + o->n, v);
}

/* proto3's JSON: 64-bit integers are strings */
static void put_quoted(struct otlp_out *o, uint64_t magnitude, bool is_negative)
{
	char *at = (char *)otlp_reserve(o, DECIMAL_U64_MAX + 3), *p = at;

	if (!at)
		return;
	*p++ = '"';
	if (is_negative)
		*p++ = '-';
	p += decimal_u64(p, magnitude);
	*p++ = '"';
	o->n += (size_t)(p - at);
}

static void put_signed(struct otlp_out *o, int64_t v)
{
	put_quoted(o, v < 0 ? -(uint64_t)v : (uint64_t)v, v < 0);
}

static void put_double(struct otlp_out *o, double v)
{
	char text[32];
	int n;

	if (isnan(v))
		n = snprintf(text, sizeof(text), "\"NaN\"");
	else if (isinf(v))
		n = snprintf(text, sizeof(text), v < 0 ? "\"-Infinity\"" : "\"Infinity\"");
	else
		n = snprintf(text, sizeof(text), "%.15g", v);
	/* all that 15 digits do not tell apart, 17 do */
	if (isfinite(v) && strtod(text, NULL) != v)
		n = snprintf(text, sizeof(text), "%.17g", v);
	put(o, text, (size_t)n);
}

/* The length is put in when it is known; one byte is kept for it, which most need. */
size_t otlp_begin(struct otlp_out *o, struct otlp_field f)
{
	if (o->form == OTLP_JSON) {
		key(o, f);
		PUT(o, "{");
	} else {
		tag(o, f, WIRE_BYTES);
		PUT(o, "\0");
	}
	return o->n;
}

size_t otlp_delimited(struct otlp_out *o)
{
	PUT(o, "\0");
	return o->n;
}

size_t otlp_element(struct otlp_out *o, struct otlp_field f)
{
	if (o->form != OTLP_JSON)
		return otlp_begin(o, f);
	comma(o);
	PUT(o, "{");
	return o->n;
}

void otlp_end(struct otlp_out *o, size_t begun)
{
	uint8_t length[OTLP_VARINT_MAX];
	size_t n, extra;

	if (o->form == OTLP_JSON) {
		PUT(o, "}");
		return;
	}
	if (o->is_failed)
		return;
	n = o->n - begun;
	extra = otlp_varint(length, n) - 1;
	if (extra) {
		if (!room(o, extra))
			return;
		memmove(o->p + begun + extra, o->p + begun, n);
		o->n += extra;
	}
	memcpy(o->p + begun - 1, length, extra + 1);
}

void otlp_list(struct otlp_out *o, struct otlp_field f)
{
	if (o->form != OTLP_JSON)
		return;
	key(o, f);
	PUT(o, "[");
}

void otlp_list_end(struct otlp_out *o)
{
	if (o->form == OTLP_JSON)
		PUT(o, "]");
}

void otlp_root(struct otlp_out *o)
{
	if (o->form != OTLP_JSON)
		return;
	comma(o);
	PUT(o, "{");
}

void otlp_root_end(struct otlp_out *o)
{
	if (o->form == OTLP_JSON)
		PUT(o, "}");
}

void otlp_raw_element(struct otlp_out *o, struct otlp_field f, struct slice bytes)
{
	if (o->form == OTLP_JSON) {
		comma(o);
	} else {
		tag(o, f, WIRE_BYTES);
		put_varint(o, bytes.n);
	}
	put(o, bytes.p, bytes.n);
}

bool otlp_is_ascii(struct slice s)
{
	const uint64_t high = 0x8080808080808080, ones = 0x0101010101010101;
	uint64_t word, all = 0;
	size_t i = 0;

	/* a byte of 0 borrows from the one above it, which then shows its highest bit */
	for (; i + sizeof(word) <= s.n; i += sizeof(word)) {
		memcpy(&word, s.p + i, sizeof(word));
		all |= word | (word - ones);
	}
	for (; i < s.n; i++)
		all |= s.p[i] | (s.p[i] == 0 ? 0x80U : 0);
	return !(all & high);
}

static void put_text(struct otlp_out *o, struct slice s)
{
	uint8_t *at = otlp_reserve(o, s.n * QUOTE_BYTE_MAX + 2);
	struct line l = { .p = (char *)at, .end = (char *)o->p + o->cap };

	if (!at)
		return;
	if (s.n && quote_plain(s) == s.n) {
		*at++ = '"';
		at = mempcpy(at, s.p, s.n);
		*at++ = '"';
	} else {
		quote_json(&l, s);
		at = (uint8_t *)l.p;
	}
	o->n = (size_t)(at - o->p);
}

void otlp_string(struct otlp_out *o, struct otlp_field f, struct slice s)
{
	size_t at;

	if (o->form == OTLP_JSON) {
		key(o, f);
		put_text(o, s);
		return;
	}
	if (otlp_is_ascii(s)) {
		tag(o, f, WIRE_BYTES);
		put_varint(o, s.n);
		put(o, s.p, s.n);
		return;
	}
	at = otlp_begin(o, f);
	if (room(o, s.n * UTF8_REPLACEMENT_LEN + 1))
		o->n += utf8_clean((char *)o->p + o->n, o->cap - o->n, s);
	otlp_end(o, at);
}

void otlp_hex(struct otlp_out *o, struct otlp_field f, const uint8_t *id, size_t n)
{
	char *out;

	if (o->form == OTLP_PROTOBUF) {
		tag(o, f, WIRE_BYTES);
		put_varint(o, n);
		put(o, id, n);
		return;
	}
	key(o, f);
	if (!room(o, 2 * n + 2))
		return;
	out = (char *)o->p + o->n;
	*out++ = '"';
	octets_hex(out, id, n);
	out[2 * n] = '"';
	o->n += 2 * n + 2;
}

void otlp_enum(struct otlp_out *o, struct otlp_field f, uint32_t v)
{
	if (o->form == OTLP_JSON) {
		key(o, f);
		put_digits(o, v);
	} else {
		tag(o, f, WIRE_VARINT);
		put_varint(o, v);
	}
}

void otlp_bool(struct otlp_out *o, struct otlp_field f, bool v)
{
	if (o->form == OTLP_PROTOBUF) {
		otlp_enum(o, f, v);
		return;
	}
	key(o, f);
	if (v)
		PUT(o, "true");
	else
		PUT(o, "false");
}

void otlp_int64(struct otlp_out *o, struct otlp_field f, int64_t v)
{
	if (o->form == OTLP_JSON) {
		key(o, f);
		put_signed(o, v);
	} else {
		tag(o, f, WIRE_VARINT);
		put_varint(o, (uint64_t)v);
	}
}

void otlp_sint32(struct otlp_out *o, struct otlp_field f, int32_t v)
{
	if (o->form == OTLP_JSON) {
		key(o, f);
		if (v < 0)
			PUT(o, "-");
		put_digits(o, v < 0 ? -(uint64_t)v : (uint64_t)v);
	} else {
		tag(o, f, WIRE_VARINT);
		put_varint(o, (uint32_t)v << 1 ^ (uint32_t)(v >> 31));
	}
}

void otlp_fixed32(struct otlp_out *o, struct otlp_field f, uint32_t v)
{
	uint32_t little = htole32(v);

	if (o->form == OTLP_JSON) {
		key(o, f);
		put_digits(o, v);
	} else {
		tag(o, f, WIRE_32);
		put(o, &little, sizeof(little));
	}
}

void otlp_fixed64(struct otlp_out *o, struct otlp_field f, uint64_t v)
{
	if (o->form == OTLP_JSON) {
		key(o, f);
		put_quoted(o, v, false);
	} else {
		tag(o, f, WIRE_64);
		put_64(o, v);
	}
}

void otlp_sfixed64(struct otlp_out *o, struct otlp_field f, int64_t v)
{
	if (o->form == OTLP_JSON) {
		key(o, f);
		put_signed(o, v);
	} else {
		tag(o, f, WIRE_64);
		put_64(o, (uint64_t)v);
	}
}

static uint64_t double_bits(double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof(bits));
	return bits;
}

void otlp_double(struct otlp_out *o, struct otlp_field f, double v)
{
	if (o->form == OTLP_JSON) {
		key(o, f);
		put_double(o, v);
	} else {
		tag(o, f, WIRE_64);
		put_64(o, double_bits(v));
	}
}

void otlp_seconds(struct otlp_out *o, struct otlp_field f, uint64_t ns)
{
	if (o->form == OTLP_PROTOBUF) {
		otlp_double(o, f, (double)ns / (double)NS_PER_S);
		return;
	}
	key(o, f);
	if (room(o, DECIMAL_SECONDS_MAX))
		o->n += decimal_seconds((char *)o->p + o->n, ns);
}

/* Numbers of one field: a list of JSON, or packed, as proto3 has them. */
#define NUMBERS(what, type, as_json, as_wire)                                              \
	void otlp_##what(struct otlp_out *o, struct otlp_field f, const type *v, size_t n) \
	{                                                                                  \
		size_t begun;                                                              \
                                                                                           \
		if (o->form == OTLP_JSON) {                                                \
			otlp_list(o, f);                                                   \
			for (size_t i = 0; i < n; i++) {                                   \
				comma(o);                                                  \
				as_json;                                                   \
			}                                                                  \
			otlp_list_end(o);                                                  \
			return;                                                            \
		}                                                                          \
		begun = otlp_begin(o, f);                                                  \
		for (size_t i = 0; i < n; i++)                                             \
			as_wire;                                                           \
		otlp_end(o, begun);                                                        \
	}

NUMBERS(fixed64s, uint64_t, put_quoted(o, v[i], false), put_64(o, v[i]))
NUMBERS(uint64s, uint64_t, put_quoted(o, v[i], false), put_varint(o, v[i]))
NUMBERS(sint64s, int64_t, put_signed(o, v[i]),
	put_varint(o, (uint64_t)v[i] << 1 ^ (uint64_t)(v[i] >> 63)))
NUMBERS(doubles, double, put_double(o, v[i]), put_64(o, double_bits(v[i])))
