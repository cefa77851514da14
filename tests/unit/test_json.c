/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include "export/json.h"
#include "util/clock.h"
#include "identity/process.h"

/* 2026-11-21T06:15:11.123456789Z */
#define WALL_NS 1795241711123456789ULL
#define MONO_NS 5000000000ULL
#define OFFSET	((int64_t)(WALL_NS - MONO_NS))

static const struct service shop = { .id = 1, .name = "shop" };

static struct txn a_request(void)
{
	return (struct txn){
		.start_ns = MONO_NS,
		.end_ns = MONO_NS + 1234567,
		.request_bytes = 78,
		.response_bytes = 612,
		.tgid = 4242,
		.tid = 4243,
		.status = 200,
		.proto = PROTO_HTTP1,
		.role = SONDE_ROLE_SERVER,
		.family = SONDE_FAMILY_IPV4,
		.waits = { .receive_queue_ns = 1000,
			   .runqueue_ns = TXN_WAIT_UNKNOWN,
			   .cpu_ns = TXN_WAIT_UNKNOWN,
			   .blocked_ns = TXN_WAIT_UNKNOWN,
			   .throttled_ns = TXN_WAIT_UNKNOWN,
			   .downstream_ns = TXN_WAIT_UNKNOWN,
			   .unknown_ns = 1233567 },
		.service = &shop,
		.comm = "nginx",
		.version = "1.1",
		.method = "GET",
		.route = "/a",
		.target = "/a?b=1",
		.local = { .ip = { 127, 0, 0, 1 }, .port = 80 },
		.peer = { .ip = { 127, 0, 0, 1 }, .port = 51234 },
	};
}

static struct txn a_failed_connect(void)
{
	struct txn t = a_request();

	t.proto = PROTO_UNKNOWN;
	t.role = SONDE_ROLE_CLIENT;
	t.status = 0;
	t.method[0] = t.target[0] = t.route[0] = t.version[0] = '\0';
	strcpy(t.operation, "connect");
	strcpy(t.error_type, "refused");
	return t;
}

/* The line as a JSON object; the sanitizer sees a byte written too many. */
static json_t *line_of(const struct txn *t)
{
	char *out = malloc(TXN_JSON_MAX);
	size_t n = txn_json(t, OFFSET, out, TXN_JSON_MAX);
	json_error_t err;
	json_t *o;

	assert_in_range(n, 1, TXN_JSON_MAX);
	assert_null(memchr(out, '\n', n));
	o = json_loadb(out, n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &err);
	if (!o)
		fail_msg("%s: %.*s", err.text, (int)n, out);
	free(out);
	return o;
}

static void expect_str(struct txn t, const char *key, const char *want)
{
	json_t *o = line_of(&t);

	assert_string_equal(json_string_value(json_object_get(o, key)), want);
	json_decref(o);
}

static void test_words_of_the_contract(void **state)
{
	static const char want[] =
		"{\"time\":\"2026-11-21T06:15:11.123456789Z\","
		"\"time_unix_nano\":1795241711123456789,\"duration_ns\":1234567,"
		"\"protocol\":\"http\",\"version\":\"1.1\",\"role\":\"server\",\"service\":"
		"\"shop\","
		"\"pid\":4242,\"tid\":4243,\"comm\":\"nginx\","
		"\"local\":\"127.0.0.1:80\",\"peer\":\"127.0.0.1:51234\",\"tls\":false,"
		"\"method\":\"GET\",\"target\":\"/a?b=1\",\"route\":\"/a\",\"status\":200,"
		"\"request_id\":\"7f-1\",\"request_bytes\":78,\"response_bytes\":612,"
		"\"waits_ns\":{\"receive_queue\":1000,\"runqueue\":null,\"cpu\":null,"
		"\"blocked\":null,\"throttled\":null,\"downstream\":null,\"unknown\":1233567},"
		"\"blocked_on\":null,\"shared\":false,"
		"\"trace_id\":null,\"span_id\":null,\"parent_span_id\":null,\"parent\":"
		"\"unknown\"}";
	char out[TXN_JSON_MAX];
	struct txn t = a_request();
	size_t n;

	strcpy(t.request_id, "7f-1");
	n = txn_json(&t, OFFSET, out, sizeof(out));
	out[n] = '\0';
	assert_string_equal(out, want);
}

static void test_blocked_on(void **state)
{
	struct txn t = a_request();
	json_t *o, *on;

	t.waits.blocked_ns = 1000000;
	t.waits.shared = true;
	t.waits.blocked_on = (struct txn_blocked_on){ .is_known = true,
						      .disk_ns = 5,
						      .lock_ns = 6,
						      .network_ns = 7,
						      .fault_ns = 8,
						      .retransmit_ns = TXN_WAIT_UNKNOWN };
	o = line_of(&t);
	on = json_object_get(o, "blocked_on");
	assert_int_equal(json_object_size(on), 5);
	assert_int_equal(json_integer_value(json_object_get(on, "disk")), 5);
	assert_int_equal(json_integer_value(json_object_get(on, "lock")), 6);
	assert_int_equal(json_integer_value(json_object_get(on, "network")), 7);
	assert_int_equal(json_integer_value(json_object_get(on, "fault")), 8);
	assert_true(json_is_null(json_object_get(on, "retransmit")));
	assert_true(json_is_true(json_object_get(o, "shared")));
	json_decref(o);
}

static void test_failed_connect(void **state)
{
	static const char *const absent[] = { "method", "target", "route", "status", "version" };
	struct txn t = a_failed_connect();
	json_t *o = line_of(&t);

	assert_string_equal(json_string_value(json_object_get(o, "protocol")), "tcp");
	assert_string_equal(json_string_value(json_object_get(o, "operation")), "connect");
	assert_string_equal(json_string_value(json_object_get(o, "error_type")), "refused");
	assert_string_equal(json_string_value(json_object_get(o, "role")), "client");
	for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++)
		assert_null(json_object_get(o, absent[i]));
	json_decref(o);
}

static void test_words_of_databases(void **state)
{
	static const char want[] =
		"\"system\":\"postgresql\",\"operation\":\"SELECT\",\"namespace\":\"shop\","
		"\"query\":\"SELECT * FROM songs WHERE id = ?\",\"summary\":\"SELECT songs\","
		"\"status\":null,\"rows\":7,\"request_bytes\":78";
	char out[TXN_JSON_MAX];
	struct txn t = a_request();
	size_t n;

	t.proto = PROTO_POSTGRES;
	t.status = 0;
	t.method[0] = t.target[0] = t.route[0] = t.version[0] = '\0';
	strcpy(t.system, "postgresql");
	strcpy(t.operation, "SELECT");
	strcpy(t.name_space, "shop");
	strcpy(t.query, "SELECT * FROM songs WHERE id = ?");
	strcpy(t.summary, "SELECT songs");
	t.rows = 7;
	t.is_rows_known = true;
	n = txn_json(&t, OFFSET, out, sizeof(out) - 1);
	out[n] = '\0';
	assert_non_null(strstr(out, want));
	assert_null(strstr(out, "collection"));
	strcpy(t.status_text, "42P01");
	strcpy(t.error_type, "42P01");
	t.query[0] = t.name_space[0] = '\0';
	t.is_rows_known = false;
	n = txn_json(&t, OFFSET, out, sizeof(out) - 1);
	out[n] = '\0';
	assert_non_null(strstr(out, "\"namespace\":null,\"query\":null,"));
	assert_non_null(strstr(out, "\"status\":\"42P01\",\"rows\":null,\"error_type\":\"42P01\""));
}

static void test_absent_and_null(void **state)
{
	struct txn t = a_request();
	json_t *o = line_of(&t);

	assert_null(json_object_get(o, "error_type"));
	assert_null(json_object_get(o, "request_id"));
	assert_null(json_object_get(o, "operation"));
	json_decref(o);

	t.status = 0;
	t.route[0] = '\0';
	t.family = SONDE_FAMILY_NONE;
	t.is_tls = t.waits.shared = true;
	t.end_ns = t.start_ns - 1; /* clocks of two processors: never a negative time */
	o = line_of(&t);
	assert_true(json_is_null(json_object_get(o, "status")));
	assert_true(json_is_null(json_object_get(o, "local")));
	assert_true(json_is_null(json_object_get(o, "peer")));
	assert_null(json_object_get(o, "route"));
	assert_true(json_is_true(json_object_get(o, "tls")));
	assert_true(json_is_true(json_object_get(o, "shared")));
	assert_int_equal(json_integer_value(json_object_get(o, "duration_ns")), 0);
	json_decref(o);
}

static void test_addresses(void **state)
{
	struct txn t = a_request();

	t.family = SONDE_FAMILY_IPV6;
	t.local = (struct sonde_addr){ .ip = { [15] = 1 }, .port = 80 };
	t.peer = (struct sonde_addr){ .ip = { [10] = 0xff, 0xff, 10, 0, 0, 255 }, .port = 65535 };
	expect_str(t, "local", "[::1]:80");
	expect_str(t, "peer", "10.0.0.255:65535");
	t.local = (struct sonde_addr){ .ip = { 0x20, 1, 0xd, 0xb8, [15] = 0x42 }, .port = 8080 };
	expect_str(t, "local", "[2001:db8::42]:8080");

	t.family = SONDE_FAMILY_UNIX;
	memcpy(t.unix_path, "/run/a.sock", 12);
	t.unix_path_len = 12;
	expect_str(t, "local", "unix:/run/a.sock");
	expect_str(t, "peer", "unix:");
	t.role = SONDE_ROLE_CLIENT;
	expect_str(t, "local", "unix:");
	expect_str(t, "peer", "unix:/run/a.sock");
	memcpy(t.unix_path, "\0bus", 4);
	t.unix_path_len = 4;
	expect_str(t, "peer", "unix:@bus");
	t.unix_path_len = 0;
	expect_str(t, "peer", "unix:");
	memset(t.unix_path, 'p', sizeof(t.unix_path));
	t.unix_path_len = UINT32_MAX;
	expect_str(t, "local", "unix:");
	t.role = SONDE_ROLE_SERVER;
	json_decref(line_of(&t));
}

/* Every string field full of every byte: valid JSON, the whole of it, and it fits. */
static void test_hostile_strings(void **state)
{
	for (int c = 1; c < 256; c++) {
		struct service s = { .id = 1 };
		struct txn t = a_request();
		json_t *o;

		memset(s.name, c, sizeof(s.name) - 1);
		t.service = &s;
		memset(t.comm, c, sizeof(t.comm) - 1);
		memset(t.version, c, sizeof(t.version) - 1);
		memset(t.method, c, sizeof(t.method) - 1);
		memset(t.route, c, sizeof(t.route) - 1);
		memset(t.target, c, sizeof(t.target) - 1);
		memset(t.request_id, c, sizeof(t.request_id) - 1);
		memset(t.error_type, c, sizeof(t.error_type) - 1);
		memset(t.unix_path, c, SONDE_UNIX_PATH_LEN);
		t.unix_path_len = SONDE_UNIX_PATH_LEN;
		t.family = SONDE_FAMILY_UNIX;
		o = line_of(&t);
		if (c < 0x80) {
			assert_string_equal(json_string_value(json_object_get(o, "target")),
					    t.target);
			assert_string_equal(json_string_value(json_object_get(o, "service")),
					    s.name);
		} else {
			assert_int_equal(json_string_length(json_object_get(o, "target")),
					 3 * (sizeof(t.target) - 1));
		}
		json_decref(o);
	}
}

static void test_keeps_utf8(void **state)
{
	struct txn t = a_request();

	strcpy(t.target, "/caf\xc3\xa9/\xf0\x9f\x98\x80\"\\\t");
	expect_str(t, "target", "/caf\xc3\xa9/\xf0\x9f\x98\x80\"\\\t");
	strcpy(t.target, "/cut\xf0\x9f\x98");
	expect_str(t, "target", "/cut\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
}

static void test_too_small_a_buffer(void **state)
{
	struct txn t = a_request();
	char out[TXN_JSON_MAX];
	size_t whole = txn_json(&t, OFFSET, out, sizeof(out));

	for (size_t size = 0; size <= whole; size++) {
		char *small = malloc(size ? size : 1);
		size_t n = txn_json(&t, OFFSET, small, size);

		assert_int_equal(n, size < whole ? 0 : whole);
		assert_true(txn_text(&t, OFFSET, small, size) <= size);
		free(small);
	}
}

static void expect_text(const struct txn *t, const char *want)
{
	char *out = malloc(TXN_JSON_MAX);
	size_t n = txn_text(t, OFFSET, out, TXN_JSON_MAX - 1);

	out[n] = '\0';
	assert_string_equal(out, want);
	free(out);
}

/* Characters of two columns take their room. */
static void test_text_of_wide_names(void **state)
{
	static const struct service wide = { .id = 1, .name = "在庫🛒" };
	struct txn t = a_request();

	t.service = &wide;
	expect_text(&t, "06:15:11.123 在庫🛒           server GET /a?b=1  200  1.23 ms  "
			"78 B in 612 B out");
}

static void test_text(void **state)
{
	struct txn t = a_request();

	expect_text(&t, "06:15:11.123 shop             server GET /a?b=1  200  1.23 ms  "
			"78 B in 612 B out");
	t.role = SONDE_ROLE_CLIENT;
	t.response_bytes = 5000000;
	t.status = 0;
	t.end_ns = t.start_ns + 30 * NS_PER_S;
	strcpy(t.error_type, "connection_reset");
	expect_text(&t, "06:15:11.123 shop             client GET /a?b=1  -  30 s  "
			"78 B out 5 MB in  127.0.0.1:51234  connection_reset");
	t = a_failed_connect();
	t.end_ns = t.start_ns + 999999;
	expect_text(&t, "06:15:11.123 shop             client connect  -  1 ms  "
			"127.0.0.1:51234  refused");
	t = a_request();
	strcpy(t.target, "/\x1b[31m\xc2\x9b\xff\xc3\xa9");
	expect_text(&t, "06:15:11.123 shop             server GET /\\x1b[31m\\xc2\\x9b\\xff\xc3\xa9"
			"  200  1.23 ms  78 B in 612 B out");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words_of_the_contract),
		cmocka_unit_test(test_blocked_on),
		cmocka_unit_test(test_failed_connect),
		cmocka_unit_test(test_words_of_databases),
		cmocka_unit_test(test_absent_and_null),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_hostile_strings),
		cmocka_unit_test(test_keeps_utf8),
		cmocka_unit_test(test_too_small_a_buffer),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_text_of_wide_names),
	};

	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
