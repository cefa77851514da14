/* SPDX-License-Identifier: Apache-2.0 */
#include "export/otlp_in.h"

static int base64_digit(char c)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

struct slice otlp_in_base64(const char *text, uint8_t *out)
{
	uint32_t bits = 0;
	size_t n = 0;
	int digit, held = 0;

	for (; (digit = base64_digit(*text)) >= 0; text++) {
		bits = bits << 6 | (uint32_t)digit;
		held += 6;
		if (held >= 8) {
			held -= 8;
			out[n++] = (uint8_t)(bits >> held);
		}
	}
	return (struct slice){ out, n };
}
