/* SPDX-License-Identifier: Apache-2.0 */
#include "export/otlp_config.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "util/clock.h"
#include "util/log.h"

#define DEFAULT_HTTP "http://localhost:4318"
#define DEFAULT_GRPC "http://localhost:4317"

const char *otlp_signal_name(enum otlp_signal s)
{
	return s == OTLP_TRACES ? "traces" : "metrics";
}

bool otlp_is_url(const char *s)
{
	size_t scheme = strncasecmp(s, "http://", 7) == 0    ? 7
			: strncasecmp(s, "https://", 8) == 0 ? 8
							     : 0;

	if (!scheme || strlen(s) >= OTLP_URL_MAX || !s[scheme] || strchr("/?#:", s[scheme]))
		return false;
	for (; *s; s++)
		if (!isgraph((unsigned char)*s))
			return false;
	return true;
}

/* An empty value is as good as none, says the specification. */
static const char *env(char **envp, const char *name)
{
	size_t n = strlen(name);

	for (; *envp; envp++)
		if (strncmp(*envp, name, n) == 0 && (*envp)[n] == '=' && (*envp)[n + 1])
			return *envp + n + 1;
	return NULL;
}

/* Of a signal, else the general one; *is_own: which. */
static const char *env_of(char **envp, enum otlp_signal s, const char *what, bool *is_own)
{
	char name[96];
	const char *v;

	snprintf(name, sizeof(name), "OTEL_EXPORTER_OTLP_%s_%s",
		 s == OTLP_TRACES ? "TRACES" : "METRICS", what);
	v = env(envp, name);
	if (is_own)
		*is_own = v != NULL;
	if (v)
		return v;
	snprintf(name, sizeof(name), "OTEL_EXPORTER_OTLP_%s", what);
	return env(envp, name);
}

/* Which of `words` it is, 0 when it is none of them. */
static int word(const char *value, const char *const words[])
{
	for (int i = 0; value && words[i]; i++)
		if (strcasecmp(value, words[i]) == 0)
			return i;
	return 0;
}

static bool is_true(const char *value)
{
	return value && strcasecmp(value, "true") == 0;
}

static uint64_t number(const char *value, uint64_t def)
{
	char *end;
	unsigned long long v;

	if (!value || !isdigit((unsigned char)*value))
		return def;
	v = strtoull(value, &end, 10);
	return *end || v > UINT32_MAX ? def : v;
}

static void file_of(char **envp, enum otlp_signal s, const char *what, char *out)
{
	const char *v = env_of(envp, s, what, NULL);

	if (!v)
		return;
	if (strlen(v) >= OTLP_FILE_MAX)
		log_warn("OTEL_EXPORTER_OTLP_%s: the name is too long: it has no effect", what);
	else
		strcpy(out, v);
}

/* The general endpoint is a base, to which the signal's path is added; one of a signal is used as
 * it is. gRPC has a path of its own, and an endpoint for it may come without a scheme. */
static void set_url(struct otlp_endpoint *e, enum otlp_signal s, const char *base, bool is_own,
		    bool is_insecure)
{
	static const char *const grpc[] = {
		"/opentelemetry.proto.collector.trace.v1.TraceService/Export",
		"/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
	};
	const char *scheme = "", *path;
	size_t n;

	if (!strstr(base, "://"))
		scheme = is_insecure ? "http://" : "https://";
	path = strchr(*scheme ? base : strstr(base, "://") + 3, '/');
	n = path ? (size_t)(path - base) : strlen(base);
	if (e->protocol == OTLP_GRPC)
		snprintf(e->url, sizeof(e->url), "%s%.*s%s", scheme, (int)n, base, grpc[s]);
	else if (is_own)
		snprintf(e->url, sizeof(e->url), "%s%s", base, path ? "" : "/");
	else
		snprintf(e->url, sizeof(e->url), "%s%sv1/%s", base,
			 base[strlen(base) - 1] == '/' ? "" : "/", otlp_signal_name(s));
}

static bool is_base(const char *s, enum otlp_protocol protocol)
{
	return otlp_is_url(s) || (protocol == OTLP_GRPC && !strstr(s, "://") && strchr(s, ':') &&
				  strlen(s) < OTLP_URL_MAX && !strpbrk(s, " /?#@"));
}

static void set_endpoint(struct otlp_endpoint *e, enum otlp_signal s, const char *flag, char **envp)
{
	bool is_own = false;
	const char *base = flag ? flag : env_of(envp, s, "ENDPOINT", &is_own);
	const char *def = e->protocol == OTLP_GRPC ? DEFAULT_GRPC : DEFAULT_HTTP;

	if (!base)
		return; /* nobody asked for this signal */
	e->is_on = true;
	if (!is_base(base, e->protocol)) {
		log_warn("OTEL_EXPORTER_OTLP_ENDPOINT: '%.100s' is not valid: the default, %s, "
			 "stands",
			 base, def);
		base = def;
		is_own = false;
	}
	set_url(e, s, base, is_own, is_true(env_of(envp, s, "INSECURE", NULL)));
}

static void set_signal(struct otlp_endpoint *e, enum otlp_signal s, const char *flag, char **envp)
{
	static const char *const protocols[] = { "http/protobuf", "http/json", "grpc", NULL };
	static const char *const compressions[] = { "none", "gzip", NULL };
	static const char *const exporters[] = { "otlp", "none", "console", "prometheus", NULL };
	const char *headers = env_of(envp, s, "HEADERS", NULL);
	const char *which =
		env(envp, s == OTLP_TRACES ? "OTEL_TRACES_EXPORTER" : "OTEL_METRICS_EXPORTER");
	size_t refused;

	e->protocol = (enum otlp_protocol)word(env_of(envp, s, "PROTOCOL", NULL), protocols);
	e->is_gzip = word(env_of(envp, s, "COMPRESSION", NULL), compressions) == 1;
	e->timeout_ns = number(env_of(envp, s, "TIMEOUT", NULL), 10000) * NS_PER_MS;
	if (!e->timeout_ns)
		e->timeout_ns = NS_PER_MS * UINT32_MAX; /* 0: no limit */
	refused = headers ? otlp_pairs_parse(&e->headers, headers) : 0;
	if (refused)
		log_warn("OTEL_EXPORTER_OTLP_HEADERS: %zu of its parts are no key=value: they are "
			 "left out",
			 refused);
	file_of(envp, s, "CERTIFICATE", e->certificate);
	file_of(envp, s, "CLIENT_CERTIFICATE", e->client_certificate);
	file_of(envp, s, "CLIENT_KEY", e->client_key);
	if (word(which, exporters) == 0 && !is_true(env(envp, "OTEL_SDK_DISABLED")))
		set_endpoint(e, s, flag, envp);
}

/* What names a service is not for all of them: it names sonde. */
static void set_resource(struct otlp_config *c, char **envp)
{
	const char *list = env(envp, "OTEL_RESOURCE_ATTRIBUTES");
	const char *name = env(envp, "OTEL_SERVICE_NAME");
	struct otlp_pairs *p = &c->resource;
	size_t n = 0;

	snprintf(c->own_name, sizeof(c->own_name), "sonde");
	if (list && otlp_pairs_parse(p, list))
		log_warn("OTEL_RESOURCE_ATTRIBUTES: parts of it are no key=value: they are left "
			 "out");
	for (size_t i = 0; i < p->n; i++) {
		if (strcmp(p->v[i].key, "service.name") == 0)
			snprintf(c->own_name, sizeof(c->own_name), "%s", p->v[i].value);
		if (strncmp(p->v[i].key, "service.", 8) != 0)
			p->v[n++] = p->v[i];
	}
	p->n = n;
	if (name)
		snprintf(c->own_name, sizeof(c->own_name), "%s", name);
}

void otlp_config(struct otlp_config *c, const char *endpoint, char **envp)
{
	static const char *const temporalities[] = { "cumulative", "delta", "lowmemory", NULL };
	static const char *const aggregations[] = { "explicit_bucket_histogram",
						    "base2_exponential_bucket_histogram", NULL };

	*c = (struct otlp_config){ 0 };
	for (int s = 0; s < OTLP_SIGNALS; s++)
		set_signal(&c->of[s], (enum otlp_signal)s, endpoint, envp);
	c->temporality = (enum otlp_temporality)word(
		env(envp, "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"), temporalities);
	c->is_exponential =
		word(env(envp, "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION"),
		     aggregations) == 1;
	c->metrics_every_ns = number(env(envp, "OTEL_METRIC_EXPORT_INTERVAL"), 60000) * NS_PER_MS;
	c->traces_every_ns = number(env(envp, "OTEL_BSP_SCHEDULE_DELAY"), 5000) * NS_PER_MS;
	if (c->metrics_every_ns < 100 * NS_PER_MS)
		c->metrics_every_ns = 100 * NS_PER_MS;
	if (c->traces_every_ns < 10 * NS_PER_MS)
		c->traces_every_ns = 10 * NS_PER_MS;
	c->queue_spans = number(env(envp, "OTEL_BSP_MAX_QUEUE_SIZE"), 0);
	c->batch_spans = number(env(envp, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE"), 0);
	set_resource(c, envp);
}
