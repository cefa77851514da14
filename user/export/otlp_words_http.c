/* SPDX-License-Identifier: Apache-2.0 */
/* https://opentelemetry.io/docs/specs/semconv/http/http-spans/ */
#include <stdio.h>

#include "export/otlp_words.h"
#include "metrics/red.h"
#include "proto/http1.h"

enum { URL_MAX = TXN_TARGET_LEN + TXN_HOST_LEN + 64 };

static const char *scheme(const struct txn *t)
{
	return t->is_tls ? "https" : "http";
}

/* Of every transaction, exported or not: by hand. A method and a route are shorter than a name. */
static size_t http_name(const struct txn *t, char *out, size_t size)
{
	struct slice method = slice_str(t->method);
	size_t n;

	if (!http_method_known(method))
		method = SLICE("HTTP");
	n = slice_copy(out, size, method);
	if (!t->route[0])
		return n;
	out[n++] = ' ';
	return n + slice_copy(out + n, size - n, slice_str(t->route));
}

/* Of a target in absolute form (RFC 9112, 3.2.2) where its path begins, else where it begins. */
static const char *path_of(const char *target)
{
	const char *authority = strstr(target, "://");
	const char *path;

	if (target[0] == '/' || !authority)
		return target;
	path = strchr(authority + 3, '/');
	return path ? path : "/";
}

static void target(const struct otlp_attrs *a, const struct txn *t)
{
	const char *path = path_of(t->target), *query = strchr(path, '?');
	size_t n = query ? (size_t)(query - path) : strlen(path);

	ATTR_STRING(a, "url.path", (struct slice){ (const uint8_t *)path, n });
	if (query && query[1])
		ATTR_STRING(a, "url.query", slice_str(query + 1));
}

/* "user:password@" becomes "REDACTED:REDACTED@". */
static size_t absolute(const char *target, char *out, size_t size)
{
	const char *authority = strstr(target, "://") + 3;
	const char *end = authority + strcspn(authority, "/?");
	const char *at = memrchr(authority, '@', (size_t)(end - authority));
	int n = at ? snprintf(out, size, "%.*sREDACTED:REDACTED%s", (int)(authority - target),
			      target, at)
		   : snprintf(out, size, "%s", target);

	return n < 0 ? 0 : (size_t)n < size ? (size_t)n : size - 1;
}

static size_t full(const struct txn *t, char *out, size_t size)
{
	bool is_named, is_usual;
	struct slice address, port;
	struct red_text text;
	int n;

	if (t->target[0] != '/' && strstr(t->target, "://"))
		return absolute(t->target, out, size);
	red_server(t, &text, &address, &port);
	if (address.n == 0)
		return 0;
	is_named = !memchr(address.p, ':', address.n) || address.p[0] == '[';
	is_usual = slice_eq(port, t->is_tls ? SLICE("443") : SLICE("80")) || port.n == 0;
	n = snprintf(out, size, "%s://%s%.*s%s%s%.*s%s%s", scheme(t), is_named ? "" : "[",
		     (int)address.n, (const char *)address.p, is_named ? "" : "]",
		     is_usual ? "" : ":", is_usual ? 0 : (int)port.n, (const char *)port.p,
		     t->target[0] == '/' ? "" : "/", t->target);
	return n < 0 ? 0 : (size_t)n < size ? (size_t)n : size - 1;
}

static void http_attributes(const struct otlp_attrs *a, const struct txn *t)
{
	struct slice method = slice_str(t->method);
	bool is_known = http_method_known(method);
	char url[URL_MAX];

	ATTR_WORD(a, "http.request.method", is_known ? method : SLICE("_OTHER"));
	if (!is_known)
		ATTR_STRING_IF(a, "http.request.method_original", method);
	if (t->status > 0)
		ATTR_INT(a, "http.response.status_code", t->status);
	ATTR_STRING_IF(a, "network.protocol.version", slice_str(t->version));
	if (t->role == SONDE_ROLE_SERVER) {
		ATTR_STRING_IF(a, "http.route", slice_str(t->route));
		ATTR_WORD(a, "url.scheme", slice_str(scheme(t)));
		target(a, t);
	} else {
		ATTR_STRING_IF(a, "url.template", slice_str(t->route));
		ATTR_STRING_IF(a, "url.full",
			       (struct slice){ (uint8_t *)url, full(t, url, sizeof(url)) });
	}
	words_server(a, t);
	words_peer(a, t);
}

const struct span_words words_http = { http_name, words_role_kind, http_attributes };
