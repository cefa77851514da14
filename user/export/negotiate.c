/* SPDX-License-Identifier: Apache-2.0 */
#include "export/negotiate.h"

#include "util/slice.h"

#define PROTOBUF                                                                     \
	"application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; " \
	"encoding=delimited"

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static struct slice trim(struct slice s)
{
	while (s.n && is_blank(s.p[0]))
		s.p++, s.n--;
	while (s.n && is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

/* Cuts the next element off *rest, at `by` outside quotes, blanks around it left out. */
static struct slice take(struct slice *rest, uint8_t by)
{
	struct slice s = *rest;
	bool is_quoted = false;
	size_t i = 0;

	for (; i < s.n && (is_quoted || s.p[i] != by); i++) {
		if (s.p[i] == '"')
			is_quoted = !is_quoted;
		else if (is_quoted && s.p[i] == '\\' && i + 1 < s.n)
			i++;
	}
	rest->p += i < s.n ? i + 1 : i;
	rest->n -= i < s.n ? i + 1 : i;
	s.n = i;
	return trim(s);
}

/* RFC 9110 12.4.2: "0" or "1" and up to three decimals, as thousandths. -1: none of these. */
static int quality(struct slice s)
{
	int q, unit = 100;

	if (s.n == 0 || s.n > 5 || (s.p[0] != '0' && s.p[0] != '1') || (s.n > 1 && s.p[1] != '.'))
		return -1;
	q = (s.p[0] - '0') * 1000;
	for (size_t i = 2; i < s.n; i++, unit /= 10) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return -1;
		q += (s.p[i] - '0') * unit;
	}
	return q <= 1000 ? q : -1;
}

struct element {
	struct slice name, version;
	int q; /* thousandths; -1: not understood */
	bool says_escaping, is_delimited, is_family;
};

static struct element element_parse(struct slice s)
{
	struct element e = { .name = take(&s, ';'), .q = 1000 };

	while (s.n) {
		struct slice value = take(&s, ';'), key = take(&value, '=');

		value = trim(value);
		if (value.n >= 2 && value.p[0] == '"' && value.p[value.n - 1] == '"')
			value = (struct slice){ value.p + 1, value.n - 2 };
		if (slice_ieq(key, SLICE("q")))
			e.q = quality(value);
		else if (slice_ieq(key, SLICE("version")))
			e.version = value;
		else if (slice_ieq(key, SLICE("escaping")))
			e.says_escaping = true;
		else if (slice_ieq(key, SLICE("proto")))
			e.is_family = slice_eq(value, SLICE("io.prometheus.client.MetricFamily"));
		else if (slice_ieq(key, SLICE("encoding")))
			e.is_delimited = slice_ieq(value, SLICE("delimited"));
	}
	return e;
}

/* How specific a media range for text 0.0.4 is; 0: it is none. */
static int text_rank(const struct element *e)
{
	if (slice_ieq(e->name, SLICE("text/plain")))
		/* of another version it is still the nearest to what we have */
		return e->version.n == 0 || slice_eq(e->version, SLICE("0.0.4")) ? 4 : 3;
	if (slice_ieq(e->name, SLICE("text/*")))
		return 2;
	return slice_eq(e->name, SLICE("*/*")) ? 1 : 0;
}

static bool is_openmetrics(const struct element *e)
{
	return slice_ieq(e->name, SLICE("application/openmetrics-text")) &&
	       (e->version.n == 0 || slice_eq(e->version, SLICE("1.0.0")));
}

static bool is_protobuf(const struct element *e)
{
	return slice_ieq(e->name, SLICE("application/vnd.google.protobuf")) && e->is_family &&
	       e->is_delimited;
}

struct negotiated negotiate_accept(const char *accept)
{
	struct negotiated out = { .format = PROM_TEXT };
	struct slice rest = slice_str(accept ? accept : "*/*");
	int openmetrics = -1, text = -1, protobuf = -1, best_rank = 0;
	bool says_escaping = false, proto_says_escaping = false;

	while (rest.n) {
		struct slice one = take(&rest, ',');
		struct element e = element_parse(one);
		int rank = text_rank(&e);

		if (e.q < 0)
			continue;
		if (is_protobuf(&e) && e.q > protobuf) {
			protobuf = e.q;
			proto_says_escaping = e.says_escaping;
		} else if (is_openmetrics(&e) && e.q > openmetrics) {
			openmetrics = e.q;
			says_escaping = e.says_escaping;
		} else if (rank > best_rank) {
			/* the most specific range speaks for a type, whatever its q: 12.5.1 */
			best_rank = rank;
			text = e.q;
		}
	}
	if (protobuf > 0 && protobuf >= openmetrics && protobuf >= text)
		return (struct negotiated){ .format = PROM_PROTOBUF,
					    .says_escaping = proto_says_escaping };
	if (openmetrics > 0 && openmetrics >= text)
		return (struct negotiated){ .format = PROM_OPENMETRICS,
					    .says_escaping = says_escaping };
	out.is_fallback = text <= 0;
	return out;
}

bool negotiate_gzip(const char *accept_encoding)
{
	struct slice rest = slice_str(accept_encoding ? accept_encoding : "");
	int named = -1, any = -1;

	while (rest.n) {
		struct slice one = take(&rest, ',');
		struct element e = element_parse(one);

		if (slice_ieq(e.name, SLICE("gzip")) || slice_ieq(e.name, SLICE("x-gzip")))
			named = e.q;
		else if (slice_eq(e.name, SLICE("*")))
			any = e.q;
	}
	return named > 0 || (named < 0 && any > 0);
}

const char *negotiate_content_type(struct negotiated n)
{
	if (n.format == PROM_OPENMETRICS)
		return n.says_escaping
			       ? "application/openmetrics-text; version=1.0.0; "
				 "charset=utf-8; escaping=underscores"
			       : "application/openmetrics-text; version=1.0.0; charset=utf-8";
	if (n.format == PROM_PROTOBUF)
		return n.says_escaping ? PROTOBUF "; escaping=underscores" : PROTOBUF;
	/* 0.0.4 has no escaping parameter to echo */
	return "text/plain; version=0.0.4; charset=utf-8";
}
