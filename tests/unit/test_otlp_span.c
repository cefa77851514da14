/* SPDX-License-Identifier: Apache-2.0 */
/* Spans as their JSON form says them: names, kinds, attributes and status. */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include "export/otlp_span.h"
#include "export/otlp_lines.h"
#include "export/otlp_spans.h"
#include "identity/service.h"

#define OFFSET 1795241706000000000LL

static const struct service shop = { .id = 1, .name = "shop", .instance_id = "i-1" };
static const struct service cart = { .id = 2, .name = "cart", .name_space = "prod" };
static const struct otlp_origin origin = { .host_name = "h1", .version = "9.9" };

static struct txn a_request(void)
{
	return (struct txn){
		.start_ns = 5000000000,
		.end_ns = 5001234567,
		.tid = 4243,
		.status = 200,
		.proto = PROTO_HTTP1,
		.role = SONDE_ROLE_SERVER,
		.family = SONDE_FAMILY_IPV4,
		.trace = { .trace_id = { 0xab, [15] = 1 },
			   .span_id = { [7] = 2 },
			   .is_sampled = true,
			   .parent = TXN_PARENT_NONE },
		.waits = { .cpu_ns = 250000,
			   .receive_queue_ns = TXN_WAIT_UNKNOWN,
			   .runqueue_ns = TXN_WAIT_UNKNOWN,
			   .blocked_ns = TXN_WAIT_UNKNOWN,
			   .throttled_ns = TXN_WAIT_UNKNOWN,
			   .downstream_ns = TXN_WAIT_UNKNOWN,
			   .unknown_ns = 984567 },
		.service = &shop,
		.version = "1.1",
		.method = "GET",
		.route = "/users/{id}",
		.target = "/users/7?b=1",
		.host = "shop.example",
		.host_port = 8080,
		.local = { .ip = { 127, 0, 0, 1 }, .port = 80 },
		.peer = { .ip = { 10, 0, 0, 9 }, .port = 51234 },
	};
}

static struct txn a_query(void)
{
	struct txn t = a_request();

	t.proto = PROTO_POSTGRES;
	t.role = SONDE_ROLE_CLIENT;
	t.status = 0;
	t.host_port = 0;
	t.method[0] = t.route[0] = t.target[0] = t.host[0] = t.version[0] = '\0';
	strcpy(t.system, "postgresql");
	strcpy(t.operation, "SELECT");
	strcpy(t.summary, "SELECT users");
	strcpy(t.query, "SELECT * FROM users WHERE id = ?");
	strcpy(t.name_space, "shop");
	strcpy(t.status_text, "42P01");
	strcpy(t.error_type, "42P01");
	t.peer.port = 5432;
	return t;
}

static json_t *span_of(const struct txn *t)
{
	struct otlp_out o;
	json_error_t err;
	json_t *span;

	otlp_out_init(&o, OTLP_JSON, 0);
	otlp_span(&o, t, OFFSET);
	span = json_loadb((char *)o.p, o.n, JSON_REJECT_DUPLICATES, &err);
	if (!span)
		fail_msg("%s: %.*s", err.text, (int)o.n, (char *)o.p);
	otlp_out_free(&o);
	return span;
}

/* An attribute's value, as it stands in JSON, and no key twice; NULL: there is none. */
static const char *value_of(json_t *span, const char *key)
{
	static char text[4096];
	const char *found = NULL;
	json_t *a;
	size_t i;

	json_array_foreach(json_object_get(span, "attributes"), i, a)
	{
		if (strcmp(json_string_value(json_object_get(a, "key")), key) != 0)
			continue;
		assert_null(found);
		text[json_dumpb(json_object_get(a, "value"), text, sizeof(text) - 1, JSON_COMPACT)] =
			'\0';
		found = text;
	}
	return found;
}

static void has(json_t *span, const char *key, const char *type, const char *value)
{
	char expected[4096];

	snprintf(expected, sizeof(expected), "{\"%s\":%s}", type, value);
	assert_non_null(value_of(span, key));
	assert_string_equal(value_of(span, key), expected);
}

#define HAS_STRING(span, key, value) has(span, key, "stringValue", "\"" value "\"")
#define HAS_INT(span, key, value)    has(span, key, "intValue", "\"" value "\"")

static void is_string(json_t *span, const char *field, const char *value)
{
	const char *text = json_string_value(json_object_get(span, field));

	assert_non_null(text);
	assert_string_equal(text, value);
}

static int kind_of(json_t *span)
{
	return (int)json_integer_value(json_object_get(span, "kind"));
}

static int code_of(json_t *span)
{
	return (int)json_integer_value(json_object_get(json_object_get(span, "status"), "code"));
}

static void test_http_server(void **state)
{
	struct txn t = a_request();
	json_t *s = span_of(&t);

	is_string(s, "traceId", "ab000000000000000000000000000001");
	is_string(s, "spanId", "0000000000000002");
	assert_null(json_object_get(s, "parentSpanId"));
	assert_null(json_object_get(s, "status"));
	is_string(s, "name", "GET /users/{id}");
	assert_int_equal(kind_of(s), 2);
	is_string(s, "startTimeUnixNano", "1795241711000000000");
	is_string(s, "endTimeUnixNano", "1795241711001234567");
	assert_int_equal(json_integer_value(json_object_get(s, "flags")), 0x101);
	HAS_STRING(s, "http.request.method", "GET");
	HAS_INT(s, "http.response.status_code", "200");
	HAS_STRING(s, "http.route", "/users/{id}");
	HAS_STRING(s, "url.scheme", "http");
	HAS_STRING(s, "url.path", "/users/7");
	HAS_STRING(s, "url.query", "b=1");
	HAS_STRING(s, "network.protocol.version", "1.1");
	HAS_STRING(s, "server.address", "shop.example");
	HAS_INT(s, "server.port", "8080");
	HAS_STRING(s, "client.address", "10.0.0.9");
	HAS_STRING(s, "network.peer.address", "10.0.0.9");
	HAS_INT(s, "network.peer.port", "51234");
	HAS_INT(s, "thread.id", "4243");
	HAS_STRING(s, "sonde.parent", "none");
	has(s, "sonde.wait.cpu", "doubleValue", "0.00025000000000000001");
	assert_null(value_of(s, "sonde.wait.blocked"));
	assert_null(value_of(s, "sonde.shared"));
	assert_null(value_of(s, "error.type"));
	assert_null(value_of(s, "url.full"));
	json_decref(s);
}

static void test_http_client(void **state)
{
	struct txn t = a_request();
	json_t *s;

	t.role = SONDE_ROLE_CLIENT;
	t.status = 404;
	t.trace.parent = TXN_PARENT_HEADER;
	t.trace.parent_span_id[0] = 0xff;
	t.waits.shared = true;
	strcpy(t.error_type, "404");
	strcpy(t.trace.state, "a=b");
	s = span_of(&t);
	is_string(s, "parentSpanId", "ff00000000000000");
	is_string(s, "traceState", "a=b");
	assert_int_equal(kind_of(s), 3);
	assert_int_equal(code_of(s), 2);
	assert_int_equal(json_integer_value(json_object_get(s, "flags")), 0x301);
	HAS_STRING(s, "url.full", "http://shop.example:8080/users/7?b=1");
	HAS_STRING(s, "url.template", "/users/{id}");
	HAS_STRING(s, "error.type", "404");
	HAS_STRING(s, "sonde.parent", "header");
	has(s, "sonde.shared", "boolValue", "true");
	assert_null(value_of(s, "http.route"));
	assert_null(value_of(s, "url.path"));
	assert_null(value_of(s, "client.address"));
	json_decref(s);
}

static void test_urls(void **state)
{
	struct txn t = a_request();
	json_t *s;

	t.role = SONDE_ROLE_CLIENT;
	t.host_port = 80;
	s = span_of(&t);
	HAS_STRING(s, "url.full", "http://shop.example/users/7?b=1");
	json_decref(s);
	t.host[0] = '\0';
	t.host_port = 0;
	t.is_tls = true;
	t.family = SONDE_FAMILY_IPV6;
	memset(&t.peer, 0, sizeof(t.peer));
	t.peer.ip[15] = 1;
	t.peer.port = 8443;
	s = span_of(&t);
	HAS_STRING(s, "url.full", "https://[::1]:8443/users/7?b=1");
	json_decref(s);
	strcpy(t.target, "http://me:secret@h.example/a?b");
	s = span_of(&t);
	HAS_STRING(s, "url.full", "http://REDACTED:REDACTED@h.example/a?b");
	json_decref(s);
	t.role = SONDE_ROLE_SERVER;
	s = span_of(&t);
	HAS_STRING(s, "url.path", "/a");
	HAS_STRING(s, "url.query", "b");
	json_decref(s);
}

static void test_unknown_method(void **state)
{
	struct txn t = a_request();
	json_t *s;

	strcpy(t.method, "BREW\xff");
	t.route[0] = '\0';
	s = span_of(&t);
	is_string(s, "name", "HTTP");
	HAS_STRING(s, "http.request.method", "_OTHER");
	HAS_STRING(s, "http.request.method_original", "BREW\xef\xbf\xbd");
	json_decref(s);
}

static void test_database(void **state)
{
	struct txn t = a_query();
	json_t *s = span_of(&t);

	is_string(s, "name", "SELECT users");
	assert_int_equal(kind_of(s), 3);
	assert_int_equal(code_of(s), 2);
	HAS_STRING(s, "db.system.name", "postgresql");
	HAS_STRING(s, "db.query.summary", "SELECT users");
	HAS_STRING(s, "db.query.text", "SELECT * FROM users WHERE id = ?");
	HAS_STRING(s, "db.operation.name", "SELECT");
	HAS_STRING(s, "db.namespace", "shop");
	HAS_STRING(s, "db.response.status_code", "42P01");
	HAS_STRING(s, "error.type", "42P01");
	HAS_STRING(s, "server.address", "10.0.0.9");
	HAS_INT(s, "server.port", "5432");
	assert_null(value_of(s, "db.response.returned_rows"));
	json_decref(s);
	t.is_rows_known = true;
	t.rows = 3;
	s = span_of(&t);
	HAS_INT(s, "db.response.returned_rows", "3");
	json_decref(s);
}

static void name_is(const struct txn *t, const char *expected)
{
	char name[SPAN_NAME_MAX];

	assert_int_equal(otlp_span_name(t, name), strlen(expected));
	assert_string_equal(name, expected);
}

static void test_names(void **state)
{
	struct txn t = a_query();

	t.summary[0] = '\0';
	name_is(&t, "SELECT shop");
	strcpy(t.collection, "users");
	name_is(&t, "SELECT users");
	t.collection[0] = t.name_space[0] = '\0';
	name_is(&t, "SELECT 10.0.0.9:5432");
	t.operation[0] = '\0';
	name_is(&t, "postgresql");
	t = a_request();
	t.route[0] = '\0';
	name_is(&t, "GET");
	t.proto = PROTO_DNS;
	strcpy(t.method, "AAAA");
	strcpy(t.target, "a.example");
	name_is(&t, "DNS AAAA");
	t.proto = PROTO_UNKNOWN;
	strcpy(t.operation, "connect");
	name_is(&t, "connect");
}

static struct otlp_spans *a_queue(size_t bytes, size_t spans)
{
	const struct otlp_spans_opts opts = { .form = OTLP_JSON,
					      .max_bytes = bytes,
					      .max_spans = spans,
					      .realtime_offset_ns = OFFSET,
					      .origin = &origin };
	struct otlp_spans *q = otlp_spans_new(&opts);

	assert_non_null(q);
	return q;
}

/* Takes one request and gives it parsed; *n: spans in it. */
static json_t *take(struct otlp_spans *q, size_t bytes, size_t max, size_t *n)
{
	struct otlp_out o;
	json_t *request;

	otlp_out_init(&o, OTLP_JSON, 0);
	*n = otlp_spans_take(q, &o, bytes, max);
	request = *n ? json_loadb((char *)o.p, o.n, JSON_REJECT_DUPLICATES, NULL) : NULL;
	assert_true(*n == 0 || request);
	otlp_out_free(&o);
	return request;
}

static json_t *first(json_t *of, const char *list)
{
	return json_array_get(json_object_get(of, list), 0);
}

static void test_grouped_by_service(void **state)
{
	struct otlp_spans *q = a_queue(1 << 20, 0);
	struct txn t = a_request();
	json_t *r, *groups, *scope;
	size_t n;

	for (int i = 0; i < 9; i++) {
		t.service = i % 3 ? &shop : &cart;
		t.trace.span_id[0] = (uint8_t)i;
		assert_int_equal(otlp_spans_add(q, &t), 0);
	}
	t.trace.is_sampled = false;
	otlp_spans_add(q, &t);
	assert_int_equal(otlp_spans_count(q), 9);
	r = take(q, SIZE_MAX, 0, &n);
	assert_int_equal(n, 9);
	groups = json_object_get(r, "resourceSpans");
	assert_int_equal(json_array_size(groups), 2);
	HAS_STRING(json_object_get(json_array_get(groups, 0), "resource"), "service.name", "cart");
	HAS_STRING(json_object_get(json_array_get(groups, 0), "resource"), "service.namespace",
		   "prod");
	HAS_STRING(json_object_get(json_array_get(groups, 1), "resource"), "service.instance.id",
		   "i-1");
	HAS_STRING(json_object_get(json_array_get(groups, 1), "resource"), "host.name", "h1");
	scope = first(json_array_get(groups, 1), "scopeSpans");
	is_string(json_object_get(scope, "scope"), "name", "sonde");
	assert_int_equal(json_array_size(json_object_get(scope, "spans")), 6);
	is_string(first(scope, "spans"), "spanId", "0100000000000002");
	json_decref(r);
	assert_int_equal(otlp_spans_count(q), 0);
	assert_int_equal(otlp_spans_bytes(q), 0);
	otlp_spans_free(q);
}

/* Spans of many sizes go round the ring many times: what is taken is what was added and not
 * dropped, in order. */
static void test_oldest_go_first(void **state)
{
	struct otlp_spans *q = a_queue(20000, 0);
	struct txn t = a_request();
	uint32_t expected = 0, at = 0;
	json_t *r, *span;
	size_t n, i;

	for (uint32_t added = 0; added < 3000; added++) {
		memset(t.target + 1, 'a', added * 7 % 900);
		t.target[1 + added * 7 % 900] = '\0';
		memcpy(t.trace.span_id, &(uint32_t){ __builtin_bswap32(added) }, 4);
		expected += (uint32_t)otlp_spans_add(q, &t);
		if (added % 13 != 5)
			continue;
		r = take(q, 4000, 3, &n);
		assert_in_range(n, 1, 3);
		json_array_foreach(
			json_object_get(first(first(r, "resourceSpans"), "scopeSpans"), "spans"), i,
			span)
		{
			at = (uint32_t)(strtoull(json_string_value(json_object_get(span, "spanId")),
						 NULL, 16) >>
					32);
			assert_int_equal(at, expected);
			expected++;
		}
		json_decref(r);
	}
	assert_int_equal(expected + otlp_spans_count(q), 3000);
	otlp_spans_free(q);
}

static void test_number_is_bounded(void **state)
{
	struct otlp_spans *q = a_queue(1 << 20, 4);
	struct otlp_spans *tiny = a_queue(100, 0);
	struct txn t = a_request();
	size_t dropped = 0;

	for (int i = 0; i < 10; i++)
		dropped += otlp_spans_add(q, &t);
	assert_int_equal(dropped, 6);
	assert_int_equal(otlp_spans_count(q), 4);
	assert_int_equal(otlp_spans_add(tiny, &t), 1);
	assert_int_equal(otlp_spans_count(tiny), 0);
	otlp_spans_free(q);
	otlp_spans_free(tiny);
}

static void put(void *ctx, const char *bytes, size_t n)
{
	struct otlp_out *o = ctx;

	memcpy(otlp_reserve(o, n), bytes, n);
	o->n += n;
}

/* A line of `n` spans is the request that the queue makes of the same, and a newline. */
static void check_line(struct otlp_lines *l, size_t n, int n_services)
{
	const struct service *services[] = { &shop, &cart };
	struct otlp_spans *q = a_queue(1 << 20, 0);
	struct otlp_out line, request;

	otlp_out_init(&line, OTLP_JSON, 0);
	otlp_out_init(&request, OTLP_JSON, 0);
	for (size_t i = 0; i < n; i++) {
		struct txn t = i % 3 ? a_request() : a_query();

		t.service = services[(i + n) / 2 % (size_t)n_services];
		t.end_ns += i;
		t.trace.is_sampled = i % 5 != 4;
		assert_int_equal(otlp_spans_add(q, &t), 0);
		assert_int_equal(otlp_lines_add(l, &t), 0);
		assert_int_equal(otlp_lines_is_full(l), otlp_spans_count(q) == OTLP_LINE_SPANS);
	}
	otlp_lines_write(l, put, &line);
	if (otlp_spans_take(q, &request, SIZE_MAX, 0))
		put(&request, "\n", 1);
	assert_int_equal(line.n, request.n);
	if (line.n)
		assert_memory_equal(line.p, request.p, request.n);
	otlp_out_free(&line);
	otlp_out_free(&request);
	otlp_spans_free(q);
}

static void test_lines(void **state)
{
	struct otlp_lines *l = otlp_lines_new(&origin, OFFSET);

	for (int n_services = 1; n_services <= 2; n_services++) {
		check_line(l, 0, n_services);
		check_line(l, 1, n_services);
		check_line(l, 7, n_services);
		check_line(l, 640, n_services); /* of five four are sampled: 512 */
	}
	otlp_lines_free(l);
	otlp_lines_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_http_server),
		cmocka_unit_test(test_http_client),
		cmocka_unit_test(test_urls),
		cmocka_unit_test(test_unknown_method),
		cmocka_unit_test(test_database),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_grouped_by_service),
		cmocka_unit_test(test_oldest_go_first),
		cmocka_unit_test(test_number_is_bounded),
		cmocka_unit_test(test_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
