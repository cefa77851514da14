/* SPDX-License-Identifier: Apache-2.0 */
/* Both forms of a message, byte for byte. The protobuf ones were written down by hand from
 * https://protobuf.dev/programming-guides/encoding/ */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "export/otlp_attr.h"
#include "export/otlp_resource.h"

static const struct otlp_field f1 = OTLP_FIELD(1, "one"), f2 = OTLP_FIELD(2, "two"),
			       f16 = OTLP_FIELD(16, "sixteen");

static struct otlp_out out, any;

static void is_bytes(const char *bytes, size_t n)
{
	assert_false(out.is_failed);
	assert_int_equal(out.n, n);
	assert_memory_equal(out.p, bytes, n);
	otlp_out_clear(&out);
}

#define IS(literal) is_bytes(literal, sizeof(literal) - 1)

static int form(enum otlp_form f)
{
	otlp_out_free(&out);
	otlp_out_init(&out, f, 0);
	return f;
}

static void test_numbers(void **state)
{
	form(OTLP_PROTOBUF);
	otlp_enum(&out, f1, 3);
	IS("\x08\x03");
	otlp_int64(&out, f1, 150);
	IS("\x08\x96\x01");
	otlp_int64(&out, f1, -1);
	IS("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
	otlp_sint32(&out, f1, -2);
	IS("\x08\x03");
	otlp_sint32(&out, f1, INT32_MIN);
	IS("\x08\xff\xff\xff\xff\x0f");
	otlp_fixed32(&out, f16, 0x101);
	IS("\x85\x01\x01\x01\x00\x00");
	otlp_fixed64(&out, f1, 1);
	IS("\x09\x01\x00\x00\x00\x00\x00\x00\x00");
	otlp_sfixed64(&out, f1, -1);
	IS("\x09\xff\xff\xff\xff\xff\xff\xff\xff");
	otlp_double(&out, f1, 1);
	IS("\x09\x00\x00\x00\x00\x00\x00\xf0\x3f");
	otlp_seconds(&out, f1, 500000000);
	IS("\x09\x00\x00\x00\x00\x00\x00\xe0\x3f");
	otlp_bool(&out, f1, true);
	IS("\x08\x01");

	form(OTLP_JSON);
	otlp_root(&out);
	otlp_enum(&out, f1, 3);
	otlp_int64(&out, f2, INT64_MIN);
	otlp_sint32(&out, f1, -2);
	otlp_fixed32(&out, f2, 257);
	otlp_fixed64(&out, f2, UINT64_MAX);
	otlp_root_end(&out);
	IS("{\"one\":3,\"two\":\"-9223372036854775808\",\"one\":-2,\"two\":257,"
	   "\"two\":\"18446744073709551615\"}");
	otlp_root(&out);
	otlp_double(&out, f1, 0.1);
	otlp_double(&out, f1, (double)INFINITY);
	otlp_seconds(&out, f1, 1000000001);
	otlp_seconds(&out, f1, 7000000000);
	otlp_bool(&out, f2, false);
	otlp_root_end(&out);
	IS("{\"one\":0.1,\"one\":\"Infinity\",\"one\":1.000000001,\"one\":7,\"two\":false}");
}

static void test_bytes(void **state)
{
	const uint8_t id[] = { 0x01, 0xab, 0xff, 0x90 };

	form(OTLP_PROTOBUF);
	otlp_string(&out, f2, SLICE("testing"));
	IS("\x12\x07testing");
	otlp_string(&out, f2,
		    SLICE("a\xff"
			  "b"));
	IS("\x12\x05"
	   "a\xef\xbf\xbd"
	   "b");
	otlp_string(&out, f2, SLICE("\xc3\xa9"));
	IS("\x12\x02\xc3\xa9");
	otlp_hex(&out, f2, id, sizeof(id));
	IS("\x12\x04\x01\xab\xff\x90");

	form(OTLP_JSON);
	otlp_root(&out);
	otlp_string(&out, f2, SLICE("\"\\\n\xff"));
	otlp_hex(&out, f1, id, sizeof(id));
	otlp_root_end(&out);
	IS("{\"two\":\"\\\"\\\\\\u000a\xef\xbf\xbd\",\"one\":\"01abff90\"}");
}

/* The length of a message is known last, and may need more bytes than were kept for it. */
static void check_nested(size_t n)
{
	struct slice s = { calloc(1, n), n };
	size_t length = n < 128 ? 1 : n < 16384 ? 2 : 3, outer, inner;

	memset((void *)s.p, 'x', n);
	form(OTLP_PROTOBUF);
	outer = otlp_begin(&out, f1);
	inner = otlp_begin(&out, f2);
	otlp_string(&out, f1, s);
	otlp_end(&out, inner);
	otlp_enum(&out, f16, 1);
	otlp_end(&out, outer);
	assert_false(out.is_failed);
	assert_in_range(out.n, n + 3 * length + 6, n + 3 * length + 9);
	/* behind the lengths and tags come the bytes, then what follows the inner message */
	assert_memory_equal(out.p + out.n - 3 - n, s.p, n);
	assert_memory_equal(out.p + out.n - 3, "\x80\x01\x01", 3);
	free((void *)s.p);
}

static void test_lengths(void **state)
{
	for (size_t n = 100; n < 140; n++)
		check_nested(n);
	for (size_t n = 16370; n < 16390; n++)
		check_nested(n);
}

static void test_lists(void **state)
{
	const uint64_t v[] = { 1, 300 };
	const double d[] = { 1, 0.005 };
	struct otlp_attrs a;

	form(OTLP_PROTOBUF);
	otlp_uint64s(&out, f1, v, 2);
	IS("\x0a\x03\x01\xac\x02");
	otlp_fixed64s(&out, f1, v, 2);
	IS("\x0a\x10\x01\0\0\0\0\0\0\0\x2c\x01\0\0\0\0\0\0");
	a = otlp_attrs(&out, 9);
	attr_string(&a, SLICE("k"), SLICE("v"));
	attr_int(&a, SLICE("n"), 5);
	otlp_attrs_end(&a);
	IS("\x4a\x08\x0a\x01k\x12\x03\x0a\x01v\x4a\x07\x0a\x01n\x12\x02\x18\x05");

	form(OTLP_JSON);
	otlp_root(&out);
	otlp_uint64s(&out, f1, v, 2);
	otlp_doubles(&out, f2, d, 2);
	a = otlp_attrs(&out, 9);
	attr_string(&a, SLICE("k"), SLICE("v"));
	attr_int(&a, SLICE("n"), 5);
	attr_bool(&a, SLICE("b"), true);
	attr_string_if(&a, SLICE("none"), SLICE(""));
	otlp_attrs_end(&a);
	otlp_root_end(&out);
	IS("{\"one\":[\"1\",\"300\"],\"two\":[1,0.005],\"attributes\":["
	   "{\"key\":\"k\",\"value\":{\"stringValue\":\"v\"}},"
	   "{\"key\":\"n\",\"value\":{\"intValue\":\"5\"}},"
	   "{\"key\":\"b\",\"value\":{\"boolValue\":true}}]}");
}

/* The same pairs three times: by keys that the program knows into `out`, by others into `any`. */
static void begin_pair(enum otlp_form f, struct otlp_attrs *known, struct otlp_attrs *other)
{
	form(f);
	otlp_out_clear(&any);
	any.form = f;
	*known = otlp_attrs(&out, 9);
	*other = otlp_attrs(&any, 9);
}

static void are_same(const struct otlp_attrs *known, const struct otlp_attrs *other)
{
	otlp_attrs_end(known);
	otlp_attrs_end(other);
	assert_int_equal(out.n, any.n);
	assert_memory_equal(out.p, any.p, any.n);
}

static void check_known_string(enum otlp_form f, struct slice value)
{
	struct otlp_attrs known, other;

	begin_pair(f, &known, &other);
	for (int i = 0; i < 3; i++) {
		ATTR_STRING(&known, "a.key", value);
		attr_string(&other, SLICE("a.key"), value);
		ATTR_STRING_IF(&known, "http.request.method_original", value);
		attr_string_if(&other, SLICE("http.request.method_original"), value);
	}
	are_same(&known, &other);
}

static void check_known_int(enum otlp_form f, uint64_t value)
{
	struct otlp_attrs known, other;

	begin_pair(f, &known, &other);
	for (int i = 0; i < 3; i++) {
		ATTR_INT(&known, "n", value);
		attr_int(&other, SLICE("n"), (int64_t)value);
		ATTR_WORD(&known, "word", SLICE("a word"));
		attr_string(&other, SLICE("word"), SLICE("a word"));
		ATTR_BOOL(&known, "is", value & 1);
		attr_bool(&other, SLICE("is"), value & 1);
	}
	are_same(&known, &other);
}

static void check_known(enum otlp_form f)
{
	static const uint64_t ints[] = {
		0, 1, 127, 128, 16383, 16384, UINT32_MAX, INT64_MAX,
	};
	char text[300];

	memset(text, 'x', sizeof(text));
	for (size_t n = 0; n < sizeof(text); n++)
		check_known_string(f, (struct slice){ (uint8_t *)text, n });
	check_known_string(f, SLICE("\xc3\xa9"));
	check_known_string(f, SLICE("\xff \" \n"));
	check_known_string(f, SLICE("a\0b"));
	for (size_t i = 0; i < sizeof(ints) / sizeof(ints[0]); i++)
		check_known_int(f, ints[i]);
}

/* Keys that the program knows are written in another way, and nobody is to see it. */
static void test_known_keys(void **state)
{
	static const struct attr_key k = ATTR_KEY("s", ATTR_JSON_DOUBLE);
	struct otlp_attrs a;

	otlp_out_init(&any, OTLP_JSON, 0);
	check_known(OTLP_JSON);
	check_known(OTLP_PROTOBUF);
	otlp_out_free(&any);

	form(OTLP_JSON);
	a = otlp_attrs(&out, 9);
	attr_known_seconds(&a, &k, 1500000000);
	attr_known_seconds(&a, &k, 0);
	otlp_attrs_end(&a);
	IS("\"attributes\":[{\"key\":\"s\",\"value\":{\"doubleValue\":1.500000000}},"
	   "{\"key\":\"s\",\"value\":{\"doubleValue\":0}}]");
	form(OTLP_PROTOBUF);
	a = otlp_attrs(&out, 9);
	attr_known_seconds(&a, &k, 1500000000);
	IS("\x4a\x0e\x0a\x01s\x12\x09\x21\0\0\0\0\0\0\xf8\x3f");
}

static void test_limit(void **state)
{
	otlp_out_free(&out);
	otlp_out_init(&out, OTLP_PROTOBUF, 8192);
	for (int i = 0; i < 2000; i++)
		otlp_string(&out, f1, SLICE("0123456789"));
	assert_true(out.is_failed);
	assert_in_range(out.n, 1, 8192);
}

static void test_pairs(void **state)
{
	struct otlp_pairs p = { 0 };

	assert_int_equal(otlp_pairs_parse(&p, " a = b%20c ,,d=,a=2,x%3Dy=%2C"), 0);
	assert_int_equal(p.n, 3);
	assert_string_equal(p.v[0].key, "a");
	assert_string_equal(p.v[0].value, "2");
	assert_string_equal(p.v[1].key, "d");
	assert_string_equal(p.v[1].value, "");
	assert_string_equal(p.v[2].key, "x=y");
	assert_string_equal(p.v[2].value, ",");
	p.n = 0;
	assert_int_equal(otlp_pairs_parse(&p, "novalue,=v,k=%zz,k=%2,a%22b=v,\xc3\xa9=v"), 6);
	assert_int_equal(p.n, 0);
}

static int cleanup(void **state)
{
	otlp_out_free(&out);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),	   cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_lengths),	   cmocka_unit_test(test_lists),
		cmocka_unit_test(test_known_keys), cmocka_unit_test(test_limit),
		cmocka_unit_test(test_pairs),
	};

	return cmocka_run_group_tests(tests, NULL, cleanup);
}
