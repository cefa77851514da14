/* SPDX-License-Identifier: Apache-2.0 */
#include "export/otlp_attr.h"

#include <string.h>
#include "export/quote.h"
#include "util/decimal.h"

/* opentelemetry/proto/common/v1/common.proto: KeyValue, AnyValue */
static const struct otlp_field f_key = { 1, "key" };
static const struct otlp_field f_value = { 2, "value" };
static const struct otlp_field f_string = { 1, "stringValue" };
static const struct otlp_field f_bool = { 2, "boolValue" };
static const struct otlp_field f_int = { 3, "intValue" };
static const struct otlp_field f_double = { 4, "doubleValue" };

struct otlp_attrs otlp_attrs(struct otlp_out *o, uint32_t number)
{
	struct otlp_attrs a = { o, { number, "attributes" } };

	otlp_list(o, a.field);
	return a;
}

void otlp_attrs_end(const struct otlp_attrs *a)
{
	otlp_list_end(a->o);
}

struct pair {
	size_t element, value;
};

/* Keys are our own, plain ASCII: in JSON all that stands around a value is copied, unescaped. */
#define JSON_BEFORE_KEY "{\"key\":\""

/* What stands between a key and its value. A copy of the whole array is faster than of n bytes. */
struct between {
	char text[32];
	size_t n;
};

#define BETWEEN(literal)                     \
	{                                    \
		literal, sizeof(literal) - 1 \
	}

static const struct between json_any = BETWEEN("\",\"value\":{");
static const struct between json_text = BETWEEN("\",\"value\":{\"stringValue\":\"");
static const struct between json_integer = BETWEEN("\",\"value\":{\"intValue\":\"");
static const struct between json_double = BETWEEN("\",\"value\":{\"doubleValue\":");

/* Where the value begins, with room for `room` bytes of it and a few that end it. NULL: none. */
static inline uint8_t *json_begin(const struct otlp_attrs *a, struct slice key,
				  const struct between *b, size_t room)
{
	uint8_t *p = otlp_reserve(a->o, key.n + room + 64);

	if (!p)
		return NULL;
	if (p[-1] != '[')
		*p++ = ',';
	p = mempcpy(p, JSON_BEFORE_KEY, sizeof(JSON_BEFORE_KEY) - 1);
	p = mempcpy(p, key.p, key.n);
	memcpy(p, b->text, sizeof(b->text));
	return p + b->n;
}

#define JSON_END(out, at, literal) \
	((out)->n = (size_t)((uint8_t *)mempcpy((at), literal, sizeof(literal) - 1) - (out)->p))

/* A string that is copied as it is, as most are. */
static void json_plain(const struct otlp_attrs *a, struct slice key, struct slice value)
{
	uint8_t *p = json_begin(a, key, &json_text, value.n);

	if (!p)
		return;
	if (value.n)
		p = mempcpy(p, value.p, value.n);
	JSON_END(a->o, p, "\"}}");
}

/* A short string of ASCII, which most are: every length is known, and has one byte. */
static bool short_string(const struct otlp_attrs *a, struct slice key, struct slice value)
{
	size_t all = key.n + value.n + 6;
	struct otlp_out *o = a->o;
	uint8_t *p;

	if (o->form != OTLP_PROTOBUF || a->field.number > 15 || all > 127 || !otlp_is_ascii(value))
		return false;
	p = otlp_reserve(o, all + 2);
	if (!p)
		return true;
	*p++ = (uint8_t)(a->field.number << 3 | 2);
	*p++ = (uint8_t)all;
	*p++ = 1 << 3 | 2; /* KeyValue.key */
	*p++ = (uint8_t)key.n;
	p = mempcpy(p, key.p, key.n);
	*p++ = 2 << 3 | 2; /* KeyValue.value */
	*p++ = (uint8_t)(value.n + 2);
	*p++ = 1 << 3 | 2; /* AnyValue.string_value */
	*p++ = (uint8_t)value.n;
	if (value.n)
		memcpy(p, value.p, value.n);
	o->n += all + 2;
	return true;
}

static struct pair pair_begin(const struct otlp_attrs *a, struct slice key)
{
	struct pair p = { 0 };
	uint8_t *at;

	if (a->o->form == OTLP_JSON) {
		at = json_begin(a, key, &json_any, 0);
		if (at)
			a->o->n = (size_t)(at - a->o->p);
		return p;
	}
	p.element = otlp_element(a->o, a->field);
	otlp_string(a->o, f_key, key);
	p.value = otlp_begin(a->o, f_value);
	return p;
}

static void pair_end(const struct otlp_attrs *a, struct pair p)
{
	otlp_end(a->o, p.value);
	otlp_end(a->o, p.element);
}

static void any_string(const struct otlp_attrs *a, struct slice key, struct slice value)
{
	struct pair p = pair_begin(a, key);

	otlp_string(a->o, f_string, value);
	pair_end(a, p);
}

void attr_string(const struct otlp_attrs *a, struct slice key, struct slice value)
{
	if (a->o->form == OTLP_JSON && quote_plain(value) == value.n)
		json_plain(a, key, value);
	else if (!short_string(a, key, value))
		any_string(a, key, value);
}

void attr_word(const struct otlp_attrs *a, struct slice key, struct slice value)
{
	if (a->o->form == OTLP_JSON)
		json_plain(a, key, value);
	else
		attr_string(a, key, value);
}

void attr_string_if(const struct otlp_attrs *a, struct slice key, struct slice value)
{
	if (value.n)
		attr_string(a, key, value);
}

void attr_int(const struct otlp_attrs *a, struct slice key, int64_t value)
{
	struct pair p;
	uint8_t *at;

	if (a->o->form == OTLP_JSON && value >= 0) {
		at = json_begin(a, key, &json_integer, DECIMAL_U64_MAX);
		if (at)
			JSON_END(a->o, at + decimal_u64((char *)at, (uint64_t)value), "\"}}");
		return;
	}
	p = pair_begin(a, key);
	otlp_int64(a->o, f_int, value);
	pair_end(a, p);
}

void attr_bool(const struct otlp_attrs *a, struct slice key, bool value)
{
	struct pair p = pair_begin(a, key);

	otlp_bool(a->o, f_bool, value);
	pair_end(a, p);
}

void attr_seconds(const struct otlp_attrs *a, struct slice key, uint64_t ns)
{
	struct pair p;
	uint8_t *at;

	if (a->o->form == OTLP_JSON) {
		at = json_begin(a, key, &json_double, DECIMAL_SECONDS_MAX);
		if (at)
			JSON_END(a->o, at + decimal_seconds((char *)at, ns), "}}");
		return;
	}
	p = pair_begin(a, key);
	otlp_seconds(a->o, f_double, ns);
	pair_end(a, p);
}
