/* SPDX-License-Identifier: Apache-2.0 */
#include "export/otlp_resource.h"

#include <ctype.h>
#include <string.h>
#include "export/otlp_attr.h"
#include "export/quote.h"

/* opentelemetry/proto/resource/v1/resource.proto, common/v1/common.proto */
static const struct otlp_field f_resource = OTLP_FIELD(1, "resource");
static const struct otlp_field f_scope = OTLP_FIELD(1, "scope");
static const struct otlp_field f_scope_name = OTLP_FIELD(1, "name");
static const struct otlp_field f_scope_version = OTLP_FIELD(2, "version");
static const struct otlp_field f_schema = OTLP_FIELD(3, "schemaUrl");

enum { RESOURCE_ATTRIBUTES = 1 };

void otlp_resource(struct otlp_out *o, const struct otlp_origin *origin, const struct otlp_who *who)
{
	size_t at = otlp_begin(o, f_resource);
	struct otlp_attrs a = otlp_attrs(o, RESOURCE_ATTRIBUTES);

	attr_string(&a, SLICE("service.name"), slice_str(who->name));
	attr_string_if(&a, SLICE("service.namespace"), slice_str(who->name_space));
	attr_string_if(&a, SLICE("service.instance.id"), slice_str(who->instance_id));
	for (int id = 0; who->facts && id < FACT_MAX; id++)
		attr_string_if(&a, slice_str(fact_name((enum fact_id)id)->attribute),
			       fact(who->facts, (enum fact_id)id));
	if (origin->host_name)
		attr_string(&a, SLICE("host.name"), slice_str(origin->host_name));
	attr_string(&a, SLICE("os.type"), SLICE("linux"));
	attr_string(&a, SLICE("telemetry.sdk.name"), SLICE("sonde"));
	attr_string(&a, SLICE("telemetry.sdk.language"), SLICE("c"));
	attr_string(&a, SLICE("telemetry.sdk.version"), slice_str(origin->version));
	for (size_t i = 0; origin->pairs && i < origin->pairs->n; i++)
		attr_string(&a, slice_str(origin->pairs->v[i].key),
			    slice_str(origin->pairs->v[i].value));
	otlp_attrs_end(&a);
	otlp_end(o, at);
}

void otlp_scope(struct otlp_out *o, const struct otlp_origin *origin)
{
	size_t at = otlp_begin(o, f_scope);

	otlp_string(o, f_scope_name, SLICE("sonde"));
	otlp_string(o, f_scope_version, slice_str(origin->version));
	otlp_end(o, at);
}

void otlp_schema(struct otlp_out *o)
{
	otlp_string(o, f_schema, SLICE("https://opentelemetry.io/schemas/1.44.0"));
}

static int hex(char c)
{
	c = (char)tolower((unsigned char)c);
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* False: too long, or a percent sign that begins nothing. */
static bool decode(struct slice in, char *out, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < in.n; i++) {
		char c = (char)in.p[i];

		if (c == '%') {
			if (in.n - i < 3 || hex((char)in.p[i + 1]) < 0 ||
			    hex((char)in.p[i + 2]) < 0)
				return false;
			c = (char)(hex((char)in.p[i + 1]) << 4 | hex((char)in.p[i + 2]));
			i += 2;
		}
		if (n == size - 1)
			return false;
		out[n++] = c;
	}
	out[n] = '\0';
	return true;
}

static struct slice trim(struct slice s)
{
	while (s.n && isspace(s.p[0]))
		s.p++, s.n--;
	while (s.n && isspace(s.p[s.n - 1]))
		s.n--;
	return s;
}

static struct otlp_pair *place(struct otlp_pairs *p, const char *key)
{
	for (size_t i = 0; i < p->n; i++)
		if (strcmp(p->v[i].key, key) == 0)
			return &p->v[i];
	return p->n < OTLP_PAIRS_MAX ? &p->v[p->n++] : NULL;
}

size_t otlp_pairs_parse(struct otlp_pairs *p, const char *text)
{
	size_t refused = 0;

	while (*text) {
		struct slice one = { (const uint8_t *)text, strcspn(text, ",") };
		const uint8_t *equals = memchr(one.p, '=', one.n);
		struct otlp_pair pair, *mine;
		size_t n = equals ? (size_t)(equals - one.p) : 0;

		text += one.n + (text[one.n] == ',');
		if (trim(one).n == 0)
			continue;
		if (!decode(trim((struct slice){ one.p, n }), pair.key, sizeof(pair.key)) ||
		    !pair.key[0] || quote_plain(slice_str(pair.key)) < strlen(pair.key) ||
		    !decode(trim((struct slice){ one.p + n + 1, one.n - n - 1 }), pair.value,
			    sizeof(pair.value)) ||
		    !(mine = place(p, pair.key))) {
			refused++;
			continue;
		}
		*mine = pair;
	}
	return refused;
}
