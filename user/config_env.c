/* SPDX-License-Identifier: Apache-2.0 */
/* The environment: SONDE_ variables are options, OTEL_ ones follow their own specification. */
#include "config_option.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include "util/log.h"
#include "util/nearest.h"

enum { ENV_NAME_MAX = 64 };

static const struct option *find_env(const char *var, size_t n, char *hint, size_t size)
{
	char names[CONFIG_OPTIONS_MAX][ENV_NAME_MAX];
	struct nearest near = { 0 };
	char meant[ENV_NAME_MAX];

	snprintf(meant, sizeof(meant), "%.*s", (int)n, var);
	for (size_t i = 0; i < options_n; i++) {
		if (options[i].is_flag_only)
			continue;
		option_env_name(&options[i], names[i], sizeof(names[i]));
		if (strlen(names[i]) == n && strncmp(names[i], var, n) == 0)
			return &options[i];
		nearest_offer(&near, meant, names[i]);
	}
	nearest_say(&near, "", hint, size);
	return NULL;
}

int config_read_env(struct config *c, char **envp, char *err, size_t size)
{
	const struct option *o;
	char hint[128], what[ENV_NAME_MAX];
	size_t n;

	for (; *envp; envp++) {
		if (strncmp(*envp, "SONDE_", 6) != 0)
			continue;
		n = strcspn(*envp, "=");
		o = find_env(*envp, n, hint, sizeof(hint));
		if (!o) {
			snprintf(err, size, "%.*s: no such variable%s", (int)n, *envp, hint);
			return -EINVAL;
		}
		option_env_name(o, what, sizeof(what));
		if ((*envp)[n]) /* execve takes entries without a value, too */
			n++;
		if (option_set(c, o, *envp + n, CONFIG_ENV, what, err, size))
			return -EINVAL;
	}
	return 0;
}

/*
 * What the specification defines and a person may set for us. `values`: the allowed ones, NULL for
 * free text, "#" for a number. Ours alone: names of what is observed are read from its own
 * environment.
 */
struct otel_var {
	const char *glob;
	const char *values; /* between bars */
	const char *def;
};

#define SAMPLERS                                                    \
	"|always_on|always_off|traceidratio|parentbased_always_on|" \
	"parentbased_always_off|parentbased_traceidratio|"

static const struct otel_var otel_vars[] = {
	{ "OTEL_SDK_DISABLED", "|true|false|", "false" },
	{ "OTEL_TRACES_EXPORTER", "|otlp|none|", "otlp" },
	{ "OTEL_METRICS_EXPORTER", "|otlp|none|prometheus|", "otlp" },
	{ "OTEL_METRIC_EXPORT_INTERVAL", "#", "60000" },
	{ "OTEL_BSP_SCHEDULE_DELAY", "#", "5000" },
	{ "OTEL_BSP_MAX_QUEUE_SIZE", "#", "as many as have room in 8 MiB" },
	{ "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "#", "as many as have room in 1 MiB" },
	{ "OTEL_EXPORTER_OTLP*_PROTOCOL", "|grpc|http/protobuf|http/json|", "http/protobuf" },
	{ "OTEL_EXPORTER_OTLP*_COMPRESSION", "|none|gzip|", "none" },
	{ "OTEL_EXPORTER_OTLP*_INSECURE", "|true|false|", "false" },
	{ "OTEL_EXPORTER_OTLP*_TIMEOUT", "#", "10000" },
	{ "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "|cumulative|delta|lowmemory|",
	  "cumulative" },
	{ "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
	  "|explicit_bucket_histogram|base2_exponential_bucket_histogram|",
	  "explicit_bucket_histogram" },
	{ "OTEL_EXPORTER_OTLP*_ENDPOINT", NULL, NULL },
	{ "OTEL_EXPORTER_OTLP*_HEADERS", NULL, NULL },
	{ "OTEL_EXPORTER_OTLP*_CERTIFICATE", NULL, NULL },
	{ "OTEL_EXPORTER_OTLP*_CLIENT_KEY", NULL, NULL },
	{ "OTEL_TRACES_SAMPLER", SAMPLERS, "parentbased_always_on" },
	{ "OTEL_TRACES_SAMPLER_ARG", NULL, NULL },
	{ "OTEL_RESOURCE_ATTRIBUTES", NULL, NULL },
};

static bool is_otel_valid(const struct otel_var *v, const char *value)
{
	char barred[128];

	if (!v->values)
		return true;
	if (v->values[0] == '#')
		return value[strspn(value, "0123456789")] == '\0';
	/* enumerations are to be read without regard to case */
	return !strchr(value, '|') &&
	       snprintf(barred, sizeof(barred), "|%s|", value) < (int)sizeof(barred) &&
	       strcasestr(v->values, barred);
}

void config_warn_otel(char **envp)
{
	const struct otel_var *end = otel_vars + sizeof(otel_vars) / sizeof(otel_vars[0]);
	char name[128];
	size_t n;

	for (; *envp; envp++) {
		n = strcspn(*envp, "=");
		/* an empty value is as good as none, says the specification */
		if (strncmp(*envp, "OTEL_", 5) != 0 || n >= sizeof(name) || !(*envp)[n] ||
		    !(*envp)[n + 1])
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)n, *envp);
		for (const struct otel_var *v = otel_vars; v < end; v++) {
			if (fnmatch(v->glob, name, 0) != 0)
				continue;
			if (!is_otel_valid(v, *envp + n + 1))
				log_warn("%s: '%.100s' is not valid: the default, %s, stands", name,
					 *envp + n + 1, v->def);
			break;
		}
	}
}
