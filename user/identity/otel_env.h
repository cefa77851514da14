/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a process says of itself: in OpenTelemetry's own variables, in the properties of the same
 * meaning that a Java virtual machine was given, which go before them, and in the name that Spring
 * gives an application, which comes last. Pure.
 * https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
 * https://docs.spring.io/spring-boot/reference/features/external-config.html
 */
#ifndef OTEL_ENV_H
#define OTEL_ENV_H

#include "identity/program.h"
#include "util/slice.h"

struct otel_env {
	char name[128];	      /* empty: not said */
	char name_space[64];  /* service.namespace */
	char version[128];    /* service.version */
	char instance[256];   /* service.instance.id */
	char environment[64]; /* deployment.environment.name */
};

/* environ: NUL separated assignments, as /proc/PID/environ gives them. */
void otel_env_parse(struct slice environ, const struct java_says *java, struct otel_env *out);

#endif
