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

/* Every byte at every place of strings of every length up to three words. */
static void test_plain(void **state)
{
	uint8_t text[24];

	for (size_t n = 0; n <= sizeof(text); n++) {
		for (size_t at = 0; at < n; at++) {
			for (int byte = 0; byte < 256; byte++) {
				bool is_plain =
					byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\';

				memset(text, 'x', sizeof(text));
				text[at] = (uint8_t)byte;
				assert_int_equal(quote_plain((struct slice){ text, n }),
						 is_plain ? n : at);
			}
		}
		memset(text, '"', sizeof(text));
		memset(text, 'x', n);
		assert_int_equal(quote_plain((struct slice){ text, n }), n);
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

static void test_hex(void **state)
{
	uint8_t bytes[256];
	char got[513] = "", want[3];

	for (int i = 0; i < 256; i++)
		bytes[i] = (uint8_t)i;
	octets_hex(got, bytes, sizeof(bytes));
	for (int i = 0; i < 256; i++) {
		snprintf(want, sizeof(want), "%02x", i);
		assert_memory_equal(got + 2 * i, want, 2);
	}
	assert_int_equal(got[512], 0);
}

static void assert_decimal(uint64_t n)
{
	char want[32], got[32];

	memset(got, 'x', sizeof(got));
	snprintf(want, sizeof(want), "%" PRIu64, n);
	assert_int_equal(decimal_u64(got, n), strlen(want));
	assert_memory_equal(got, want, strlen(want));
	for (size_t i = DECIMAL_U64_MAX; i < sizeof(got); i++)
		assert_int_equal(got[i], 'x');
	memset(got, 0, sizeof(got));
	snprintf(want, sizeof(want), n % 1000000000 ? "%" PRIu64 ".%09" PRIu64 : "%" PRIu64,
		 n / 1000000000, n % 1000000000);
	assert_int_equal(decimal_seconds(got, n), strlen(want));
	assert_string_equal(got, want);
}

static void test_decimal(void **state)
{
	char ip[DECIMAL_IPV4_MAX + 1] = "", got[9] = "", want[9];

	for (uint32_t n = 0; n < 100000000; n += 9973) {
		snprintf(want, sizeof(want), "%08" PRIu32, n);
		decimal_fixed(got, n, 8);
		assert_string_equal(got, want);
	}
	for (uint32_t n = 0; n < 70000; n++)
		assert_decimal(n);
	for (int n = 0; n < 256; n++) {
		uint8_t octets[4] = { (uint8_t)n, 1, (uint8_t)n, 0 };
		char text[DECIMAL_IPV4_MAX + 1];

		text[decimal_ipv4(text, octets)] = '\0';
		snprintf(ip, sizeof(ip), "%d.1.%d.0", n, n);
		assert_string_equal(text, ip);
	}
	/* all halves of four digits there are */
	for (uint32_t n = 0; n < 10000; n++) {
		snprintf(want, sizeof(want), "%04" PRIu32 "%04" PRIu32, n, 9999 - n);
		decimal_fixed(got, n * 10000 + 9999 - n, 8);
		assert_string_equal(got, want);
	}
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
		cmocka_unit_test(test_every_byte),   cmocka_unit_test(test_plain),
		cmocka_unit_test(test_same_letters), cmocka_unit_test(test_what_needs_no_escape),
		cmocka_unit_test(test_hex),	     cmocka_unit_test(test_decimal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
