// SPDX-License-Identifier: Apache-2.0
/*
 * Query attributes (CLIENT_QUERY_ATTRIBUTES, MySQL 8.0.23 and later): named values that stand
 * before the text of a Query. How many, always 1, then of those: a bit each for NULL, 1, type and
 * name of each, the values.
 */
#include "proto/mysql_parts.h"

enum { ATTRIBUTES_MAX = 64 };

enum type {
	TYPE_TINY = 1,
	TYPE_SHORT,
	TYPE_LONG,
	TYPE_FLOAT,
	TYPE_DOUBLE,
	TYPE_NULL,
	TYPE_TIMESTAMP,
	TYPE_LONGLONG,
	TYPE_INT24,
	TYPE_DATE,
	TYPE_TIME,
	TYPE_DATETIME,
	TYPE_YEAR,
};

static bool take(struct slice *s, uint64_t n, struct slice *out)
{
	if (n > s->n)
		return false;
	*out = (struct slice){ s->p, (size_t)n };
	s->p += n;
	s->n -= (size_t)n;
	return true;
}

static bool take_string(struct slice *s, struct slice *out)
{
	uint64_t len;
	size_t n = my_lenenc(*s, &len);
	struct slice head;

	return n && take(s, n, &head) && take(s, len, out);
}

/* Values of the binary protocol: of what is no number and no time, length and bytes. */
static bool take_value(struct slice *s, uint8_t type, struct slice *out)
{
	switch (type) {
	case TYPE_NULL: return take(s, 0, out);
	case TYPE_TINY: return take(s, 1, out);
	case TYPE_SHORT:
	case TYPE_YEAR: return take(s, 2, out);
	case TYPE_LONG:
	case TYPE_INT24:
	case TYPE_FLOAT: return take(s, 4, out);
	case TYPE_LONGLONG:
	case TYPE_DOUBLE: return take(s, 8, out);
	default: return take_string(s, out); /* times have one byte of length too */
	}
}

bool my_attributes(struct slice *body, struct context *context)
{
	struct slice s = *body, nulls, names, value, type, name;
	uint64_t n, sets;
	size_t used = my_lenenc(s, &n);

	/* no text has a byte 1 there, so that the handshake need not have been seen */
	if (!used || s.n <= used || s.p[used] != 1)
		return true;
	if (!take(&s, used, &value) || !take(&s, my_lenenc(s, &sets), &value))
		return false;
	if (n > ATTRIBUTES_MAX || (n && (!take(&s, (n + 7) / 8 + 1, &nulls) || s.p[-1] != 1)))
		return false;
	names = s;
	for (uint64_t i = 0; i < n; i++)
		if (!take(&s, 2, &type) || !take_string(&s, &name))
			return false;
	for (uint64_t i = 0; i < n; i++) {
		if (!take(&names, 2, &type) || !take_string(&names, &name))
			return false;
		if (!(nulls.p[i / 8] >> (i % 8) & 1) && !take_value(&s, type.p[0], &value))
			return false;
		if (!(nulls.p[i / 8] >> (i % 8) & 1) && slice_eq(name, SLICE("traceparent")))
			context_traceparent(value, context);
	}
	*body = s;
	return true;
}
