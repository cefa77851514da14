/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/route_segment.h"

enum {
	DIGIT = 1 << 0,
	HEX = 1 << 1, /* a-f */
	LETTER = 1 << 2,
	JOINT = 1 << 3, /* joins the parts of a name */
	OTHER = 1 << 4,
	ODD = 1 << 5, /* not printable ASCII */

	HEX_MIN = 8,	/* digits of hex that are no word, one of them 0-9 */
	DIGITS_MIN = 5, /* in one part */
	DIGITS_ALL = 8, /* in all parts together: times of day */
	TOKEN_MIN = 24, /* bytes of letters and digits mixed */
};

static const uint8_t kinds[256] = {
	[0 ... 31] = ODD,
	[32 ... 42] = OTHER,
	['+'] = JOINT,
	[','] = JOINT,
	['-'] = JOINT,
	['.'] = JOINT,
	['/'] = OTHER,
	['0' ... '9'] = DIGIT,
	[':'] = JOINT,
	[';' ... '@'] = OTHER,
	['A' ... 'F'] = LETTER | HEX,
	['G' ... 'Z'] = LETTER,
	['[' ... '^'] = OTHER,
	['_'] = JOINT,
	['`'] = OTHER,
	['a' ... 'f'] = LETTER | HEX,
	['g' ... 'z'] = LETTER,
	['{' ... '}'] = OTHER,
	['~'] = JOINT,
	[127 ... 255] = ODD,
};

struct part {
	unsigned n, digits, not_hex;
};

/* 12345 of order-12345, 3f2a9c1b of main.3f2a9c1b.js, a group of a UUID */
static bool is_id_part(const struct part *p)
{
	return p->digits >= DIGITS_MIN || (p->n >= HEX_MIN && p->digits && !p->not_hex);
}

/* a@b.c, or with the @ percent-encoded; not @scope */
static bool is_email(struct slice s)
{
	const uint8_t *at = memchr(s.p, '@', s.n);

	if (!at)
		at = memmem(s.p, s.n, "%40", 3);
	return at && at > s.p && memchr(at, '.', s.n - (size_t)(at - s.p));
}

static bool is_id(struct slice s, unsigned seen, unsigned digits)
{
	if (s.n > ROUTE_NAME_MAX || digits >= DIGITS_ALL)
		return true;
	if (digits && !(seen & ~(unsigned)(DIGIT | JOINT)))
		return true; /* 42, -1, 2024-01-31, 10.0.0.1 */
	if (s.n >= TOKEN_MIN && digits >= (seen & JOINT ? 3 : 2))
		return true;
	if (s.n >= TOKEN_MIN && s.p[s.n - 1] == '=')
		return true; /* base64 */
	return seen & OTHER && is_email(s);
}

struct route_segment route_segment_take(struct slice *path)
{
	struct route_segment s = { .text = { path->p, 0 } };
	unsigned seen = 0, digits = 0;
	struct part part = { 0 };
	size_t i;

	for (i = 0; i < path->n && path->p[i] != '/' && path->p[i] != ';'; i++) {
		uint8_t kind = kinds[path->p[i]];

		seen |= kind;
		if (kind & JOINT) {
			s.is_id |= is_id_part(&part);
			part = (struct part){ 0 };
			continue;
		}
		part.n++;
		part.not_hex |= !(kind & (DIGIT | HEX));
		part.digits += kind & DIGIT;
		digits += kind & DIGIT;
	}
	s.text.n = i;
	s.is_plain = !(seen & ODD);
	s.is_id |= is_id_part(&part) || is_id(s.text, seen, digits);
	while (i < path->n && path->p[i] != '/')
		i++; /* parameters, RFC 3986 3.3 */
	path->p += i;
	path->n -= i;
	return s;
}
