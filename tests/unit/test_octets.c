/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>
#include "export/quote.h"
#include "util/decimal.h"
#include "util/slice.h"

/* Every byte at every place, among bytes that are next to it. */
static void test_every_byte(void **state)
{
	for (int byte = 0; byte < 256; byte++) {
		for (int at = 0; at < 8; at++) {
			uint8_t text[8];
			uint64_t x;

			memset(text, byte == 255 ? 254 : byte + 1, sizeof(text));
			text[at] = (uint8_t)byte;
			x = octets_load(text);
			assert_int_equal(octets_equal(x, (uint8_t)byte) != 0, true);
			assert_int_equal(octets_equal(x, (uint8_t)(byte - 1)) != 0, byte == 255);
			assert_int_equal(octets_below(x, 0x20) != 0, byte < 0x20);
			x = octets_lower(x);
			memcpy(text, &x, sizeof(text));
			assert_int_equal(text[at], slice_lower((uint8_t)byte));
		}
	}
}

static bool is_same(const uint8_t *a, const uint8_t *b, size_t n)
{
	while (n--)
		if (slice_lower(a[n]) != slice_lower(b[n]))
			return false;
	return true;
}

static void test_same_letters(void **state)
{
	uint8_t a[24], b[24];

	for (size_t n = 0; n <= sizeof(a); n++) {
		for (int byte = 0; byte < 256; byte++) {
			for (size_t at = 0; at < n; at++) {
				memset(a, 'Q', sizeof(a));
				memset(b, 'q', sizeof(b));
				a[at] = (uint8_t)byte;
				b[at] = (uint8_t)(byte ^ 0x20);
				assert_int_equal(
					slice_ieq((struct slice){ a, n }, (struct slice){ b, n }),
					is_same(a, b, n));
			}
		}
	}
	assert_true(slice_ieq(SLICE(""), SLICE("")));
	assert_false(slice_ieq(SLICE("a"), SLICE("")));
}

static void test_what_needs_no_escape(void **state)
{
	uint8_t text[20];

	for (int byte = 0; byte < 256; byte++) {
		bool is_plain = byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\';

		for (size_t at = 0; at < sizeof(text); at++) {
			memset(text, 'x', sizeof(text));
			text[at] = (uint8_t)byte;
			assert_int_equal(quote_plain((struct slice){ text, sizeof(text) }),
					 is_plain ? sizeof(text) : at);
		}
	}
}

static void assert_decimal(uint64_t n)
{
	char want[32], got[32] = "";

	snprintf(want, sizeof(want), "%" PRIu64, n);
	assert_int_equal(decimal_u64(got, n), strlen(want));
	assert_memory_equal(got, want, strlen(want) + 1);
	memset(got, 0, sizeof(got));
	snprintf(want, sizeof(want), n % 1000000000 ? "%" PRIu64 ".%09" PRIu64 : "%" PRIu64,
		 n / 1000000000, n % 1000000000);
	assert_int_equal(decimal_seconds(got, n), strlen(want));
	assert_string_equal(got, want);
}

static void test_decimal(void **state)
{
	char ip[DECIMAL_IPV4_MAX + 1] = "";

	for (uint64_t n = 1; n < UINT64_MAX / 10; n *= 10) {
		assert_decimal(n - 1);
		assert_decimal(n);
		assert_decimal(n * 9 + n / 7);
	}
	assert_decimal(UINT64_MAX);
	assert_int_equal(decimal_ipv4(ip, (const uint8_t[4]){ 255, 100, 20, 0 }), 12);
	assert_string_equal(ip, "255.100.20.0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_byte),
		cmocka_unit_test(test_same_letters),
		cmocka_unit_test(test_what_needs_no_escape),
		cmocka_unit_test(test_decimal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
