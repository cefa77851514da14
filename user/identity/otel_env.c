/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/otel_env.h"

#include "util/utf8.h"

static int hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = slice_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static struct slice trim(struct slice s)
{
	while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = (struct slice){ s.p + 1, s.n - 1 };
	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

/* W3C Baggage, 3.2.1.3: values are percent-encoded. A percent sign that begins nothing stays. */
static void decode_value(struct slice in, char *out, size_t size)
{
	uint8_t text[512];
	size_t n = 0;

	for (size_t i = 0; i < in.n && n < sizeof(text); i++) {
		if (i + 2 < in.n && in.p[i] == '%' && hex_digit(in.p[i + 1]) >= 0 &&
		    hex_digit(in.p[i + 2]) >= 0) {
			text[n++] = (uint8_t)(hex_digit(in.p[i + 1]) << 4 | hex_digit(in.p[i + 2]));
			i += 2;
		} else {
			text[n++] = in.p[i];
		}
	}
	utf8_clean(out, size, (struct slice){ text, n });
}

static void take(struct slice key, struct slice value, struct otel_env *out)
{
	if (slice_eq(key, SLICE("service.name")))
		decode_value(value, out->name, sizeof(out->name));
	else if (slice_eq(key, SLICE("service.namespace")))
		decode_value(value, out->name_space, sizeof(out->name_space));
	else if (slice_eq(key, SLICE("service.version")))
		decode_value(value, out->version, sizeof(out->version));
	else if (slice_eq(key, SLICE("service.instance.id")))
		decode_value(value, out->instance, sizeof(out->instance));
	else if (slice_eq(key, SLICE("deployment.environment.name")))
		decode_value(value, out->environment, sizeof(out->environment));
}

/* key=value,key=value; the last of a key wins */
static void parse_attributes(struct slice list, struct otel_env *out)
{
	while (list.n) {
		const uint8_t *comma = memchr(list.p, ',', list.n);
		struct slice pair = { list.p, comma ? (size_t)(comma - list.p) : list.n };
		const uint8_t *equals = pair.n ? memchr(pair.p, '=', pair.n) : NULL;

		list.p += pair.n + (comma != NULL);
		list.n -= pair.n + (comma != NULL);
		if (equals) {
			size_t n = (size_t)(equals - pair.p);
			struct slice key = trim((struct slice){ pair.p, n });
			struct slice value = trim((struct slice){ equals + 1, pair.n - n - 1 });

			take(key, value, out);
		}
	}
}

/* The value of a variable; of several the first, as getenv(3). */
static struct slice variable(struct slice environ, struct slice name_and_equals)
{
	struct slice var;

	while (program_next_arg(&environ, &var))
		if (slice_starts(var, name_and_equals))
			return (struct slice){ var.p + name_and_equals.n,
					       var.n - name_and_equals.n };
	return SLICE("");
}

/* A property, or where it says nothing, a variable. */
static struct slice said(struct slice property, struct slice environ, struct slice name_and_equals)
{
	struct slice value = trim(property);

	return value.n ? value : trim(variable(environ, name_and_equals));
}

void otel_env_parse(struct slice environ, const struct java_says *java, struct otel_env *out)
{
	struct slice name = said(java->service_name, environ, SLICE("OTEL_SERVICE_NAME="));

	*out = (struct otel_env){ .name = "" };
	parse_attributes(said(java->attributes, environ, SLICE("OTEL_RESOURCE_ATTRIBUTES=")), out);
	if (!name.n && !out->name[0] && java->is_java)
		name = said(java->application, environ, SLICE("SPRING_APPLICATION_NAME="));
	if (name.n)
		utf8_clean(out->name, sizeof(out->name), name);
}
