/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where telemetry goes and how: the OTEL_ variables of our own environment, and --otlp-endpoint.
 * https://opentelemetry.io/docs/specs/otel/protocol/exporter/
 * https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
 */
#ifndef OTLP_CONFIG_H
#define OTLP_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "export/otlp_resource.h"

enum otlp_signal { OTLP_TRACES, OTLP_METRICS, OTLP_SIGNALS };
enum otlp_protocol { OTLP_HTTP_PROTOBUF, OTLP_HTTP_JSON, OTLP_GRPC };
/* lowmemory: delta where the measurements come to us, cumulative where we go and read */
enum otlp_temporality { OTLP_CUMULATIVE, OTLP_DELTA, OTLP_LOWMEMORY };

enum { OTLP_URL_MAX = 1024, OTLP_FILE_MAX = 512 };

/* Of one signal. Empty strings: not given. */
struct otlp_endpoint {
	bool is_on;
	enum otlp_protocol protocol;
	char url[OTLP_URL_MAX]; /* what is posted to, the signal's path included */
	struct otlp_pairs headers;
	uint64_t timeout_ns; /* of one attempt */
	bool is_gzip;
	char certificate[OTLP_FILE_MAX]; /* of the authorities that are trusted */
	char client_certificate[OTLP_FILE_MAX];
	char client_key[OTLP_FILE_MAX];
};

struct otlp_config {
	struct otlp_endpoint of[OTLP_SIGNALS];
	enum otlp_temporality temporality;
	bool is_exponential; /* histograms */
	uint64_t metrics_every_ns;
	uint64_t traces_every_ns;     /* longest that a span waits for others */
	size_t queue_spans;	      /* 0: bounded by bytes alone */
	size_t batch_spans;	      /* 0: bounded by bytes alone */
	struct otlp_pairs resource;   /* attributes of all resources, service.* left out */
	char own_name[OTLP_PAIR_MAX]; /* service.name of sonde itself */
};

/* endpoint: of --otlp-endpoint, over the environment's; NULL: not given. Nothing is exported unless
 * one or the other names an endpoint. A value the specification does not allow is its default; what
 * config_warn_otel() does not tell of it is warned of here. */
void otlp_config(struct otlp_config *c, const char *endpoint, char **envp);

const char *otlp_signal_name(enum otlp_signal s); /* "traces", "metrics" */

/* http:// or https:// and a host, at least. */
bool otlp_is_url(const char *s);

#endif
