/* SPDX-License-Identifier: Apache-2.0 */
#include "export/otlp_attr.h"

#include <assert.h>
#include <endian.h>
#include <string.h>
#include "export/quote.h"
#include "util/clock.h"
#include "util/decimal.h"

/* opentelemetry/proto/common/v1/common.proto: KeyValue, AnyValue */
static const struct otlp_field f_key = OTLP_FIELD(1, "key");
static const struct otlp_field f_value = OTLP_FIELD(2, "value");
static const struct otlp_field f_string = OTLP_FIELD(1, "stringValue");
static const struct otlp_field f_bool = OTLP_FIELD(2, "boolValue");
static const struct otlp_field f_int = OTLP_FIELD(3, "intValue");

/* With a name of a known key its attribute is then shorter than 128 bytes. */
enum { SHORT_MAX = 127 - ATTR_NAME_MAX - 6 };

struct otlp_attrs otlp_attrs(struct otlp_out *o, uint32_t number)
{
	struct otlp_attrs a = { o, OTLP_FIELD(number, "attributes") };

	assert(number < 16); /* its tag has one byte */
	otlp_list(o, a.field);
	return a;
}

void otlp_attrs_end(const struct otlp_attrs *a)
{
	struct otlp_out *o = a->o;

	if (o->form == OTLP_JSON && o->n && o->p[o->n - 1] == ',')
		o->n--;
	otlp_list_end(o);
}

struct pair {
	size_t element, value;
};

static struct pair pair_begin(const struct otlp_attrs *a, struct slice key)
{
	struct pair p = { 0 };

	p.element = otlp_element(a->o, a->field);
	otlp_string(a->o, f_key, key);
	p.value = otlp_begin(a->o, f_value);
	return p;
}

static void pair_end(const struct otlp_attrs *a, struct pair p)
{
	uint8_t *at;

	otlp_end(a->o, p.value);
	otlp_end(a->o, p.element);
	at = a->o->form == OTLP_JSON ? otlp_reserve(a->o, 1) : NULL;
	if (!at)
		return;
	*at = ',';
	a->o->n++;
}

void attr_string(const struct otlp_attrs *a, struct slice key, struct slice value)
{
	struct pair p = pair_begin(a, key);

	otlp_string(a->o, f_string, value);
	pair_end(a, p);
}

void attr_string_if(const struct otlp_attrs *a, struct slice key, struct slice value)
{
	if (value.n)
		attr_string(a, key, value);
}

void attr_int(const struct otlp_attrs *a, struct slice key, int64_t value)
{
	struct pair p = pair_begin(a, key);

	otlp_int64(a->o, f_int, value);
	pair_end(a, p);
}

void attr_bool(const struct otlp_attrs *a, struct slice key, bool value)
{
	struct pair p = pair_begin(a, key);

	otlp_bool(a->o, f_bool, value);
	pair_end(a, p);
}

/* --- known keys --- */

/* Where the value begins, with room for `room` bytes of it and a few that end it. NULL: none. */
static inline uint8_t *json_begin(const struct otlp_attrs *a, const struct attr_key *k, size_t room)
{
	uint8_t *p = otlp_reserve(a->o, ATTR_JSON_MAX + room + 8);

	if (!p)
		return NULL;
	memcpy(p, k->json, ATTR_JSON_MAX);
	return p + k->json_n;
}

#define JSON_END(a, at, literal) \
	((a)->o->n = (size_t)((uint8_t *)mempcpy((at), literal, sizeof(literal) - 1) - (a)->o->p))

/* The same in protobuf, for what is so short that each length has one byte. */
static inline uint8_t *short_begin(const struct otlp_attrs *a, const struct attr_key *k,
				   size_t room)
{
	uint8_t *p = otlp_reserve(a->o, ATTR_NAME_MAX + room + 8);

	if (!p)
		return NULL;
	p[0] = (uint8_t)(a->field.number << 3 | 2);
	p[2] = 1 << 3 | 2; /* KeyValue.key */
	p[3] = k->n;
	memcpy(p + 4, k->name, ATTR_NAME_MAX);
	p += 4 + k->n;
	p[0] = 2 << 3 | 2; /* KeyValue.value */
	return p + 2;
}

static inline void short_end(const struct otlp_attrs *a, uint8_t *value, uint8_t *end)
{
	struct otlp_out *o = a->o;

	o->p[o->n + 1] = (uint8_t)(end - (o->p + o->n + 2));
	value[-1] = (uint8_t)(end - value);
	o->n = (size_t)(end - o->p);
}

static void json_plain(const struct otlp_attrs *a, const struct attr_key *k, struct slice value)
{
	uint8_t *p = json_begin(a, k, value.n);

	if (p)
		JSON_END(a, value.n ? mempcpy(p, value.p, value.n) : p, "\"}},");
}

static void short_string(const struct otlp_attrs *a, const struct attr_key *k, struct slice value)
{
	uint8_t *at = short_begin(a, k, value.n + 2);

	if (!at)
		return;
	at[0] = 1 << 3 | 2; /* AnyValue.string_value */
	at[1] = (uint8_t)value.n;
	short_end(a, at, value.n ? mempcpy(at + 2, value.p, value.n) : at + 2);
}

static inline struct slice key_name(const struct attr_key *k)
{
	return (struct slice){ (const uint8_t *)k->name, k->n };
}

void attr_known_string(const struct otlp_attrs *a, const struct attr_key *k, struct slice value)
{
	bool is_json = a->o->form == OTLP_JSON;

	if (is_json && quote_plain(value) == value.n)
		json_plain(a, k, value);
	else if (!is_json && value.n <= SHORT_MAX && otlp_is_ascii(value))
		short_string(a, k, value);
	else
		attr_string(a, key_name(k), value);
}

void attr_known_string_if(const struct otlp_attrs *a, const struct attr_key *k, struct slice value)
{
	if (value.n)
		attr_known_string(a, k, value);
}

void attr_known_word(const struct otlp_attrs *a, const struct attr_key *k, struct slice value)
{
	if (a->o->form == OTLP_JSON)
		json_plain(a, k, value);
	else
		attr_known_string(a, k, value);
}

void attr_known_int(const struct otlp_attrs *a, const struct attr_key *k, uint64_t value)
{
	bool is_json = a->o->form == OTLP_JSON;
	uint8_t *at = is_json ? json_begin(a, k, DECIMAL_U64_MAX)
			      : short_begin(a, k, 1 + OTLP_VARINT_MAX);

	if (!at)
		return;
	if (is_json) {
		JSON_END(a, at + decimal_u64((char *)at, value), "\"}},");
		return;
	}
	at[0] = 3 << 3 | 0; /* AnyValue.int_value */
	short_end(a, at, at + 1 + otlp_varint(at + 1, value));
}

void attr_known_bool(const struct otlp_attrs *a, const struct attr_key *k, bool value)
{
	bool is_json = a->o->form == OTLP_JSON;
	uint8_t *at = is_json ? json_begin(a, k, sizeof("false")) : short_begin(a, k, 2);

	if (!at)
		return;
	if (is_json) {
		at = value ? mempcpy(at, "true", 4) : mempcpy(at, "false", 5);
		JSON_END(a, at, "}},");
		return;
	}
	at[0] = 2 << 3 | 0; /* AnyValue.bool_value */
	at[1] = value;
	short_end(a, at, at + 2);
}

void attr_known_seconds(const struct otlp_attrs *a, const struct attr_key *k, uint64_t ns)
{
	bool is_json = a->o->form == OTLP_JSON;
	double seconds = (double)ns / (double)NS_PER_S;
	uint8_t *at = is_json ? json_begin(a, k, DECIMAL_SECONDS_MAX)
			      : short_begin(a, k, 1 + sizeof(seconds));
	uint64_t bits;

	if (!at)
		return;
	if (is_json) {
		JSON_END(a, at + decimal_seconds((char *)at, ns), "}},");
		return;
	}
	memcpy(&bits, &seconds, sizeof(bits));
	bits = htole64(bits);
	at[0] = 4 << 3 | 1; /* AnyValue.double_value */
	short_end(a, at, mempcpy(at + 1, &bits, sizeof(bits)));
}
