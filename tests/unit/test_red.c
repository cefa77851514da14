/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "export/prometheus.h"
#include "identity/process.h"
#include "metrics/red.h"

#define SECOND 1000000000ULL

static struct service shop = { .id = 1, .name = "shop", .name_space = "eu", .instance_id = "i1" };
static struct service curl = { .id = 2, .name = "curl", .instance_id = "i2" };

static struct txn http(enum sonde_role role, uint64_t ms)
{
	struct txn t = {
		.start_ns = 100 * SECOND,
		.end_ns = 100 * SECOND + ms * 1000000,
		.status = 200,
		.proto = PROTO_HTTP1,
		.role = role,
		.family = SONDE_FAMILY_IPV4,
		.is_start_known = true,
		.service = role == SONDE_ROLE_SERVER ? &shop : &curl,
		.version = "1.1",
		.method = "GET",
		.route = "/cart/{id}",
		.target = "/cart/7",
		.local = { .ip = { 127, 0, 0, 1 },
			   .port = role == SONDE_ROLE_SERVER ? 8080 : 40000 },
		.peer = { .ip = { 10, 0, 0, 1 }, .port = role == SONDE_ROLE_SERVER ? 40000 : 8080 },
	};

	return t;
}

static void add(struct red *r, struct txn t)
{
	struct exporter e;

	red_exporter(r, &e);
	e.on_txn(e.self, &t);
}

/* Is there exactly this sample? */
static void assert_sample(struct red *r, const char *sample)
{
	static char text[256 * 1024];
	struct prom *p = prom_open(red_store(r), PROM_TEXT, NULL);
	ssize_t n = prom_read(p, text, sizeof(text) - 1);
	char line[512];

	prom_close(p);
	assert_true(n > 0 && n < (ssize_t)sizeof(text) - 1);
	text[n] = '\0';
	snprintf(line, sizeof(line), "\n%s\n", sample);
	if (!strstr(text, line))
		fail_msg("no \"%s\" in:\n%s", sample, text);
}

static void assert_no(struct red *r, enum metric_id id)
{
	assert_int_equal(series_count(red_store(r), id), 0);
}

#define SHOP  "service_name=\"shop\",service_namespace=\"eu\",service_instance_id=\"i1\""
#define CURL  "service_name=\"curl\",service_instance_id=\"i2\""
#define COUNT "http_server_request_duration_seconds_count{" SHOP ","

static void test_server(void **state)
{
	struct red *r = red_new(&(struct red_opts){ .now_ns = 1 });
	struct txn t = http(SONDE_ROLE_SERVER, 50);

	add(r, t);
	add(r, t);
	assert_sample(r, COUNT "http_request_method=\"GET\",http_route=\"/cart/{id}\","
			       "http_response_status_code=\"200\",url_scheme=\"http\","
			       "network_protocol_version=\"1.1\"} 2");
	assert_sample(r, "http_server_request_duration_seconds_sum{" SHOP
			 ",http_request_method=\"GET\",http_route=\"/cart/{id}\","
			 "http_response_status_code=\"200\",url_scheme=\"http\","
			 "network_protocol_version=\"1.1\"} 0.1");
	/* an unknown method is one label, an error has its type, no route is no label */
	strcpy(t.method, "BREW");
	strcpy(t.error_type, "500");
	t.route[0] = '\0';
	t.status = 500;
	t.is_tls = true;
	add(r, t);
	assert_sample(r, COUNT "http_request_method=\"_OTHER\",http_response_status_code=\"500\","
			       "url_scheme=\"https\",network_protocol_version=\"1.1\","
			       "error_type=\"500\"} 1");
	/* cut off before a status: none is invented */
	t.status = 0;
	strcpy(t.error_type, "connection_reset");
	add(r, t);
	assert_sample(r,
		      COUNT "http_request_method=\"_OTHER\",url_scheme=\"https\","
			    "network_protocol_version=\"1.1\",error_type=\"connection_reset\"} 1");
	assert_no(r, METRIC_HTTP_SERVER_REQUEST_BODY);
	assert_no(r, METRIC_HTTP_CLIENT_DURATION);
	red_free(r);
}

#define CLIENT                                             \
	"http_client_request_duration_seconds_count{" CURL \
	",http_request_method=\"GET\",http_route=\"/cart/" \
	"{id}\",http_response_status_code=\"200\","

static void test_client_names_the_server(void **state)
{
	struct red *r = red_new(&(struct red_opts){ .now_ns = 1 });
	struct txn t = http(SONDE_ROLE_CLIENT, 50);

#define PLAIN "url_scheme=\"http\",network_protocol_version=\"1.1\","
	add(r, t);
	assert_sample(r, CLIENT PLAIN "server_address=\"10.0.0.1\",server_port=\"8080\"} 1");
	strcpy(t.host, "shop.example");
	add(r, t);
	assert_sample(r, CLIENT PLAIN "server_address=\"shop.example\",server_port=\"8080\"} 1");
	t.host_port = 81;
	add(r, t);
	assert_sample(r, CLIENT PLAIN "server_address=\"shop.example\",server_port=\"81\"} 1");
	/* over a unix socket the name tells, and the scheme's port; else the path, which has none */
	t.family = SONDE_FAMILY_UNIX;
	t.host_port = t.peer.port = 0;
	add(r, t);
	assert_sample(r, CLIENT PLAIN "server_address=\"shop.example\",server_port=\"80\"} 1");
	t.host[0] = '\0';
	memcpy(t.unix_path, "\0hidden", 7);
	t.unix_path_len = 7;
	add(r, t);
	assert_sample(r, CLIENT PLAIN "server_address=\"@hidden\"} 1");
	memcpy(t.unix_path, "/run/x", 6);
	t.unix_path[6] = '\0';
	t.unix_path_len = 6;
	add(r, t);
	assert_sample(r, CLIENT PLAIN "server_address=\"/run/x\"} 1");
	t = http(SONDE_ROLE_CLIENT, 1);
	t.family = SONDE_FAMILY_IPV6;
	memset(t.peer.ip, 0, 16);
	t.peer.ip[15] = 1;
	add(r, t);
	assert_sample(r, CLIENT PLAIN "server_address=\"::1\",server_port=\"8080\"} 1");
	red_free(r);
}

static void test_server_address_is_asked_for(void **state)
{
	struct red *r = red_new(&(struct red_opts){ .now_ns = 1, .server_address = true });
	struct txn t = http(SONDE_ROLE_SERVER, 1);

	add(r, t);
	assert_sample(r, COUNT "http_request_method=\"GET\",http_route=\"/cart/{id}\","
			       "http_response_status_code=\"200\",url_scheme=\"http\","
			       "network_protocol_version=\"1.1\",server_address=\"127.0.0.1\","
			       "server_port=\"8080\"} 1");
	red_free(r);
}

static void test_sizes(void **state)
{
	struct red *r = red_new(&(struct red_opts){ .now_ns = 1, .sizes = true });
	struct txn t = http(SONDE_ROLE_SERVER, 1);

	t.request_body_bytes = 64;
	t.response_body_bytes = 5000000;
	add(r, t);
	assert_sample(r, "http_server_request_body_size_bytes_bucket{" SHOP
			 ",http_request_method=\"GET\",http_route=\"/cart/{id}\","
			 "http_response_status_code=\"200\",url_scheme=\"http\","
			 "network_protocol_version=\"1.1\",le=\"64.0\"} 1");
	assert_sample(r, "http_server_response_body_size_bytes_sum{" SHOP
			 ",http_request_method=\"GET\",http_route=\"/cart/{id}\","
			 "http_response_status_code=\"200\",url_scheme=\"http\","
			 "network_protocol_version=\"1.1\"} 5000000");
	/* of an endless response only its time to the first byte is known */
	t.is_stream = true;
	strcpy(t.route, "/events");
	add(r, t);
	assert_int_equal(series_count(red_store(r), METRIC_HTTP_SERVER_REQUEST_BODY), 2);
	assert_int_equal(series_count(red_store(r), METRIC_HTTP_SERVER_RESPONSE_BODY), 1);
	red_free(r);
}

static void test_failed_connects(void **state)
{
	struct red *r = red_new(&(struct red_opts){ .now_ns = 1 });
	struct txn t = http(SONDE_ROLE_CLIENT, 1);

	t.proto = PROTO_UNKNOWN;
	t.status = 0;
	strcpy(t.operation, "connect");
	strcpy(t.error_type, "refused");
	add(r, t);
	add(r, t);
	assert_sample(r, "sonde_tcp_connects_total{" CURL ",result=\"refused\","
			 "server_address=\"10.0.0.1\",server_port=\"8080\"} 2");
	assert_no(r, METRIC_HTTP_CLIENT_DURATION);
	red_free(r);
}

static void test_streams(void **state)
{
	struct red *r = red_new(&(struct red_opts){ .now_ns = 1 });
	struct txn_stream s = {
		.kind = TXN_STREAM_SSE,
		.role = SONDE_ROLE_SERVER,
		.start_ns = 1 * SECOND,
		.end_ns = 61 * SECOND,
		.service = &shop,
	};
	struct exporter e;

	red_exporter(r, &e);
	e.on_stream(e.self, &s);
	s.kind = TXN_STREAM_WEBSOCKET;
	e.on_stream(e.self, &s);
	e.on_stream(e.self, &s);
	assert_sample(r, "sonde_http_stream_duration_seconds_sum{" SHOP ",kind=\"sse\"} 60");
	assert_sample(r, "sonde_http_stream_duration_seconds_count{" SHOP ",kind=\"websocket\"} 2");
	red_free(r);
}

/* What a pipeline has: two requests at a server, one of a client. */
static void each_inflight(void *ctx, void (*fn)(void *arg, const struct conn_inflight *r),
			  void *arg)
{
	struct conn_inflight all[] = {
		{ .tgid = 10, .role = SONDE_ROLE_SERVER, .start_ns = 90 * SECOND },
		{ .tgid = 10, .role = SONDE_ROLE_SERVER, .start_ns = 95 * SECOND },
		{ .tgid = 20, .role = SONDE_ROLE_CLIENT, .start_ns = 1 * SECOND },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		all[i].proto = PROTO_HTTP1;
		strcpy(all[i].method, "GET");
	}
	for (int i = 0; i < *(int *)ctx; i++)
		fn(arg, &all[i]);
}

static void each_service(void *ctx, void (*fn)(void *arg, struct service *s), void *arg)
{
	fn(arg, &shop);
	fn(arg, &curl);
}

static const struct service *service_of(void *ctx, uint32_t tgid)
{
	return tgid == 10 ? &shop : &curl;
}

static struct red *red_with(int *inflight)
{
	return red_new(&(struct red_opts){
		.now_ns = 99 * SECOND,
		.host_name = "h",
		.version = "1.2.3",
		.each_inflight = each_inflight,
		.each_service = each_service,
		.service_of = service_of,
		.ctx = inflight,
	});
}

static void test_gauges(void **state)
{
	int inflight = 3;
	struct red *r = red_with(&inflight);

	red_collect(r, 100 * SECOND);
	assert_sample(r, "http_server_active_requests{" SHOP
			 ",http_request_method=\"GET\",url_scheme=\"http\"} 2");
	assert_sample(r, "sonde_oldest_active_request_seconds{" SHOP ",protocol=\"http\"} 10");
	assert_sample(r, "target_info{" SHOP ",host_name=\"h\",os_type=\"linux\","
			 "telemetry_sdk_name=\"sonde\",telemetry_sdk_language=\"c\","
			 "telemetry_sdk_version=\"1.2.3\"} 1");
	assert_sample(r, "sonde_series{metric=\"http_server_active_requests\"} 1");
	assert_sample(r, "sonde_series_overflow_total{metric=\"http_server_active_requests\"} 0");
	inflight = 0;
	red_collect(r, 101 * SECOND);
	assert_sample(r, "http_server_active_requests{" SHOP
			 ",http_request_method=\"GET\",url_scheme=\"http\"} 0");
	assert_sample(r, "sonde_oldest_active_request_seconds{" SHOP ",protocol=\"http\"} 0");
	red_free(r);
}

static void test_series_go_with_their_service(void **state)
{
	int inflight = 0;
	struct red *r = red_with(&inflight);
	struct exporter e;

	red_exporter(r, &e);
	add(r, http(SONDE_ROLE_SERVER, 1));
	add(r, http(SONDE_ROLE_CLIENT, 1));
	shop.last_seen_ns = 300 * SECOND;
	e.tick(e.self, 300 * SECOND);
	e.tick(e.self, 401 * SECOND); /* curl was last seen at 100 s */
	assert_no(r, METRIC_HTTP_CLIENT_DURATION);
	assert_int_equal(series_count(red_store(r), METRIC_HTTP_SERVER_DURATION), 1);
	/* and begin again where it comes back */
	add(r, http(SONDE_ROLE_CLIENT, 1));
	add(r, http(SONDE_ROLE_CLIENT, 1));
	assert_sample(r, CLIENT PLAIN "server_address=\"10.0.0.1\",server_port=\"8080\"} 2");
	shop.last_seen_ns = 0;
	red_free(r);
}

/* Every label tells apart, however often its transactions come, and in whichever order. */
static void test_same_labels_same_series(void **state)
{
	struct red *r = red_new(&(struct red_opts){ .now_ns = 1 });
	struct txn all[14];
	const size_t n = sizeof(all) / sizeof(*all);
	struct series *s = NULL;

	for (size_t i = 0; i < n; i++)
		all[i] = http(i < 8 ? SONDE_ROLE_SERVER : SONDE_ROLE_CLIENT, 1);
	strcpy(all[1].method, "POST");
	strcpy(all[2].route, "/");
	all[3].status = 201;
	all[4].is_tls = true;
	strcpy(all[5].version, "2");
	strcpy(all[6].error_type, "timeout");
	all[7].service = &curl;
	all[9].peer.port = 1;
	all[10].peer.ip[0] = 11;
	all[11].host_port = 2;
	strcpy(all[12].host, "h");
	memcpy(all[13].unix_path, "/x", 3);
	all[13].unix_path_len = 2;
	all[13].family = SONDE_FAMILY_UNIX;
	for (int round = 0; round < 3; round++)
		for (size_t i = 0; i < n; i++)
			add(r, all[i]);
	assert_int_equal(series_count(red_store(r), METRIC_HTTP_SERVER_DURATION), 8);
	assert_int_equal(series_count(red_store(r), METRIC_HTTP_CLIENT_DURATION), n - 8);
	while ((s = series_after(red_store(r), METRIC_HTTP_SERVER_DURATION, s ? s->serial : 0)))
		assert_int_equal(s->hist.count, 3);
	while ((s = series_after(red_store(r), METRIC_HTTP_CLIENT_DURATION, s ? s->serial : 0)))
		assert_int_equal(s->hist.count, 3);
	red_free(r);
}

/* Whose time it was, and on which edge it counts. */
static void test_parts_of_the_same_route(void **state)
{
	struct red *r = red_new(&(struct red_opts){ .now_ns = 1 });
	struct txn t = http(SONDE_ROLE_SERVER, 1);

#define SPENT \
	"sonde_request_time_seconds_total{" SHOP ",protocol=\"http\",http_route=\"/cart/{id}\","
	t.waits.cpu_ns = 1000000;
	add(r, t);
	t.waits.cpu_ns = 0;
	t.waits.blocked_ns = 2000000;
	add(r, t);
	t.waits.cpu_ns = TXN_WAIT_UNKNOWN;
	add(r, t);
	assert_sample(r, SPENT "state=\"cpu\"} 0.001");
	assert_sample(r, SPENT "state=\"blocked\"} 0.004");
	/* who called is not known: nobody, then somebody from outside, then one of here */
	assert_no(r, METRIC_GRAPH_REQUESTS);
	t.trace.parent = TXN_PARENT_NONE;
	add(r, t);
	add(r, t);
	t.other = &curl;
	add(r, t);
	assert_sample(r, "traces_service_graph_request_total{client=\"user\",server=\"shop\","
			 "server_service_namespace=\"eu\",connection_type=\"virtual_node\"} 2");
	assert_sample(r, "traces_service_graph_request_server_seconds_count{client=\"curl\","
			 "server=\"shop\",server_service_namespace=\"eu\"} 1");
	red_free(r);
}

static void test_each_fold_is_told(void **state)
{
	struct red *r = red_new(&(struct red_opts){ .now_ns = 1, .max_series = 1 });
	struct txn t = http(SONDE_ROLE_SERVER, 1);

	add(r, t);
	strcpy(t.route, "/another");
	for (int i = 0; i < 3; i++)
		add(r, t);
	assert_int_equal(series_overflows(red_store(r), METRIC_HTTP_SERVER_DURATION), 3);
	assert_sample(r, COUNT "otel_metric_overflow=\"true\"} 3");
	red_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_server),
		cmocka_unit_test(test_client_names_the_server),
		cmocka_unit_test(test_server_address_is_asked_for),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_failed_connects),
		cmocka_unit_test(test_streams),
		cmocka_unit_test(test_gauges),
		cmocka_unit_test(test_series_go_with_their_service),
		cmocka_unit_test(test_same_labels_same_series),
		cmocka_unit_test(test_parts_of_the_same_route),
		cmocka_unit_test(test_each_fold_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
