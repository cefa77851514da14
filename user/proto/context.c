// SPDX-License-Identifier: Apache-2.0
#include "proto/context.h"

static int hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; /* upper case is malformed, 3.2.2 */
}

static bool read_hex(const uint8_t *p, uint8_t *out, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int high = hex_digit(p[2 * i]), low = hex_digit(p[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static bool is_zero(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i])
			return false;
	return true;
}

static bool is_whole(const struct context *c)
{
	return !is_zero(c->trace_id, sizeof(c->trace_id)) &&
	       !is_zero(c->span_id, sizeof(c->span_id));
}

/* 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01 */
bool context_traceparent(struct slice in, struct context *out)
{
	struct context c = { .is_known = true };
	uint8_t version, flags;

	if (in.n < CONTEXT_TRACEPARENT_LEN || in.p[2] != '-' || in.p[35] != '-' || in.p[52] != '-')
		return false;
	if (!read_hex(in.p, &version, 1) || version == 0xff)
		return false;
	/* 3.2.4: a later version may go on behind another dash, this one may not */
	if (in.n > CONTEXT_TRACEPARENT_LEN &&
	    (version == 0 || in.p[CONTEXT_TRACEPARENT_LEN] != '-'))
		return false;
	if (!read_hex(in.p + 3, c.trace_id, sizeof(c.trace_id)) ||
	    !read_hex(in.p + 36, c.span_id, sizeof(c.span_id)) || !read_hex(in.p + 53, &flags, 1) ||
	    !is_whole(&c))
		return false;
	c.is_sampled = flags & 1;
	*out = c;
	return true;
}

/* --- B3 --- */

/* 64-bit trace ids stand in the right half. */
static bool b3_ids(struct slice trace_id, struct slice span_id, struct context *c)
{
	if (trace_id.n == 16) {
		if (!read_hex(trace_id.p, c->trace_id + 8, 8))
			return false;
	} else if (trace_id.n != 32 || !read_hex(trace_id.p, c->trace_id, 16)) {
		return false;
	}
	return span_id.n == 16 && read_hex(span_id.p, c->span_id, 8) && is_whole(c);
}

/* False: no such word. */
static bool b3_decision(struct slice word, struct context *c)
{
	if (slice_eq(word, SLICE("1")) || slice_eq(word, SLICE("d")) ||
	    slice_eq(word, SLICE("true")))
		c->is_sampled = true;
	else if (!slice_eq(word, SLICE("0")) && !slice_eq(word, SLICE("false")))
		return false;
	return true;
}

static struct slice next_part(struct slice *s)
{
	const uint8_t *dash = s->n ? memchr(s->p, '-', s->n) : NULL;
	size_t n = dash ? (size_t)(dash - s->p) : s->n, used = dash ? n + 1 : n;
	struct slice part = { s->p, n };

	*s = (struct slice){ s->p + used, s->n - used };
	return part;
}

/* {TraceId}-{SpanId}[-{SamplingState}[-{ParentSpanId}]] */
static bool b3_single(struct slice in, struct context *c)
{
	struct slice trace_id = next_part(&in), span_id = next_part(&in), state = next_part(&in);
	uint8_t parent[8];

	if (!b3_ids(trace_id, span_id, c))
		return false;
	c->is_deferred = state.n == 0;
	if (state.n && !b3_decision(state, c))
		return false;
	return in.n == 0 || (in.n == 16 && read_hex(in.p, parent, sizeof(parent)));
}

static bool b3_multi(const struct context_b3 *in, struct context *c)
{
	if (!b3_ids(in->trace_id, in->span_id, c))
		return false;
	if (slice_eq(in->flags, SLICE("1"))) { /* debug implies it */
		c->is_sampled = true;
		return true;
	}
	c->is_deferred = in->sampled.n == 0;
	return c->is_deferred || b3_decision(in->sampled, c);
}

bool context_b3(const struct context_b3 *in, struct context *out)
{
	struct context single = { .is_known = true }, multi = single;

	if (!in->single.n && !in->trace_id.n)
		return false;
	if (in->single.n && b3_single(in->single, &single)) {
		*out = single;
		return true;
	}
	if (!b3_multi(in, &multi))
		return false;
	*out = multi;
	return true;
}

/* --- tracestate --- */

static bool is_key_char(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
	       c == '*' || c == '/';
}

/* 3.3.1.3.1: simple-key, or tenant@system; nobody distinguishes their lengths on the way. */
static bool is_key(struct slice s)
{
	size_t ats = 0;

	if (s.n == 0 || s.n > 256 || !is_key_char(s.p[0]))
		return false;
	for (size_t i = 0; i < s.n; i++) {
		ats += s.p[i] == '@';
		if (s.p[i] != '@' && !is_key_char(s.p[i]))
			return false;
	}
	return ats <= 1;
}

/* 3.3.1.3.2: printable ASCII but ',' and '=', not ending with a blank. */
static bool is_value(struct slice s)
{
	if (s.n == 0 || s.n > 256 || s.p[s.n - 1] == ' ')
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < 0x20 || s.p[i] > 0x7e || s.p[i] == '=')
			return false;
	return true;
}

static struct slice trim(struct slice s)
{
	while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = (struct slice){ s.p + 1, s.n - 1 };
	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

static bool is_member(struct slice s)
{
	const uint8_t *equals = s.n ? memchr(s.p, '=', s.n) : NULL;
	size_t n = equals ? (size_t)(equals - s.p) : 0;

	return equals && is_key((struct slice){ s.p, n }) &&
	       is_value((struct slice){ s.p + n + 1, s.n - n - 1 });
}

struct slice context_tracestate(struct slice in)
{
	struct slice out, rest;
	size_t n_members = 0;

	in = trim(in);
	out = (struct slice){ in.p, 0 };
	for (rest = in; rest.n;) {
		const uint8_t *comma = memchr(rest.p, ',', rest.n);
		size_t n = comma ? (size_t)(comma - rest.p) : rest.n, used = comma ? n + 1 : n;
		struct slice member = trim((struct slice){ rest.p, n });

		rest = (struct slice){ rest.p + used, rest.n - used };
		if (member.n == 0) /* 3.3.1.1: empty members are allowed */
			continue;
		if (!is_member(member) || ++n_members > CONTEXT_STATE_MEMBERS)
			return (struct slice){ 0 };
		n = (size_t)(member.p - in.p) + member.n;
		if (n <= CONTEXT_STATE_MAX)
			out.n = n;
	}
	return out;
}

/* --- SQL --- */

struct slice context_sql_comment(struct slice comment)
{
	struct slice key = SLICE("traceparent='"), none = { 0 };
	const uint8_t *at, *end = comment.p + comment.n, *quote;

	while (comment.p && comment.n) {
		at = memmem(comment.p, comment.n, key.p, key.n);
		if (!at)
			return none;
		/* a key of its own, not the end of another one */
		if (at == comment.p || at[-1] == ',' || at[-1] == ' ' || at[-1] == '*') {
			at += key.n;
			quote = memchr(at, '\'', (size_t)(end - at));
			return quote ? (struct slice){ at, (size_t)(quote - at) } : none;
		}
		comment = (struct slice){ at + key.n, (size_t)(end - at) - key.n };
	}
	return none;
}

void context_hex(const uint8_t *id, size_t n, char *out)
{
	octets_hex(out, id, n);
	out[2 * n] = '\0';
}
