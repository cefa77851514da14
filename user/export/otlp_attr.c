/* SPDX-License-Identifier: Apache-2.0 */
#include "export/otlp_attr.h"

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

static struct pair pair_begin(const struct otlp_attrs *a, const char *key)
{
	struct pair p = { .element = otlp_element(a->o, a->field) };

	otlp_string(a->o, f_key, slice_str(key));
	p.value = otlp_begin(a->o, f_value);
	return p;
}

static void pair_end(const struct otlp_attrs *a, struct pair p)
{
	otlp_end(a->o, p.value);
	otlp_end(a->o, p.element);
}

void attr_string(const struct otlp_attrs *a, const char *key, struct slice value)
{
	struct pair p = pair_begin(a, key);

	otlp_string(a->o, f_string, value);
	pair_end(a, p);
}

void attr_string_if(const struct otlp_attrs *a, const char *key, struct slice value)
{
	if (value.n)
		attr_string(a, key, value);
}

void attr_int(const struct otlp_attrs *a, const char *key, int64_t value)
{
	struct pair p = pair_begin(a, key);

	otlp_int64(a->o, f_int, value);
	pair_end(a, p);
}

void attr_bool(const struct otlp_attrs *a, const char *key, bool value)
{
	struct pair p = pair_begin(a, key);

	otlp_bool(a->o, f_bool, value);
	pair_end(a, p);
}

void attr_seconds(const struct otlp_attrs *a, const char *key, uint64_t ns)
{
	struct pair p = pair_begin(a, key);

	otlp_seconds(a->o, f_double, ns);
	pair_end(a, p);
}
