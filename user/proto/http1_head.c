/* SPDX-License-Identifier: Apache-2.0 */
/* What the head of an HTTP/1 message says: start line and fields, RFC 9112 sections 2 to 5. */
#include "proto/http1_parts.h"

#include <errno.h>
#include "proto/grpc.h"
#include "proto/http_field.h"

static bool is_space(uint8_t c)
{
	return c <= ' ' && (c == ' ' || c == '\t' || c == '\r' || c == '\n');
}

static struct slice trim(struct slice s)
{
	while (s.n && is_space(s.p[0])) {
		s.p++;
		s.n--;
	}
	while (s.n && is_space(s.p[s.n - 1]))
		s.n--;
	return s;
}

/* Takes the next element off a comma-separated list. False when there is none. */
static bool next_word(struct slice *list, struct slice *word)
{
	const uint8_t *comma;

	if (list->n == 0)
		return false;
	comma = memchr(list->p, ',', list->n);
	*word = *list;
	if (comma)
		word->n = (size_t)(comma - list->p);
	list->p += word->n + (comma != NULL);
	list->n -= word->n + (comma != NULL);
	*word = trim(*word);
	return true;
}

bool http1_list_has(struct slice list, struct slice word)
{
	struct slice w;

	while (next_word(&list, &w))
		if (slice_ieq(w, word))
			return true;
	return false;
}

enum http1_coding http1_last_coding(struct slice transfer_encoding)
{
	struct slice w, last = { 0 };

	while (next_word(&transfer_encoding, &w))
		if (w.n)
			last = w;
	if (slice_ieq(last, SLICE("chunked")))
		return HTTP1_CHUNKED;
	/* "identity" was dropped by RFC 7230, and is still sent */
	return last.n == 0 || slice_ieq(last, SLICE("identity")) ? HTTP1_IDENTITY
								 : HTTP1_OTHER_CODING;
}

bool http1_line(struct slice in, size_t pos, struct slice *line, size_t *next)
{
	const uint8_t *p = in.p + pos;
	const uint8_t *lf = pos < in.n ? memchr(p, '\n', in.n - pos) : NULL;

	if (!lf)
		return false;
	*next = (size_t)(lf - in.p) + 1;
	*line = (struct slice){ p, (size_t)(lf - p) };
	/* a lone LF is accepted as the end of a line, RFC 9112 2.2 */
	if (line->n && lf[-1] == '\r')
		line->n--;
	return true;
}

size_t http1_empty_line(struct slice in, uint32_t *scanned)
{
	struct slice line;
	size_t pos = *scanned, next;

	/* looks back over what was searched, so that nothing need be searched twice */
	while (http1_line(in, pos, &line, &next)) {
		size_t lf = next - 1;

		if (lf == 0 || in.p[lf - 1] == '\n' ||
		    (in.p[lf - 1] == '\r' && (lf == 1 || in.p[lf - 2] == '\n')))
			return next;
		pos = next;
	}
	*scanned = (uint32_t)in.n;
	return 0;
}

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* HTTP/1.x, eight bytes; gives the digits. */
static bool is_version(const uint8_t *p, struct slice *version)
{
	if (memcmp(p, "HTTP/1.", 7) != 0 || !is_digit(p[7]))
		return false;
	*version = (struct slice){ p + 5, 3 };
	return true;
}

static int status_line(struct slice line, struct http1_head *h)
{
	const uint8_t *p = line.p;

	if (line.n < sizeof("HTTP/1.1 200") - 1 || !is_version(p, &h->version) || p[8] != ' ')
		return -EBADMSG;
	if (p[9] < '1' || p[9] > '9' || !is_digit(p[10]) || !is_digit(p[11]))
		return -EBADMSG;
	/* the reason is optional, and so, in the wild, is the space before it */
	if (line.n > 12 && p[12] != ' ')
		return -EBADMSG;
	h->status = (p[9] - '0') * 100 + (p[10] - '0') * 10 + (p[11] - '0');
	return 0;
}

/* The host of an absolute-form target, RFC 9112 3.2.2; empty for any other form. */
static struct slice target_host(struct slice target)
{
	struct slice host = { 0 };
	const uint8_t *p;

	if (target.p[0] == '/')
		return host;
	p = memmem(target.p, target.n < 16 ? target.n : 16, "://", 3);
	if (!p)
		return host;
	host.p = p + 3;
	for (size_t left = target.n - (size_t)(host.p - target.p); host.n < left; host.n++) {
		uint8_t c = host.p[host.n];

		if (c == '/' || c == '?' || c == '#')
			break;
		if (c == '@') { /* user information is no part of it */
			left -= host.n + 1;
			host.p += host.n + 1;
			host.n = (size_t)-1;
		}
	}
	return host;
}

static int request_line(struct slice line, struct http1_head *h)
{
	size_t m = 0, t;

	while (line.n && line.p[line.n - 1] == ' ')
		line.n--;
	while (m < line.n && m <= HTTP1_METHOD_MAX && http1_is_token(line.p[m]))
		m++;
	if (m == 0 || m > HTTP1_METHOD_MAX || line.n < m + sizeof(" / HTTP/1.1") - 1)
		return -EBADMSG;
	t = line.n - sizeof(" HTTP/1.1") + 1;
	if (line.p[m] != ' ' || line.p[t] != ' ' || !is_version(line.p + t + 1, &h->version))
		return -EBADMSG;
	h->method = (struct slice){ line.p, m };
	/* spaces inside are wrong, and answered with a 400 that is a transaction all the same */
	h->target = trim((struct slice){ line.p + m + 1, t - m - 1 });
	if (h->target.n == 0)
		return -EBADMSG;
	for (size_t i = 0; i < h->target.n; i++)
		if (h->target.p[i] < ' ' || h->target.p[i] == 0x7f)
			return -EBADMSG;
	if (slice_eq(h->method, SLICE("CONNECT")))
		h->host = h->target; /* authority-form */
	else
		h->host = target_host(h->target);
	return 0;
}

int http1_start_line(struct slice line, enum proto_dir dir, struct http1_head *h)
{
	return dir == PROTO_REQUEST ? request_line(line, h) : status_line(line, h);
}

/* A list of equal lengths is one length, RFC 9110 8.6; anything else leaves the framing unknown. */
static void set_length(struct http1_head *h, struct slice value)
{
	struct slice w;

	if (value.n == 0)
		h->is_length_bad = true;
	while (next_word(&value, &w)) {
		uint64_t n = 0;

		for (size_t i = 0; i < w.n; i++) {
			if (!is_digit(w.p[i]) || i == 18) /* 10^18 is no length */
				goto bad;
			n = n * 10 + (uint64_t)(w.p[i] - '0');
		}
		if (w.n == 0 || (h->has_length && h->content_length != n))
			goto bad;
		h->has_length = true;
		h->content_length = n;
	}
	return;
bad:
	h->is_length_bad = true;
}

static void set_text(struct slice *out, struct slice value)
{
	const uint8_t *fold = memchr(value.p, '\n', value.n);

	if (fold)
		value = trim((struct slice){ value.p, (size_t)(fold - value.p) });
	if (value.n && !out->n)
		*out = value;
}

static void set_field(struct http1_head *h, enum http_field field, uint8_t rank, struct slice value)
{
	switch (field) {
	case HTTP_FIELD_HOST: set_text(&h->host, value); break;
	case HTTP_FIELD_UPGRADE:
		h->is_upgrade = value.n > 0;
		h->is_websocket = slice_ieq(value, SLICE("websocket"));
		h->is_h2c = slice_ieq(value, SLICE("h2c"));
		break;
	case HTTP_FIELD_CONNECTION:
		if (value.n)
			h->connection = value;
		break;
	case HTTP_FIELD_CONTENT_TYPE:
		h->is_event_stream = http_type_is(value, SLICE("text/event-stream"));
		h->is_grpc_web = grpc_is_web_type(value);
		break;
	case HTTP_FIELD_EXPECT: h->asks_first = slice_ieq(value, SLICE("100-continue")); break;
	case HTTP_FIELD_GRPC_STATUS: set_text(&h->grpc_status, value); break;
	case HTTP_FIELD_CONTENT_LENGTH: set_length(h, value); break;
	case HTTP_FIELD_TRANSFER_ENCODING: h->transfer_encoding = value; break;
	case HTTP_FIELD_TRACEPARENT:
		/* two of them name no parent, W3C Trace Context 3.2 */
		h->has_two_parents |= h->traceparent.n > 0;
		set_text(&h->traceparent, value);
		break;
	case HTTP_FIELD_TRACESTATE: set_text(&h->tracestate, value); break;
	case HTTP_FIELD_B3: set_text(&h->b3.single, value); break;
	case HTTP_FIELD_B3_TRACE_ID: set_text(&h->b3.trace_id, value); break;
	case HTTP_FIELD_B3_SPAN_ID: set_text(&h->b3.span_id, value); break;
	case HTTP_FIELD_B3_SAMPLED: set_text(&h->b3.sampled, value); break;
	case HTTP_FIELD_B3_FLAGS: set_text(&h->b3.flags, value); break;
	case HTTP_FIELD_REQUEST_ID:
		if (value.n && rank > h->request_id_rank) {
			h->request_id = (struct slice){ 0 };
			h->request_id_rank = rank;
			set_text(&h->request_id, value);
		}
		break;
	default: break;
	}
}

static void read_field(struct http1_head *h, struct slice line)
{
	const uint8_t *colon;
	enum http_field field;
	struct slice name;
	uint8_t rank;

	if (!http_field_may_begin(line.p[0]))
		return;
	colon = memchr(line.p, ':', line.n);
	if (!colon)
		return;
	name = (struct slice){ line.p, (size_t)(colon - line.p) };
	while (name.n && (name.p[name.n - 1] == ' ' || name.p[name.n - 1] == '\t'))
		name.n--;
	field = http_field_find(name, &rank);
	if (field != HTTP_FIELD_OTHER)
		set_field(h, field, rank,
			  trim((struct slice){ colon + 1, line.n - (size_t)(colon + 1 - line.p) }));
}

size_t http1_fields(struct slice in, size_t pos, struct http1_head *h)
{
	const uint8_t *p = in.p + pos, *end = in.p + in.n, *lf, *more;

	for (; p < end && (lf = memchr(p, '\n', (size_t)(end - p))); p = lf + 1) {
		/* a lone LF is accepted as the end of a line, RFC 9112 2.2 */
		if (lf == p || (lf == p + 1 && *p == '\r'))
			return (size_t)(lf + 1 - in.p);
		/* obs-fold, RFC 9112 5.2: lines that begin with a space go on with the one before */
		while (lf + 1 < end && (lf[1] == ' ' || lf[1] == '\t') &&
		       (more = memchr(lf + 1, '\n', (size_t)(end - lf - 1))))
			lf = more;
		read_field(h, (struct slice){ p, (size_t)(lf - p) - (lf[-1] == '\r') });
	}
	return 0;
}
