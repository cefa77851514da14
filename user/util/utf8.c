/* SPDX-License-Identifier: Apache-2.0 */
#include "util/utf8.h"

static bool utf8_is_trail(uint8_t c)
{
	return (c & 0xc0) == 0x80;
}

size_t utf8_next(struct slice in)
{
	const uint8_t *p = in.p;
	/* the second byte's range is narrower after these leads: overlong, surrogate, too large */
	uint8_t low = 0x80, high = 0xbf;

	if (in.n == 0)
		return 0;
	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	if (p[0] == 0xe0)
		low = 0xa0;
	else if (p[0] == 0xed)
		high = 0x9f;
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f;
	if (in.n < 2 || p[1] < low || p[1] > high)
		return 0;
	if (p[0] < 0xe0)
		return 2;
	if (in.n < 3 || !utf8_is_trail(p[2]))
		return 0;
	if (p[0] < 0xf0)
		return 3;
	return in.n >= 4 && utf8_is_trail(p[3]) ? 4 : 0;
}

size_t utf8_clean(char *out, size_t size, struct slice in)
{
	size_t n = 0;

	while (in.n) {
		size_t used = in.p[0] ? utf8_next(in) : 0;
		size_t put = used ? used : UTF8_REPLACEMENT_LEN;

		if (put >= size - n)
			break;
		memcpy(out + n, used ? (const char *)in.p : UTF8_REPLACEMENT, put);
		n += put;
		in.p += used ? used : 1;
		in.n -= used ? used : 1;
	}
	out[n] = '\0';
	return n;
}

bool utf8_is_control(const uint8_t *p, size_t n)
{
	return n == 1 ? p[0] < 0x20 || p[0] == 0x7f : n == 2 && p[0] == 0xc2 && p[1] < 0xa0;
}

bool utf8_is_wide(const uint8_t *p, size_t n)
{
	static const uint32_t blocks[][2] = {
		{ 0x1100, 0x115f },   { 0x2e80, 0x303e },   { 0x3041, 0x4dbf },
		{ 0x4e00, 0xa4cf },   { 0xac00, 0xd7a3 },   { 0xf900, 0xfaff },
		{ 0xfe30, 0xfe6f },   { 0xff00, 0xff60 },   { 0xffe0, 0xffe6 },
		{ 0x1f300, 0x1f64f }, { 0x1f680, 0x1f6ff }, { 0x1f900, 0x1f9ff },
		{ 0x20000, 0x3fffd },
	};
	uint32_t c;

	if (n < 3)
		return false;
	c = n == 3 ? p[0] & 0x0f : p[0] & 0x07;
	for (size_t i = 1; i < n; i++)
		c = c << 6 | (p[i] & 0x3f);
	for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++)
		if (c >= blocks[i][0] && c <= blocks[i][1])
			return true;
	return false;
}

void utf8_tame(char *s)
{
	struct slice in = slice_str(s);
	size_t n;

	for (; in.n; in.p += n, in.n -= n, s += n) {
		n = utf8_next(in);
		if (!n || utf8_is_control(in.p, n))
			memset(s, '?', n ? n : 1);
		n = n ? n : 1;
	}
}
