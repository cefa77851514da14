/* SPDX-License-Identifier: Apache-2.0 */
/* Series as their JSON form says them. */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "export/otlp_metrics.h"
#include "export/prom_proto.h"
#include "identity/service.h"
#include "util/clock.h"

#define OFFSET 1795241706000000000LL

static const struct service shop = { .id = 1, .name = "shop" };
static const struct service cart = { .id = 2, .name = "cart" };
static const struct otlp_origin origin = { .version = "9.9" };
static struct series_store *store;

static struct otlp_metrics *writer(enum otlp_temporality temporality, bool is_exponential)
{
	const struct otlp_metrics_opts opts = {
		.form = OTLP_JSON,
		.temporality = temporality,
		.is_exponential = is_exponential,
		.realtime_offset_ns = OFFSET,
		.began_ns = NS_PER_S,
		.origin = &origin,
		.own = { .name = "sonde", .name_space = "", .instance_id = "" },
	};

	return otlp_metrics_new(&opts);
}

static struct series *request(const struct service *s, const char *route, uint64_t ns,
			      uint64_t now_ns)
{
	struct slice v[] = { SLICE("GET"), SLICE(""), SLICE("200"), SLICE("http"),
			     SLICE("1.1"), SLICE(""), SLICE(""),    SLICE("") };
	struct series *series;

	v[1] = slice_str(route);
	series = series_get(store, METRIC_HTTP_SERVER_DURATION, s, v, now_ns);
	hist_record(&series->hist, ns);
	return series;
}

/* The next request, parsed; NULL: the export is done. */
static json_t *next(struct otlp_metrics *m, size_t max, uint64_t now_ns, size_t *n)
{
	struct otlp_out o;
	json_error_t err;
	json_t *r;

	otlp_out_init(&o, OTLP_JSON, 0);
	*n = otlp_metrics_next(m, &o, max, now_ns);
	r = json_loadb((char *)o.p, o.n, JSON_REJECT_DUPLICATES, &err);
	if (!r)
		fail_msg("%s: %.*s", err.text, (int)o.n, (char *)o.p);
	otlp_out_free(&o);
	if (*n)
		return r;
	json_decref(r);
	return NULL;
}

static json_t *all(struct otlp_metrics *m, uint64_t now_ns)
{
	size_t n;

	assert_int_equal(otlp_metrics_begin(m, store), 0);
	return next(m, SIZE_MAX, now_ns, &n);
}

static const char *text(json_t *of, const char *key)
{
	return json_string_value(json_object_get(of, key));
}

static const char *service_of(json_t *resource)
{
	json_t *first = json_array_get(
		json_object_get(json_object_get(resource, "resource"), "attributes"), 0);

	assert_string_equal(text(first, "key"), "service.name");
	return text(json_object_get(first, "value"), "stringValue");
}

/* A metric of a service, borrowed; NULL: there is none. */
static json_t *metric(json_t *r, const char *service, const char *name)
{
	json_t *resource, *m;
	size_t i, k;

	json_array_foreach(json_object_get(r, "resourceMetrics"), i, resource)
	{
		json_t *scope = json_array_get(json_object_get(resource, "scopeMetrics"), 0);

		if (strcmp(service_of(resource), service) != 0)
			continue;
		json_array_foreach(json_object_get(scope, "metrics"), k,
				   m) if (strcmp(text(m, "name"), name) == 0) return m;
	}
	return NULL;
}

static json_t *data(json_t *m, const char *kind)
{
	assert_non_null(json_object_get(m, kind));
	return json_object_get(m, kind);
}

static json_t *point(json_t *of, size_t i)
{
	return json_array_get(json_object_get(of, "dataPoints"), i);
}

static double number(json_t *of, const char *key)
{
	json_t *v = json_object_get(of, key);

	assert_true(json_is_number(v));
	return json_number_value(v);
}

static void test_histograms_by_service(void **state)
{
	struct otlp_metrics *m = writer(OTLP_CUMULATIVE, false);
	json_t *r, *h, *p;

	request(&shop, "/a", 30 * NS_PER_MS, 2 * NS_PER_S);
	request(&shop, "/a", 2 * NS_PER_MS, 3 * NS_PER_S);
	request(&cart, "/b", 20 * NS_PER_S, 3 * NS_PER_S);
	r = all(m, 5 * NS_PER_S);
	assert_int_equal(json_array_size(json_object_get(r, "resourceMetrics")), 2);
	h = metric(r, "shop", "http.server.request.duration");
	assert_string_equal(text(h, "unit"), "s");
	h = data(h, "histogram");
	assert_int_equal(number(h, "aggregationTemporality"), 2);
	assert_int_equal(json_array_size(json_object_get(h, "dataPoints")), 1);
	p = point(h, 0);
	assert_string_equal(text(p, "startTimeUnixNano"), "1795241708000000000");
	assert_string_equal(text(p, "timeUnixNano"), "1795241711000000000");
	assert_string_equal(text(p, "count"), "2");
	assert_true(fabs(number(p, "sum") - 0.032) < 1e-12);
	assert_true(number(p, "min") == 0.002 && number(p, "max") == 0.03);
	assert_int_equal(json_array_size(json_object_get(p, "explicitBounds")), 19);
	assert_int_equal(json_array_size(json_object_get(p, "bucketCounts")), 20);
	assert_true(json_number_value(json_array_get(json_object_get(p, "explicitBounds"), 0)) ==
		    0.0001);
	assert_string_equal(
		json_string_value(json_array_get(json_object_get(p, "bucketCounts"), 8)),
		"1"); /* (0.025, 0.05] */
	p = point(data(metric(r, "cart", "http.server.request.duration"), "histogram"), 0);
	assert_string_equal(
		json_string_value(json_array_get(json_object_get(p, "bucketCounts"), 19)), "1");
	json_decref(r);
	otlp_metrics_free(m);
}

static void test_exemplars_point_at_spans(void **state)
{
	struct otlp_metrics *m = writer(OTLP_CUMULATIVE, false);
	struct exemplar e = { .trace_id = { 0xab }, .span_id = { 0xcd }, .value = 30 * NS_PER_MS };
	struct series *s = request(&shop, "/a", 30 * NS_PER_MS, 2 * NS_PER_S);
	json_t *r, *p, *list;

	e.unix_ns = (uint64_t)OFFSET + 3 * NS_PER_S;
	series_exemplar(s, &e);
	e.value = 1; /* older than the series: of another of the same labels */
	e.unix_ns = (uint64_t)OFFSET;
	series_exemplar(s, &e);
	r = all(m, 5 * NS_PER_S);
	p = point(data(metric(r, "shop", "http.server.request.duration"), "histogram"), 0);
	list = json_object_get(p, "exemplars");
	assert_int_equal(json_array_size(list), 1);
	p = json_array_get(list, 0);
	assert_string_equal(text(p, "traceId"), "ab000000000000000000000000000000");
	assert_string_equal(text(p, "spanId"), "cd00000000000000");
	assert_string_equal(text(p, "timeUnixNano"), "1795241709000000000");
	assert_true(number(p, "asDouble") == 0.03);
	json_decref(r);
	otlp_metrics_free(m);
}

static void test_attributes_are_typed(void **state)
{
	struct otlp_metrics *m = writer(OTLP_CUMULATIVE, false);
	json_t *r, *a, *p;
	bool has_status = false;
	size_t i;

	request(&shop, "/a", 1, 2 * NS_PER_S);
	r = all(m, 5 * NS_PER_S);
	p = point(data(metric(r, "shop", "http.server.request.duration"), "histogram"), 0);
	assert_int_equal(json_array_size(json_object_get(p, "attributes")), 5);
	json_array_foreach(json_object_get(p, "attributes"), i, a)
	{
		json_t *v = json_object_get(a, "value");

		if (strcmp(text(a, "key"), "http.response.status_code") != 0) {
			assert_non_null(text(v, "stringValue"));
			continue;
		}
		assert_string_equal(text(v, "intValue"), "200");
		has_status = true;
	}
	assert_true(has_status);
	json_decref(r);
	otlp_metrics_free(m);
}

static void test_exponential(void **state)
{
	struct otlp_metrics *m = writer(OTLP_CUMULATIVE, true);
	json_t *r, *h, *p, *b;

	request(&shop, "/a", 1000000000, 2 * NS_PER_S); /* the bucket that ends with 1 s: -1 */
	request(&shop, "/a", 1000000001, 2 * NS_PER_S);
	request(&shop, "/a", 0, 2 * NS_PER_S);
	r = all(m, 5 * NS_PER_S);
	h = data(metric(r, "shop", "http.server.request.duration"), "exponentialHistogram");
	p = point(h, 0);
	assert_int_equal(number(p, "scale"), 5);
	assert_string_equal(text(p, "zeroCount"), "1");
	assert_string_equal(text(p, "count"), "3");
	b = json_object_get(p, "positive");
	assert_int_equal(number(b, "offset"), -1);
	assert_int_equal(json_array_size(json_object_get(b, "bucketCounts")), 2);
	json_decref(r);
	otlp_metrics_free(m);
}

static void test_delta_tells_what_happened_since(void **state)
{
	struct otlp_metrics *m = writer(OTLP_DELTA, false);
	json_t *r, *h;

	request(&shop, "/a", 30 * NS_PER_MS, 2 * NS_PER_S);
	json_decref(all(m, 5 * NS_PER_S));
	request(&shop, "/a", 3 * NS_PER_S, 6 * NS_PER_S);
	request(&shop, "/new", 3 * NS_PER_S, 6 * NS_PER_S);
	r = all(m, 7 * NS_PER_S);
	h = data(metric(r, "shop", "http.server.request.duration"), "histogram");
	assert_int_equal(number(h, "aggregationTemporality"), 1);
	assert_string_equal(text(point(h, 0), "count"), "1");
	assert_true(number(point(h, 0), "sum") == 3);
	assert_string_equal(text(point(h, 0), "startTimeUnixNano"), "1795241711000000000");
	assert_null(json_object_get(point(h, 0), "min"));
	assert_string_equal(text(point(h, 1), "startTimeUnixNano"), "1795241712000000000");
	json_decref(r);
	/* nothing happened: nothing is told */
	r = all(m, 8 * NS_PER_S);
	assert_null(r);
	otlp_metrics_free(m);
}

static void test_sums_and_gauges(void **state)
{
	struct otlp_metrics *m = writer(OTLP_LOWMEMORY, false);
	struct slice active[] = { SLICE("GET"), SLICE("http") }, kind = SLICE("data");
	json_t *r, *s;

	series_get(store, METRIC_HTTP_SERVER_ACTIVE, &shop, active, NS_PER_S)->value = 3;
	series_get(store, METRIC_EVENTS, NULL, &kind, NS_PER_S)->value = 7;
	series_get(store, METRIC_ANONYMOUS_MEMORY, NULL, NULL, NS_PER_S)->value = 9;
	series_get(store, METRIC_CPU, NULL, NULL, NS_PER_S)->value = 1500 * NS_PER_MS;
	request(&shop, "/a", 1, 2 * NS_PER_S);
	r = all(m, 5 * NS_PER_S);
	s = data(metric(r, "shop", "http.server.active_requests"), "sum");
	assert_null(json_object_get(s, "isMonotonic"));
	assert_int_equal(number(s, "aggregationTemporality"), 2);
	assert_string_equal(text(point(s, 0), "asInt"), "3");
	s = data(metric(r, "sonde", "sonde.events"), "sum");
	assert_true(json_is_true(json_object_get(s, "isMonotonic")));
	assert_int_equal(number(s, "aggregationTemporality"), 2);
	assert_string_equal(text(point(s, 0), "startTimeUnixNano"), "1795241707000000000");
	s = data(metric(r, "sonde", "sonde.anonymous_memory"), "gauge");
	assert_null(json_object_get(point(s, 0), "startTimeUnixNano"));
	s = data(metric(r, "sonde", "sonde.cpu"), "sum");
	assert_true(number(point(s, 0), "asDouble") == 1.5);
	s = data(metric(r, "shop", "http.server.request.duration"), "histogram");
	assert_int_equal(number(s, "aggregationTemporality"), 1);
	json_decref(r);
	otlp_metrics_free(m);
}

/* In small requests every point comes once, whatever goes in between. */
static void test_piece_by_piece(void **state)
{
	struct otlp_metrics *m = writer(OTLP_CUMULATIVE, false);
	size_t n, total = 0, requests = 0;
	char route[16];
	json_t *r;

	for (int i = 0; i < 100; i++) {
		snprintf(route, sizeof(route), "/%d", i);
		request(i % 2 ? &shop : &cart, route, 1, NS_PER_S);
	}
	assert_int_equal(otlp_metrics_begin(m, store), 0);
	while ((r = next(m, 3000, NS_PER_S, &n))) {
		total += n;
		requests++;
		json_decref(r);
	}
	assert_int_equal(total, 100);
	assert_in_range(requests, 10, 60);
	/* the series go while an export is under way */
	assert_int_equal(otlp_metrics_begin(m, store), 0);
	r = next(m, 3000, NS_PER_S, &n);
	json_decref(r);
	series_expire(store, 10000 * NS_PER_S);
	assert_null(next(m, 3000, NS_PER_S, &n));
	otlp_metrics_free(m);
}

/* MetricFamily of a histogram, its native part byte for byte: two buckets side by side, a gap of
 * 30, and one more. By hand after client_model's metrics.proto. */
static void test_native_histogram(void **state)
{
	static const char native[] = "\x28\x0a" /* schema 5 */
				     "\x31\xff\xff\xff\xff\xff\xff\xff\xff"
				     "\x38\x01"			/* zero_count */
				     "\x62\x04\x08\x00\x10\x02" /* span: bucket 0, 2 long */
				     "\x62\x04\x08\x3c\x10\x01" /* span: 30 on, 1 long */
				     "\x6a\x03\x02\x02\x01";	/* 1, +1, -1 */
	struct otlp_out o;
	bool found = false;

	request(&shop, "/a", 1000000000, NS_PER_S);
	request(&shop, "/a", 1000000001, NS_PER_S);
	request(&shop, "/a", 1000000001, NS_PER_S);
	request(&shop, "/a", 2000000000, NS_PER_S);
	request(&shop, "/a", 0, NS_PER_S);
	otlp_out_init(&o, OTLP_PROTOBUF, 0);
	prom_proto_family(&o, store, METRIC_HTTP_SERVER_DURATION);
	assert_false(o.is_failed);
	for (size_t i = 0; i + sizeof(native) - 1 <= o.n; i++) {
		uint8_t copy[sizeof(native) - 1];

		memcpy(copy, o.p + i, sizeof(copy));
		memset(copy + 3, 0xff, 8); /* the threshold, a double near nothing */
		found |= memcmp(copy, native, sizeof(copy)) == 0;
	}
	assert_true(found);
	otlp_out_clear(&o);
	prom_proto_family(&o, store, METRIC_DNS_LOOKUP_DURATION);
	assert_int_equal(o.n, 0);
	otlp_out_free(&o);
}

static int setup(void **state)
{
	store = series_store_new(0);
	return store ? 0 : -1;
}

static int teardown(void **state)
{
	series_store_free(store);
	return 0;
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_histograms_by_service),
		TEST(test_attributes_are_typed),
		TEST(test_exemplars_point_at_spans),
		TEST(test_exponential),
		TEST(test_delta_tells_what_happened_since),
		TEST(test_sums_and_gauges),
		TEST(test_piece_by_piece),
		TEST(test_native_histogram),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
