/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "identity/service.h"
#include "metrics/overview.h"
#include "metrics/recent.h"

#define SECOND 1000000000ULL
#define MS     1000000ULL

static const struct service shop = { .id = 1, .name = "shop", .name_space = "eu" };
static const struct service curl = { .id = 2, .name = "curl" };
static int n_inflight, n_dark;
static uint64_t inflight_start_ns;

static void each_inflight(void *ctx, void (*fn)(void *arg, const struct conn_inflight *r),
			  void *arg)
{
	for (int i = 0; i < n_inflight; i++)
		fn(arg, &(struct conn_inflight){ .tgid = 1,
						 .proto = PROTO_HTTP1,
						 .role = SONDE_ROLE_SERVER,
						 .start_ns = inflight_start_ns + (uint64_t)i });
}

static void each_dark(void *ctx, void (*fn)(void *arg, uint32_t tgid, const char *library),
		      void *arg)
{
	for (int i = 0; i < n_dark; i++)
		fn(arg, 2, NULL);
}

static const struct service *service_of(void *ctx, uint32_t tgid)
{
	return tgid == 1 ? &shop : &curl;
}

static struct recent *open_at(uint64_t now_ns)
{
	n_inflight = n_dark = 0;
	return recent_new(&(struct recent_opts){ .now_ns = now_ns,
						 .each_inflight = each_inflight,
						 .each_dark = each_dark,
						 .service_of = service_of });
}

static struct txn a_request(enum sonde_role role, uint64_t end_ns, uint64_t ns)
{
	return (struct txn){ .service = role == SONDE_ROLE_SERVER ? &shop : &curl,
			     .other = role == SONDE_ROLE_SERVER ? NULL : &shop,
			     .proto = PROTO_HTTP1,
			     .role = role,
			     .family = SONDE_FAMILY_IPV4,
			     .start_ns = end_ns - ns,
			     .end_ns = end_ns,
			     .method = "GET",
			     .route = "/items/{id}",
			     .target = "/items/42",
			     .status = 200,
			     .request_bytes = 10,
			     .response_bytes = 100,
			     .peer = { .ip = { 10, 0, 0, 9 }, .port = 1234 } };
}

static void add(struct recent *r, const struct txn *t, int n)
{
	for (int i = 0; i < n; i++)
		recent_txn(r, t);
}

static size_t rows_of(const struct recent *r, struct recent_query q, struct recent_row **rows)
{
	ssize_t n = recent_rows(r, &q, rows);

	assert_true(n >= 0);
	return (size_t)n;
}

static void test_figures(void **state)
{
	struct recent *r = open_at(100 * SECOND);
	struct txn t = a_request(SONDE_ROLE_SERVER, 103 * SECOND, 10 * MS);
	struct recent_row *rows;

	t.waits = (struct txn_waits){ .cpu_ns = 4, .blocked_ns = TXN_WAIT_UNKNOWN };
	add(r, &t, 98);
	t = a_request(SONDE_ROLE_SERVER, 108 * SECOND, 1000 * MS);
	strcpy(t.error_type, "500");
	add(r, &t, 2);
	n_inflight = 3;
	inflight_start_ns = 107 * SECOND;
	assert_int_equal(rows_of(r, (struct recent_query){ .now_ns = 110 * SECOND }, &rows), 1);
	assert_string_equal(rows[0].name, "shop");
	assert_string_equal(rows[0].name_space, "eu");
	assert_string_equal(rows[0].protocol, "http");
	assert_int_equal(rows[0].role, SONDE_ROLE_SERVER);
	assert_int_equal(rows[0].f.count, 100);
	assert_int_equal(rows[0].f.errors, 2);
	assert_int_equal(rows[0].f.request_bytes, 1000);
	assert_int_equal(rows[0].f.response_bytes, 10000);
	assert_int_equal(rows[0].f.duration_ns, 98 * 10 * MS + 2000 * MS);
	assert_int_equal(rows[0].f.waits[WAIT_CPU], 98 * 4);
	assert_int_equal(rows[0].f.waits[WAIT_BLOCKED], 0);
	assert_true(rows[0].f.rate == 10); /* over the ten seconds there were */
	assert_true(rows[0].f.rate_now == 0.4);
	assert_true(rows[0].f.error_ratio == 0.02);
	assert_in_range(rows[0].f.p50_ns, 9780000, 10220000);
	assert_in_range(rows[0].f.p95_ns, 9780000, 10220000);
	assert_in_range(rows[0].f.p99_ns, 978000000, 1000000000);
	assert_int_equal(rows[0].f.max_ns, 1000000000);
	assert_int_equal(rows[0].f.in_flight, 3);
	assert_int_equal(rows[0].f.oldest_ns, 3 * SECOND);
	assert_int_equal(rows[0].f.idle_ns, 2 * SECOND);
	/* the last place is the last whole second */
	assert_int_equal(rows[0].f.spark[RECENT_SPARK - 2], 2);
	assert_int_equal(rows[0].f.spark[RECENT_SPARK - 7], 98);
	free(rows);
	recent_free(r);
}

static void test_window_moves(void **state)
{
	struct recent *r = open_at(1);
	struct recent_row *rows;
	struct txn t;

	for (uint64_t i = 0; i < 3000; i++) {
		t = a_request(SONDE_ROLE_SERVER, 1000 * SECOND + i * SECOND / 10,
			      (1 + i / 600) * MS);
		add(r, &t, 1);
	}
	rows_of(r, (struct recent_query){ .now_ns = 1300 * SECOND }, &rows);
	assert_int_equal(rows[0].f.count, 600);
	assert_true(rows[0].f.rate == 10 && rows[0].f.rate_now == 10);
	assert_int_equal(rows[0].f.max_ns, 5 * MS);
	for (int i = 0; i < RECENT_SPARK; i++)
		assert_int_equal(rows[0].f.spark[i], 10);
	free(rows);
	/* what is late by more than the ring is not mistaken for now */
	t = a_request(SONDE_ROLE_SERVER, 1001 * SECOND, MS);
	add(r, &t, 1);
	assert_int_equal(recent_stats(r)->left_out, 1);
	/* a minute of silence, and it is gone; its memory with the next sweep */
	recent_tick(r, 1375 * SECOND);
	rows_of(r, (struct recent_query){ .now_ns = 1375 * SECOND }, &rows);
	assert_int_equal(rows[0].f.count, 0);
	free(rows);
	recent_tick(r, 1390 * SECOND);
	assert_int_equal(recent_stats(r)->leaves, 0);
	assert_int_equal(rows_of(r, (struct recent_query){ .now_ns = 1390 * SECOND }, &rows), 0);
	free(rows);
	recent_tick(r, 1700 * SECOND);
	assert_int_equal(recent_stats(r)->services, 0);
	recent_free(r);
}

static void test_groups(void **state)
{
	struct recent *r = open_at(100 * SECOND);
	struct txn t = a_request(SONDE_ROLE_SERVER, 101 * SECOND, MS);
	struct recent_query q = { .now_ns = 102 * SECOND, .group = RECENT_BY_ENDPOINT };
	struct recent_row *rows;

	add(r, &t, 3);
	t.peer.port = 99; /* the same peer: ports of clients say nothing */
	add(r, &t, 3);
	t.peer.ip[3] = 10;
	add(r, &t, 1);
	strcpy(t.method, "POST");
	add(r, &t, 1);
	t = a_request(SONDE_ROLE_CLIENT, 101 * SECOND, MS);
	t.proto = PROTO_POSTGRES;
	strcpy(t.summary, "SELECT items");
	add(r, &t, 5);
	assert_int_equal(rows_of(r, q, &rows), 3);
	assert_string_equal(rows[0].name, "GET /items/{id}");
	assert_int_equal(rows[0].f.count, 7);
	assert_string_equal(rows[1].name, "SELECT items");
	assert_string_equal(rows[1].service, "curl");
	free(rows);
	q.service = "shop";
	assert_int_equal(rows_of(r, q, &rows), 2);
	free(rows);
	q.group = RECENT_BY_PEER;
	q.endpoint = "GET /items/{id}";
	assert_int_equal(rows_of(r, q, &rows), 2);
	assert_string_equal(rows[0].name, "10.0.0.9");
	assert_int_equal(rows[0].f.count, 6);
	assert_string_equal(rows[1].name, "10.0.0.10");
	assert_false(rows[0].is_service);
	free(rows);
	q = (struct recent_query){ .now_ns = q.now_ns,
				   .group = RECENT_BY_PEER,
				   .role = SONDE_ROLE_CLIENT };
	assert_int_equal(rows_of(r, q, &rows), 1);
	assert_string_equal(rows[0].name, "shop");
	assert_true(rows[0].is_service);
	free(rows);
	q = (struct recent_query){ .now_ns = q.now_ns, .group = RECENT_BY_PROTOCOL };
	assert_int_equal(rows_of(r, q, &rows), 2);
	assert_string_equal(rows[1].name, "postgresql");
	free(rows);
	recent_free(r);
}

/* Nothing is lost at a cap: the sums of the service are those of all that happened. */
/* What all endpoints of a service in a role say together. */
static void add_up(const struct recent_row *rows, size_t n, const struct recent_row *of,
		   struct recent_figures *sum)
{
	*sum = (struct recent_figures){ 0 };
	for (size_t i = 0; i < n; i++) {
		const struct recent_figures *f = &rows[i].f;

		if (rows[i].role != of->role || strcmp(rows[i].service, of->service) != 0)
			continue;
		sum->count += f->count;
		sum->errors += f->errors;
		sum->request_bytes += f->request_bytes;
		sum->duration_ns += f->duration_ns;
		sum->waits[WAIT_CPU] += f->waits[WAIT_CPU];
		sum->max_ns = f->max_ns > sum->max_ns ? f->max_ns : sum->max_ns;
		for (int s = 0; s < RECENT_SPARK; s++)
			sum->spark[s] += f->spark[s];
	}
}

static void compare(const struct recent *r, uint64_t now_ns, uint64_t window_ns, size_t n_services)
{
	struct recent_query q = { .now_ns = now_ns, .window_ns = window_ns };
	struct recent_row *services, *endpoints;
	size_t n = rows_of(r, q, &services), n_endpoints;

	q.group = RECENT_BY_ENDPOINT;
	n_endpoints = rows_of(r, q, &endpoints);
	assert_int_equal(n, n_services);
	for (size_t i = 0; i < n; i++) {
		const struct recent_figures *f = &services[i].f;
		struct recent_figures sum;

		add_up(endpoints, n_endpoints, &services[i], &sum);
		assert_int_equal(f->count, sum.count);
		assert_int_equal(f->errors, sum.errors);
		assert_int_equal(f->request_bytes, sum.request_bytes);
		assert_int_equal(f->duration_ns, sum.duration_ns);
		assert_int_equal(f->waits[WAIT_CPU], sum.waits[WAIT_CPU]);
		assert_int_equal(f->max_ns, sum.max_ns);
		assert_memory_equal(f->spark, sum.spark, sizeof(sum.spark));
	}
	free(endpoints);
	free(services);
}

/* A service's own sums and those of its endpoints, over minutes, a silence, and what comes late. */
static void test_services_are_their_endpoints(void **state)
{
	struct recent *r = open_at(100 * SECOND);
	uint64_t now_ns = 100 * SECOND;

	for (unsigned int i = 1; i < 4000; i++) {
		unsigned int x = i * 2654435761U;
		enum sonde_role role = x >> 30 & 1 ? SONDE_ROLE_SERVER : SONDE_ROLE_CLIENT;
		uint64_t late_ns = x >> 20 & 7 ? 0 : (x >> 10 & 127) * SECOND / 2;
		struct txn t = a_request(role, now_ns - late_ns, (x >> 8 & 1023) * MS / 10);

		snprintf(t.route, sizeof(t.route), "/items/%u", x >> 12 & 31);
		t.request_bytes = x & 255;
		t.waits.cpu_ns = x >> 4 & 1023;
		if (!(x >> 16 & 15))
			strcpy(t.error_type, "500");
		recent_txn(r, &t);
		now_ns += i == 2000 ? 50 * SECOND : (x >> 5 & 127) * MS;
		recent_tick(r, now_ns);
		if (i % 97 == 0) {
			compare(r, now_ns, 0, 2);
			compare(r, now_ns, 20 * SECOND, 2);
		}
	}
	recent_tick(r, now_ns + 100 * SECOND);
	compare(r, now_ns + 100 * SECOND, 0, 0);
	recent_free(r);
}

static void test_bounds(void **state)
{
	struct recent *r = open_at(100 * SECOND);
	struct txn t = a_request(SONDE_ROLE_SERVER, 101 * SECOND, MS);
	struct recent_query q = { .now_ns = 102 * SECOND, .group = RECENT_BY_PEER };
	struct recent_row *rows;
	size_t n;

	for (int i = 0; i < 100; i++) {
		t.peer.ip[3] = (uint8_t)i;
		add(r, &t, 1);
	}
	n = rows_of(r, q, &rows);
	assert_int_equal(n, RECENT_PEERS_MAX + 1);
	assert_string_equal(rows[0].name, RECENT_OTHER);
	assert_int_equal(rows[0].f.count, 100 - RECENT_PEERS_MAX);
	free(rows);
	for (int i = 0; i < 2 * RECENT_LEAVES_MAX; i++) {
		snprintf(t.route, sizeof(t.route), "/%d", i);
		add(r, &t, 1);
	}
	assert_true(recent_stats(r)->leaves <= RECENT_LEAVES_MAX + 1);
	q.group = RECENT_BY_ENDPOINT;
	n = rows_of(r, q, &rows);
	assert_true(n <= RECENT_LEAVES_MAX + 1);
	assert_string_equal(rows[0].name, RECENT_OTHER);
	free(rows);
	q.group = RECENT_BY_SERVICE;
	rows_of(r, q, &rows);
	assert_int_equal(rows[0].f.count, 100 + 2 * RECENT_LEAVES_MAX);
	free(rows);
	for (uint32_t i = 10; i < 10 + 2 * RECENT_SERVICES_MAX; i++) {
		struct service s = { .id = i };

		snprintf(s.name, sizeof(s.name), "s%u", i);
		t.service = &s;
		add(r, &t, 1);
	}
	assert_int_equal(recent_stats(r)->services, RECENT_SERVICES_MAX);
	assert_int_equal(recent_stats(r)->left_out, RECENT_SERVICES_MAX + 1);
	recent_free(r);
}

/* Words that somebody chose so that half of what is hashed comes to nothing: what stands before
 * them counts all the same. */
static void test_hostile_words(void **state)
{
	static const char zero[] = "\xdb\x28\xb4\xa0\xd1\x7e\x03\xe7";
	struct recent *r = open_at(100 * SECOND);
	struct txn t = a_request(SONDE_ROLE_SERVER, 103 * SECOND, MS);
	struct recent_row *rows;

	strcpy(t.route, zero);
	add(r, &t, 3);
	t.service = &curl;
	strcpy(t.error_type, "500");
	add(r, &t, 2);
	assert_int_equal(rows_of(r, (struct recent_query){ .now_ns = 110 * SECOND }, &rows), 2);
	assert_string_equal(rows[0].name, "shop");
	assert_int_equal(rows[0].f.count, 3);
	assert_int_equal(rows[0].f.errors, 0);
	assert_string_equal(rows[1].name, "curl");
	assert_int_equal(rows[1].f.count, 2);
	assert_int_equal(rows[1].f.errors, 2);
	free(rows);
	recent_free(r);
}

static void test_requests(void **state)
{
	static struct recent_request list[2 * RECENT_REQUESTS];
	struct recent *r = open_at(100 * SECOND);
	struct recent_query q = { .now_ns = 130 * SECOND };
	struct txn t;

	for (int i = 0; i < 100; i++) {
		t = a_request(SONDE_ROLE_SERVER, 105 * SECOND + (uint64_t)i * MS,
			      (uint64_t)(i * 37 % 100 + 1) * MS);
		snprintf(t.target, sizeof(t.target), "/items/%d", i);
		t.trace.trace_id[0] = (uint8_t)i;
		if (i == 99)
			strcpy(t.error_type, "503");
		add(r, &t, 1);
	}
	assert_int_equal(recent_requests(r, &q, RECENT_LATEST, list, 64), RECENT_REQUESTS);
	assert_string_equal(list[0].what, "GET /items/99");
	assert_string_equal(list[0].endpoint, "GET /items/{id}");
	assert_string_equal(list[0].service, "shop");
	assert_string_equal(list[0].peer, "10.0.0.9");
	assert_int_equal(list[0].trace_id[0], 99);
	assert_int_equal(recent_requests(r, &q, RECENT_SLOWEST, list, 64), RECENT_SLOW);
	for (uint64_t i = 0; i < RECENT_SLOW; i++)
		assert_int_equal(list[i].end_ns - list[i].start_ns, (100 - i) * MS);
	assert_int_equal(recent_requests(r, &q, RECENT_SLOWEST, list, 3), 3);
	q.errors_only = true;
	assert_int_equal(recent_requests(r, &q, RECENT_LATEST, list, 64), 1);
	q.errors_only = false;
	q.service = "curl";
	assert_int_equal(recent_requests(r, &q, RECENT_LATEST, list, 64), 0);
	/* older than a minute: not told any more, nor after the sweep took what they point to */
	q = (struct recent_query){ .now_ns = 170 * SECOND };
	assert_int_equal(recent_requests(r, &q, RECENT_LATEST, list, 64), 0);
	recent_tick(r, 200 * SECOND);
	q.now_ns = 106 * SECOND; /* a clock that goes back */
	assert_int_equal(recent_requests(r, &q, RECENT_LATEST, list, 64), 0);
	assert_int_equal(recent_requests(r, &q, RECENT_SLOWEST, list, 64), 0);
	recent_free(r);
}

static void test_health(void **state)
{
	char *const rules[] = { "curl.p95=5ms", "sh*.errors=2%" };
	struct recent *r = open_at(100 * SECOND);
	struct txn t = a_request(SONDE_ROLE_CLIENT, 101 * SECOND, 6 * MS);
	const struct overview_service *s;
	struct overview o;

	n_dark = 2;
	assert_int_equal(overview_read(&o, r, NULL, 0, 102 * SECOND), 0);
	s = overview_find(&o, "curl");
	assert_int_equal(s->health.status, HEALTH_UNKNOWN);
	assert_non_null(strstr(s->health.reasons[0], "2 encrypted"));
	overview_free(&o);
	n_dark = 0;
	add(r, &t, 10);
	t = a_request(SONDE_ROLE_SERVER, 101 * SECOND, 6 * MS);
	add(r, &t, 97);
	strcpy(t.error_type, "500");
	add(r, &t, 3);
	assert_int_equal(overview_read(&o, r, NULL, 0, 102 * SECOND), 0);
	assert_int_equal(overview_find(&o, "curl")->health.status, HEALTH_HEALTHY);
	assert_int_equal(overview_find(&o, "shop")->health.status, HEALTH_HEALTHY);
	overview_free(&o);
	assert_int_equal(overview_read(&o, r, rules, 2, 102 * SECOND), 0);
	assert_int_equal(overview_find(&o, "curl")->health.status, HEALTH_DEGRADED);
	s = overview_find(&o, "shop");
	assert_int_equal(s->health.status, HEALTH_DEGRADED);
	assert_string_equal(s->health.reasons[0], "errors 3 % (3 of 100), over 2 %");
	overview_free(&o);
	add(r, &t, 200);
	assert_int_equal(overview_read(&o, r, NULL, 0, 102 * SECOND), 0);
	assert_int_equal(overview_find(&o, "shop")->health.status, HEALTH_UNHEALTHY);
	s = overview_find(&o, "curl");
	assert_int_equal(s->health.status, HEALTH_DEGRADED);
	assert_non_null(strstr(s->health.reasons[0], "dependency shop is unhealthy"));
	overview_free(&o);
	recent_free(r);
}

static void test_health_stuck_and_saturated(void **state)
{
	struct recent *r = open_at(100 * SECOND);
	struct txn t = a_request(SONDE_ROLE_SERVER, 101 * SECOND, 10 * MS);
	const struct overview_service *s;
	struct overview o;

	t.waits.runqueue_ns = 1100000;
	add(r, &t, 1);
	n_inflight = 1;
	inflight_start_ns = 101 * SECOND;
	assert_int_equal(overview_read(&o, r, NULL, 0, 130 * SECOND), 0);
	s = overview_find(&o, "shop");
	assert_int_equal(s->health.status, HEALTH_DEGRADED);
	assert_int_equal(s->health.n, 1);
	assert_string_equal(s->health.reasons[0],
			    "saturated: 11 % of the request time ready without a CPU, over 10 %");
	overview_free(&o);
	assert_int_equal(overview_read(&o, r, NULL, 0, 132 * SECOND), 0);
	assert_int_equal(overview_find(&o, "shop")->health.status, HEALTH_UNHEALTHY);
	overview_free(&o);
	/* another one ended meanwhile: it is slow, not stuck */
	t = a_request(SONDE_ROLE_SERVER, 125 * SECOND, 10 * MS);
	add(r, &t, 1);
	assert_int_equal(overview_read(&o, r, NULL, 0, 132 * SECOND), 0);
	assert_int_equal(overview_find(&o, "shop")->health.status, HEALTH_HEALTHY);
	overview_free(&o);
	t = a_request(SONDE_ROLE_SERVER, 126 * SECOND, 20 * MS);
	t.waits.throttled_ns = 10 * MS;
	add(r, &t, 1);
	assert_int_equal(overview_read(&o, r, NULL, 0, 132 * SECOND), 0);
	s = overview_find(&o, "shop");
	assert_int_equal(s->health.status, HEALTH_DEGRADED);
	assert_int_equal(s->health.n, 1);
	assert_string_equal(
		s->health.reasons[0],
		"saturated: 25 % of the request time throttled by its CPU quota, over 10 %");
	overview_free(&o);
	recent_free(r);
}

static void test_rules(void **state)
{
	static const char *const wrong[] = { "errors",	    "errors=5", "errors=101%", "p95=0",
					     "shop.p96=1s", "p95=fast", "=5%",	       "errors=%" };
	char *const rules[] = { "p95=2s", "com.shop.*.stuck=1m", "saturation=12.5%" };
	char expected[256];
	struct health_limits l;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_not_equal(health_check_rule(wrong[i], expected, sizeof(expected)), 0);
	health_check_rule("shop.p96=1s", expected, sizeof(expected));
	assert_non_null(strstr(expected, "did you mean p95?"));
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(health_check_rule(rules[i], expected, sizeof(expected)), 0);
	l = health_limits(rules, 3, "com.shop.Cart");
	assert_int_equal(l.p95_ns, 2 * SECOND);
	assert_int_equal(l.stuck_ns, 60 * SECOND);
	assert_true(l.saturation == 0.125 && l.errors == 0.05);
	l = health_limits(rules, 3, "other");
	assert_int_equal(l.stuck_ns, 30 * SECOND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_figures), cmocka_unit_test(test_window_moves),
		cmocka_unit_test(test_groups),	cmocka_unit_test(test_services_are_their_endpoints),
		cmocka_unit_test(test_bounds),	cmocka_unit_test(test_requests),
		cmocka_unit_test(test_health),	cmocka_unit_test(test_health_stuck_and_saturated),
		cmocka_unit_test(test_rules),	cmocka_unit_test(test_hostile_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
