// SPDX-License-Identifier: Apache-2.0
#include "stream/mask.h"

#include <stdbool.h>

/* Anywhere in a key: letters and digits only, as keys are compared after everything else is
 * dropped from them (access_token, accessToken and X-Access-Token are one). */
static const char *const secret_parts[] = {
	"token",      "secret",	       "passw",	    "passphrase", "apikey",    "signature",
	"credential", "authorization", "accesskey", "privatekey", "sessionid", "jwt",
};

/* The whole key. */
static const char *const secret_keys[] = {
	"key", "pwd",	 "pass",      "sig",	    "auth",	      "session",
	"sid", "sessid", "phpsessid", "jsessionid", "awsaccesskeyid",
};

struct out {
	char *p;
	size_t n, max;
};

static void put(struct out *o, struct slice s)
{
	size_t n = s.n < o->max - o->n ? s.n : o->max - o->n;

	if (n)
		memcpy(o->p + o->n, s.p, n);
	o->n += n;
}

static int hex(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = slice_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Lower-case letters and digits of a key, percent-decoded: what servers will take it for. */
static size_t fold_key(char *out, size_t size, struct slice key)
{
	size_t n = 0;

	for (size_t i = 0; i < key.n && n < size - 1; i++) {
		uint8_t c = key.p[i];

		if (c == '%' && key.n - i > 2 && hex(key.p[i + 1]) >= 0 && hex(key.p[i + 2]) >= 0) {
			c = (uint8_t)(hex(key.p[i + 1]) << 4 | hex(key.p[i + 2]));
			i += 2;
		}
		c = slice_lower(c);
		if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
			out[n++] = (char)c;
	}
	out[n] = '\0';
	return n;
}

static bool is_secret(struct slice key)
{
	char folded[64];

	if (fold_key(folded, sizeof(folded), key) == 0)
		return false;
	for (size_t i = 0; i < sizeof(secret_keys) / sizeof(*secret_keys); i++)
		if (strcmp(folded, secret_keys[i]) == 0)
			return true;
	for (size_t i = 0; i < sizeof(secret_parts) / sizeof(*secret_parts); i++)
		if (strstr(folded, secret_parts[i]))
			return true;
	return false;
}

static struct slice slice_until(struct slice s, const char *any)
{
	size_t n = 0;

	while (n < s.n && (s.p[n] == '\0' || !strchr(any, s.p[n])))
		n++;
	return (struct slice){ s.p, n };
}

static struct slice slice_from(struct slice s, size_t n)
{
	return n ? (struct slice){ s.p + n, s.n - n } : s; /* nothing may be nowhere */
}

/* Keys and values, with what is between them. */
static void put_params(struct out *o, struct slice query, const char *ends)
{
	while (query.n && o->n < o->max) {
		struct slice param = slice_until(query, ends);
		struct slice key = slice_until(param, "=");

		if (key.n < param.n && is_secret(key)) {
			put(o, (struct slice){ key.p, key.n + 1 });
			put(o, SLICE("***"));
		} else {
			put(o, param);
		}
		if (param.n < query.n)
			put(o, (struct slice){ query.p + param.n, 1 });
		query = slice_from(query, param.n < query.n ? param.n + 1 : param.n);
	}
}

/* scheme://user:password@host */
static struct slice put_userinfo(struct out *o, struct slice target)
{
	struct slice scheme, rest, authority;
	const uint8_t *at;

	if (target.n == 0 || target.p[0] == '/')
		return target;
	scheme = slice_until(target, ":/?#");
	rest = slice_from(target, scheme.n);
	if (!slice_starts(rest, SLICE("://")))
		return target;
	rest = slice_from(rest, 3);
	authority = slice_until(rest, "/?#");
	at = memrchr(authority.p, '@', authority.n);
	if (!at)
		return target;
	put(o, scheme);
	put(o, SLICE("://***"));
	return slice_from(rest, (size_t)(at - rest.p));
}

size_t mask_target(char *out, size_t size, struct slice target)
{
	struct out o = { .p = out, .max = size - 1 };
	struct slice path;

	target = put_userinfo(&o, target);
	path = slice_until(target, ";?#");
	put(&o, path);
	target = slice_from(target, path.n);
	path = slice_until(target, "?#"); /* ";jsessionid=...", RFC 3986, 3.3 */
	put_params(&o, path, "/;");
	put_params(&o, slice_from(target, path.n), "?&;#");
	out[o.n] = '\0';
	return o.n;
}
