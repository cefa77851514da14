/* SPDX-License-Identifier: Apache-2.0 */
/* Where an HTTP/1 message begins: at the start of a connection, and again after bytes were lost. */
#include "proto/http1_parts.h"

#include "proto/http1.h"

/* tchar, RFC 9110 5.6.2 */
static const bool token_chars[256] = {
	['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true, ['!'] = true,
	['#'] = true,	      ['$'] = true,	    ['%'] = true,	  ['&'] = true,
	['\''] = true,	      ['*'] = true,	    ['+'] = true,	  ['-'] = true,
	['.'] = true,	      ['^'] = true,	    ['_'] = true,	  ['`'] = true,
	['|'] = true,	      ['~'] = true,
};

static const struct slice methods[] = {
	{ (const uint8_t *)"GET", 3 },	   { (const uint8_t *)"POST", 4 },
	{ (const uint8_t *)"HEAD", 4 },	   { (const uint8_t *)"PUT", 3 },
	{ (const uint8_t *)"DELETE", 6 },  { (const uint8_t *)"PATCH", 5 },
	{ (const uint8_t *)"OPTIONS", 7 }, { (const uint8_t *)"CONNECT", 7 },
	{ (const uint8_t *)"TRACE", 5 },   { (const uint8_t *)"QUERY", 5 },
};

enum { N_METHODS = sizeof(methods) / sizeof(methods[0]) };

bool http1_is_token(uint8_t c)
{
	return token_chars[c];
}

bool http_method_known(struct slice method)
{
	for (int i = 0; i < N_METHODS; i++)
		if (slice_eq(method, methods[i]))
			return true;
	return false;
}

size_t http1_leading_lines(struct slice in)
{
	size_t i = 0;

	for (;;) {
		if (i < in.n && in.p[i] == '\n')
			i++;
		else if (i + 1 < in.n && in.p[i] == '\r' && in.p[i + 1] == '\n')
			i += 2;
		else
			return i;
	}
}

/* Length of the method that a space ends; 0 when more bytes may bring it, -1 when none will. */
static int method_span(struct slice s)
{
	for (size_t i = 0; i < s.n && i <= HTTP1_METHOD_MAX; i++) {
		if (s.p[i] == ' ')
			return i ? (int)i : -1;
		if (!token_chars[s.p[i]])
			return -1;
	}
	return s.n > HTTP1_METHOD_MAX ? -1 : 0;
}

static bool has_controls(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < ' ' && !(s.p[i] == '\r' && i == s.n - 1))
			return true;
	return false;
}

/* Known methods cut at their front: all that is left of "POST" behind a hole may be "ST". */
static bool is_method_rest(struct slice s)
{
	for (int m = 0; m < N_METHODS; m++)
		if (s.n < methods[m].n && memcmp(s.p, methods[m].p + methods[m].n - s.n, s.n) == 0)
			return true;
	return false;
}

/*
 * Other protocols open with a word and a space too (Redis inline commands, memcached, SMTP, the
 * HTTP/2 preface): only the version at the end of the line tells. A request line too long for the
 * bytes at hand is believed when its method is known and its target has the right form.
 */
static int detect_request(struct slice first)
{
	size_t lead = http1_leading_lines(first), next;
	struct http1_head h = { 0 };
	struct slice s, line, target;
	int m;

	if (first.n - lead == 1 && first.p[lead] == '\r')
		return 0;
	s = (struct slice){ first.p + lead, first.n - lead };
	m = method_span(s);
	if (m <= 0)
		return m;
	if (http1_line(s, 0, &line, &next))
		return http1_start_line(line, PROTO_REQUEST, &h) == 0 && !is_method_rest(h.method)
			       ? 1
			       : -1;
	target = (struct slice){ s.p + m + 1, s.n - (size_t)m - 1 };
	if (has_controls((struct slice){ target.p,
					 target.n < HTTP1_LINE_MAX ? target.n : HTTP1_LINE_MAX }))
		return -1;
	if (s.n >= HTTP1_LINE_TOLD && http_method_known((struct slice){ s.p, (size_t)m }) &&
	    (slice_starts(target, SLICE("/")) || slice_starts(target, SLICE("http"))))
		return 1;
	return s.n >= HTTP1_LINE_MAX ? -1 : 0;
}

static int detect_response(struct slice first)
{
	static const char head[] = "HTTP/1.";
	size_t n = first.n < sizeof(head) - 1 ? first.n : sizeof(head) - 1;

	if (memcmp(first.p, head, n) != 0)
		return -1;
	if (first.n <= sizeof(head) - 1)
		return 0;
	return first.p[7] >= '0' && first.p[7] <= '9' ? 1 : -1;
}

bool http1_may_begin(struct slice in, enum proto_dir dir)
{
	return (dir == PROTO_REQUEST ? method_span(in) : detect_response(in)) >= 0;
}

int http1_detect(struct slice first, enum proto_dir dir)
{
	if (first.n == 0)
		return 0;
	return dir == PROTO_REQUEST ? detect_request(first) : detect_response(first);
}

/* The known method at the end of a run of bytes, or nothing. */
static size_t method_at_end(struct slice s)
{
	for (int m = 0; m < N_METHODS; m++)
		if (s.n >= methods[m].n &&
		    memcmp(s.p + s.n - methods[m].n, methods[m].p, methods[m].n) == 0)
			return methods[m].n;
	return 0;
}

static bool is_upper(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (slice_lower(s.p[i]) != s.p[i] + 32 && s.p[i] != '-' && s.p[i] != '_')
			return false;
	return true;
}

/*
 * Where in the line [start, end) a request begins, given that the line ends like one. A body has no
 * line end of its own, so the method may follow other bytes at once: then only a known one counts.
 * Returns end when nowhere.
 */
static size_t request_in_line(struct slice in, size_t start, size_t end)
{
	struct http1_head h = { 0 };
	struct slice line = { in.p + start, end - start };
	size_t target, n;

	if (http1_start_line(line, PROTO_REQUEST, &h) == 0) {
		n = method_at_end(h.method);
		if (n && !is_upper(h.method))
			return start + h.method.n - n;
		return start == 0 && is_method_rest(h.method) ? end : start;
	}
	target = line.n - sizeof(" HTTP/1.1") + 1;
	while (target > 0 && line.p[target - 1] != ' ')
		target--;
	if (target == 0)
		return end;
	line.n = target - 1;
	n = method_at_end(line);
	return n ? start + line.n - n : end;
}

/* A status line behind other bytes of the same line counts only when a field line follows: then it
 * is a head, and no mention of one. That line may be cut: its name is enough. */
static bool begins_head(struct slice in, size_t pos)
{
	struct slice line;
	size_t next, i = pos;

	if (http1_line(in, pos, &line, &next) && line.n == 0)
		return true;
	while (i < in.n && token_chars[in.p[i]])
		i++;
	return i > pos && i < in.n && in.p[i] == ':';
}

static size_t response_in_line(struct slice in, size_t start, size_t end, size_t next)
{
	struct http1_head h = { 0 };
	const uint8_t *p;

	if (http1_start_line((struct slice){ in.p + start, end - start }, PROTO_RESPONSE, &h) == 0)
		return start;
	p = memmem(in.p + start, end - start, "HTTP/1.", 7);
	if (!p || !begins_head(in, next))
		return end;
	start = (size_t)(p - in.p);
	return http1_start_line((struct slice){ p, end - start }, PROTO_RESPONSE, &h) == 0 ? start
											   : end;
}

size_t http1_find_start(struct slice in, enum proto_dir dir, size_t least)
{
	struct slice line;
	size_t pos = 0, next, at, end;

	for (; http1_line(in, pos, &line, &next); pos = next) {
		end = pos + line.n;
		if (dir == PROTO_RESPONSE) {
			at = response_in_line(in, pos, end, next);
		} else {
			if (line.n < sizeof("M / HTTP/1.1") - 1 ||
			    memcmp(in.p + end - 8, "HTTP/1.", 7) != 0)
				continue;
			at = request_in_line(in, pos, end);
		}
		if (at < end && at >= least)
			return at;
	}
	return in.n;
}
