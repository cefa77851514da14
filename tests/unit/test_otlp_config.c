/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include "export/otlp_config.h"
#include "util/clock.h"
#include "util/log.h"

static struct otlp_config c;

#define CONFIG(flag, ...)    otlp_config(&c, flag, (char *[]){ __VA_ARGS__ __VA_OPT__(, ) NULL })
#define URL_IS(signal, text) assert_string_equal(c.of[OTLP_##signal].url, text)
#define GENERAL		     "OTEL_EXPORTER_OTLP_ENDPOINT="
#define TRACES		     "OTEL_EXPORTER_OTLP_TRACES_"

static void test_nothing_is_sent_unasked(void **state)
{
	CONFIG(NULL, "OTEL_EXPORTER_OTLP_PROTOCOL=grpc", "OTEL_EXPORTER_OTLP_ENDPOINT=");
	assert_false(c.of[OTLP_TRACES].is_on || c.of[OTLP_METRICS].is_on);
	CONFIG(NULL, TRACES "ENDPOINT=http://h");
	assert_true(c.of[OTLP_TRACES].is_on && !c.of[OTLP_METRICS].is_on);
	CONFIG("http://h", "OTEL_SDK_DISABLED=True");
	assert_false(c.of[OTLP_TRACES].is_on);
	CONFIG("http://h", "OTEL_TRACES_EXPORTER=none");
	assert_true(!c.of[OTLP_TRACES].is_on && c.of[OTLP_METRICS].is_on);
}

static void test_endpoints(void **state)
{
	CONFIG(NULL, GENERAL "http://h:4318");
	URL_IS(TRACES, "http://h:4318/v1/traces");
	URL_IS(METRICS, "http://h:4318/v1/metrics");
	CONFIG(NULL, GENERAL "https://h/base/");
	URL_IS(TRACES, "https://h/base/v1/traces");
	/* one of a signal is used as it is */
	CONFIG(NULL, GENERAL "http://h", TRACES "ENDPOINT=http://t/x");
	URL_IS(TRACES, "http://t/x");
	URL_IS(METRICS, "http://h/v1/metrics");
	CONFIG(NULL, TRACES "ENDPOINT=http://t:1");
	URL_IS(TRACES, "http://t:1/");
	/* the flag is over the environment */
	CONFIG("http://flag", TRACES "ENDPOINT=http://t/x");
	URL_IS(TRACES, "http://flag/v1/traces");
	CONFIG(NULL, GENERAL "nonsense");
	URL_IS(TRACES, "http://localhost:4318/v1/traces");
}

static void test_grpc_endpoints(void **state)
{
	CONFIG(NULL, "OTEL_EXPORTER_OTLP_PROTOCOL=grpc", GENERAL "https://h:4317/ignored");
	URL_IS(TRACES, "https://h:4317/opentelemetry.proto.collector.trace.v1.TraceService/Export");
	CONFIG(NULL, "OTEL_EXPORTER_OTLP_PROTOCOL=grpc", GENERAL "h:4317");
	URL_IS(METRICS,
	       "https://h:4317/opentelemetry.proto.collector.metrics.v1.MetricsService/Export");
	CONFIG(NULL, "OTEL_EXPORTER_OTLP_PROTOCOL=grpc", GENERAL "h:4317",
	       "OTEL_EXPORTER_OTLP_INSECURE=true");
	URL_IS(TRACES, "http://h:4317/opentelemetry.proto.collector.trace.v1.TraceService/Export");
	CONFIG(NULL, "OTEL_EXPORTER_OTLP_PROTOCOL=grpc", GENERAL "bad value");
	URL_IS(TRACES,
	       "http://localhost:4317/opentelemetry.proto.collector.trace.v1.TraceService/Export");
}

static void test_the_signal_s_own_wins(void **state)
{
	CONFIG("http://h", "OTEL_EXPORTER_OTLP_PROTOCOL=http/json", TRACES "PROTOCOL=GRPC",
	       "OTEL_EXPORTER_OTLP_COMPRESSION=gzip", TRACES "COMPRESSION=none",
	       "OTEL_EXPORTER_OTLP_TIMEOUT=500", TRACES "TIMEOUT=70",
	       "OTEL_EXPORTER_OTLP_HEADERS=a=b%20c,authorization=Basic%20eA%3D%3D",
	       TRACES "CERTIFICATE=/ca.pem");
	assert_int_equal(c.of[OTLP_TRACES].protocol, OTLP_GRPC);
	assert_int_equal(c.of[OTLP_METRICS].protocol, OTLP_HTTP_JSON);
	assert_false(c.of[OTLP_TRACES].is_gzip);
	assert_true(c.of[OTLP_METRICS].is_gzip);
	assert_int_equal(c.of[OTLP_TRACES].timeout_ns, 70 * NS_PER_MS);
	assert_int_equal(c.of[OTLP_METRICS].timeout_ns, 500 * NS_PER_MS);
	assert_int_equal(c.of[OTLP_METRICS].headers.n, 2);
	assert_string_equal(c.of[OTLP_METRICS].headers.v[1].value, "Basic eA==");
	assert_string_equal(c.of[OTLP_TRACES].certificate, "/ca.pem");
	assert_string_equal(c.of[OTLP_METRICS].certificate, "");
}

#define METRICS "OTEL_EXPORTER_OTLP_METRICS_"

/* Whatever there is of a signal is so of metrics too, and of them alone. */
static void test_metrics_have_their_own(void **state)
{
	const struct otlp_endpoint *m = &c.of[OTLP_METRICS], *t = &c.of[OTLP_TRACES];

	CONFIG(NULL, GENERAL "http://h", METRICS "ENDPOINT=m:1", METRICS "PROTOCOL=grpc",
	       METRICS "INSECURE=true", METRICS "COMPRESSION=gzip", METRICS "TIMEOUT=0",
	       METRICS "HEADERS=a=b", METRICS "CERTIFICATE=/m.pem",
	       METRICS "CLIENT_CERTIFICATE=/own.pem", METRICS "CLIENT_KEY=/own.key");
	URL_IS(METRICS,
	       "http://m:1/opentelemetry.proto.collector.metrics.v1.MetricsService/Export");
	URL_IS(TRACES, "http://h/v1/traces");
	assert_true(m->protocol == OTLP_GRPC && t->protocol == OTLP_HTTP_PROTOBUF);
	assert_true(m->is_gzip && !t->is_gzip);
	assert_true(m->timeout_ns > 24 * 3600 * NS_PER_S); /* 0: no limit */
	assert_int_equal(t->timeout_ns, 10 * NS_PER_S);
	assert_true(m->headers.n == 1 && t->headers.n == 0);
	assert_string_equal(m->certificate, "/m.pem");
	assert_string_equal(m->client_certificate, "/own.pem");
	assert_string_equal(m->client_key, "/own.key");
	assert_true(!t->certificate[0] && !t->client_certificate[0] && !t->client_key[0]);
	CONFIG("http://h", "OTEL_METRICS_EXPORTER=none");
	assert_true(!m->is_on && t->is_on);
}

static void test_how_often_and_how_many(void **state)
{
	CONFIG("http://h", "OTEL_BSP_SCHEDULE_DELAY=70", "OTEL_METRIC_EXPORT_INTERVAL=900",
	       "OTEL_BSP_MAX_QUEUE_SIZE=2048", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE=512");
	assert_int_equal(c.traces_every_ns, 70 * NS_PER_MS);
	assert_int_equal(c.metrics_every_ns, 900 * NS_PER_MS);
	assert_int_equal(c.queue_spans, 2048);
	assert_int_equal(c.batch_spans, 512);
	CONFIG("http://h", "OTEL_BSP_SCHEDULE_DELAY=0", "OTEL_METRIC_EXPORT_INTERVAL=0");
	assert_int_equal(c.traces_every_ns, 10 * NS_PER_MS);
	assert_int_equal(c.metrics_every_ns, 100 * NS_PER_MS);
}

static void test_wrong_values_are_the_default(void **state)
{
	CONFIG("http://h", "OTEL_EXPORTER_OTLP_PROTOCOL=http", "OTEL_EXPORTER_OTLP_COMPRESSION=zip",
	       "OTEL_EXPORTER_OTLP_TIMEOUT=1s", "OTEL_METRIC_EXPORT_INTERVAL=-1",
	       "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=x",
	       "OTEL_TRACES_EXPORTER=zipkin");
	assert_int_equal(c.of[OTLP_TRACES].protocol, OTLP_HTTP_PROTOBUF);
	assert_false(c.of[OTLP_TRACES].is_gzip);
	assert_true(c.of[OTLP_TRACES].is_on);
	assert_int_equal(c.of[OTLP_TRACES].timeout_ns, 10 * NS_PER_S);
	assert_int_equal(c.metrics_every_ns, 60 * NS_PER_S);
	assert_int_equal(c.temporality, OTLP_CUMULATIVE);
	CONFIG("http://h", "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=LowMemory",
	       "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION="
	       "base2_exponential_bucket_histogram");
	assert_int_equal(c.temporality, OTLP_LOWMEMORY);
	assert_true(c.is_exponential);
}

static void test_resource(void **state)
{
	CONFIG("http://h", "OTEL_RESOURCE_ATTRIBUTES=deployment.environment.name=prod,"
			   "service.name=a,service.version=1");
	assert_int_equal(c.resource.n, 1);
	assert_string_equal(c.resource.v[0].key, "deployment.environment.name");
	assert_string_equal(c.own_name, "a");
	CONFIG("http://h", "OTEL_RESOURCE_ATTRIBUTES=service.name=a", "OTEL_SERVICE_NAME=b");
	assert_string_equal(c.own_name, "b");
	CONFIG("http://h", "OTEL_SERVICE_NAME=");
	assert_string_equal(c.own_name, "sonde");
}

static void test_urls(void **state)
{
	assert_true(otlp_is_url("http://h") && otlp_is_url("HTTPS://[::1]:4318/x"));
	assert_false(otlp_is_url("h:4318") || otlp_is_url("http://") || otlp_is_url("ftp://h") ||
		     otlp_is_url("http:///x") || otlp_is_url("http://h h"));
}

static int quiet(void **state)
{
	log_init(LOG_ERROR, false);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_is_sent_unasked),
		cmocka_unit_test(test_endpoints),
		cmocka_unit_test(test_grpc_endpoints),
		cmocka_unit_test(test_the_signal_s_own_wins),
		cmocka_unit_test(test_metrics_have_their_own),
		cmocka_unit_test(test_how_often_and_how_many),
		cmocka_unit_test(test_wrong_values_are_the_default),
		cmocka_unit_test(test_resource),
		cmocka_unit_test(test_urls),
	};

	return cmocka_run_group_tests(tests, quiet, NULL);
}
