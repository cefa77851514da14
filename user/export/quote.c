/* SPDX-License-Identifier: Apache-2.0 */
#include "export/quote.h"

#include "util/utf8.h"

static bool quote_is_plain(uint8_t c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/* One byte or code point that may not stand as it is. Returns the bytes of `s` it used. */
static size_t quote_escape(struct line *l, struct slice s)
{
	static const char hex[] = "0123456789abcdef";
	size_t used;

	if (s.p[0] == '"' || s.p[0] == '\\') {
		char pair[2] = { '\\', (char)s.p[0] };

		line_put(l, pair, sizeof(pair));
		return 1;
	}
	/* RFC 8259, 7: the controls; DEL with them, for the sake of terminals */
	if (s.p[0] < 0x20 || s.p[0] == 0x7f) {
		char code[6] = { '\\', 'u', '0', '0', hex[s.p[0] >> 4], hex[s.p[0] & 15] };

		line_put(l, code, sizeof(code));
		return 1;
	}
	used = utf8_next(s);
	if (used)
		line_put(l, s.p, used);
	else
		LINE_PUT(l, UTF8_REPLACEMENT);
	return used ? used : 1;
}

/* As octets_below() and octets_equal() tell it, but that a byte above 127 is not plain anyway. */
static bool are_plain(uint64_t x)
{
	uint64_t controls = (x - OCTETS_ONES * 0x20) | (x + OCTETS_ONES); /* DEL with them */
	uint64_t quotes =
		((x ^ OCTETS_ONES * '"') - OCTETS_ONES) | ((x ^ OCTETS_ONES * '\\') - OCTETS_ONES);

	return !((x | controls | quotes) & OCTETS_HIGHS);
}

size_t quote_plain(struct slice s)
{
	size_t n = 0;

	while (n + 8 <= s.n && are_plain(octets_load(s.p + n)))
		n += 8;
	/* what is left is fewer than eight: with the last that were looked at, or all there are */
	if (n < s.n && n + 8 > s.n &&
	    are_plain(n ? octets_load(s.p + s.n - 8) : octets_few(s.p, s.n)))
		return s.n;
	while (n < s.n && quote_is_plain(s.p[n]))
		n++;
	return n;
}

void quote_json(struct line *l, struct slice s)
{
	LINE_PUT(l, "\"");
	while (s.n) {
		size_t n = quote_plain(s);

		line_put(l, s.p, n);
		if (n < s.n)
			n += quote_escape(l, (struct slice){ s.p + n, s.n - n });
		s.p += n;
		s.n -= n;
	}
	LINE_PUT(l, "\"");
}
