/* SPDX-License-Identifier: Apache-2.0 */
/* What a process says of itself in OpenTelemetry's own variables. Pure.
 * https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/ */
#ifndef OTEL_ENV_H
#define OTEL_ENV_H

#include "util/slice.h"

struct otel_env {
	char name[128];	      /* OTEL_SERVICE_NAME, else service.name; empty: not said */
	char name_space[64];  /* service.namespace */
	char version[128];    /* service.version */
	char instance[256];   /* service.instance.id */
	char environment[64]; /* deployment.environment.name */
};

/* environ: NUL separated assignments, as /proc/PID/environ gives them. */
void otel_env_parse(struct slice environ, struct otel_env *out);

#endif
