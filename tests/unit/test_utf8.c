/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include "util/utf8.h"

#define BAD UTF8_REPLACEMENT

static void expect(struct slice in, size_t size, const char *want)
{
	char *out = malloc(size); /* on the heap: the sanitizer sees a byte too many */
	size_t n = utf8_clean(out, size, in);

	assert_string_equal(out, want);
	assert_int_equal(n, strlen(want));
	free(out);
}

static void test_keeps_what_is_valid(void **state)
{
	expect(SLICE(""), 8, "");
	expect(SLICE("plain"), 8, "plain");
	expect(SLICE("\xc2\x80 \xdf\xbf"), 16, "\xc2\x80 \xdf\xbf");
	expect(SLICE("\xe0\xa0\x80 \xed\x9f\xbf \xef\xbf\xbf"), 16,
	       "\xe0\xa0\x80 \xed\x9f\xbf \xef\xbf\xbf");
	expect(SLICE("\xf0\x90\x80\x80 \xf4\x8f\xbf\xbf"), 16, "\xf0\x90\x80\x80 \xf4\x8f\xbf\xbf");
}

static void test_replaces_each_bad_byte(void **state)
{
	expect(SLICE("a\x80z"), 64, "a" BAD "z");
	expect(SLICE("\xc0\xaf"), 64, BAD BAD);			/* overlong '/' */
	expect(SLICE("\xe0\x9f\xbf"), 64, BAD BAD BAD);		/* overlong */
	expect(SLICE("\xed\xa0\x80"), 64, BAD BAD BAD);		/* surrogate */
	expect(SLICE("\xf0\x8f\xbf\xbf"), 64, BAD BAD BAD BAD); /* overlong */
	expect(SLICE("\xf4\x90\x80\x80"), 64, BAD BAD BAD BAD); /* past U+10FFFF */
	expect(SLICE("\xf5\xff\xfe"), 64, BAD BAD BAD);
	expect(SLICE("\xe2\x82"), 64, BAD BAD); /* ends in the middle */
	expect(SLICE("\xe2\x82x"), 64, BAD BAD "x");
	expect(SLICE("a\0b"), 64, "a" BAD "b");
}

static void test_cuts_at_a_code_point(void **state)
{
	expect(SLICE("ab\xe2\x82\xac"), 6, "ab\xe2\x82\xac");
	expect(SLICE("ab\xe2\x82\xac"), 5, "ab");
	expect(SLICE("ab\xff"), 5, "ab");
	expect(SLICE("ab\xff"), 6, "ab" BAD);
	expect(SLICE("ab"), 1, "");
	expect(SLICE("abc"), 3, "ab");
}

/* Every sequence of one to three bytes: the result is always valid, and a valid input itself. */
static void test_every_short_input(void **state)
{
	uint8_t in[3];
	char out[16];

	for (uint32_t v = 0; v < 1u << 24; v += v < 1u << 16 ? 1 : 37) {
		struct slice s = { in, v < 1u << 8 ? 1 : v < 1u << 16 ? 2 : 3 };
		size_t n, at = 0, step;

		in[0] = v & 0xff, in[1] = v >> 8 & 0xff, in[2] = v >> 16;
		n = utf8_clean(out, sizeof(out), s);
		assert_true(n <= 3 * s.n);
		for (; at < n; at += step) {
			step = utf8_next((struct slice){ (uint8_t *)out + at, n - at });
			assert_true(step > 0);
		}
	}
}

/* Escapes, line ends, DEL, C1 in its two bytes, bytes that are nothing: none reaches a terminal. */
static void test_tames(void **state)
{
	char s[] = "a\x1b[31m\tb\n\x7f\xc2\x9b\xffz\xc3\xa4\xe2\x82";

	utf8_tame(s);
	assert_string_equal(s, "a?[31m?b??"
			       "??"
			       "?z\xc3\xa4??");
}

static void test_wide(void **state)
{
	static const char *const wide[] = { "在", "サ", "한", "🛒", "😀", "Ａ", "𠀀" };
	static const char *const narrow[] = { "a", "é", "ß", "я", "…", "█", "€" };

	for (size_t i = 0; i < sizeof(wide) / sizeof(wide[0]); i++)
		assert_true(utf8_is_wide((const uint8_t *)wide[i], strlen(wide[i])));
	for (size_t i = 0; i < sizeof(narrow) / sizeof(narrow[0]); i++)
		assert_false(utf8_is_wide((const uint8_t *)narrow[i], strlen(narrow[i])));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keeps_what_is_valid),
		cmocka_unit_test(test_replaces_each_bad_byte),
		cmocka_unit_test(test_cuts_at_a_code_point),
		cmocka_unit_test(test_every_short_input),
		cmocka_unit_test(test_tames),
		cmocka_unit_test(test_wide),
	};

	return cmocka_run_group_tests_name("utf8", tests, NULL, NULL);
}
