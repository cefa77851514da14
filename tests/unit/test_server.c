/* SPDX-License-Identifier: Apache-2.0 */
/* The server in a loop like the program's, asked by sockets of this same thread. */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>
#include "export/prometheus.h"
#include "export/server.h"
#include "export/status.h"
#include "identity/process.h"

enum { ANSWER_MAX = 8 << 20 };

struct fixture {
	struct server *server;
	struct series_store *store;
	bool is_ready;
};

static bool is_ready(void *ctx)
{
	return ((struct fixture *)ctx)->is_ready;
}

static struct series_store *metrics(void *ctx)
{
	return ((struct fixture *)ctx)->store;
}

static char *status(void *ctx)
{
	static const struct self self = {
		.is_live = true,
		.tier = PROBE_TIER_SOCKET,
		.n_programs = 1,
		.programs = { { .name = "p", .hook = "h", .gives = "g", .reason = "why not" } },
		.losses.n[LOSS_PARSE_ERROR] = 3,
		.conns.bytes_observed = { 10, 90 },
		.conns.bytes_attributed = { 0, 80 },
		.conns.encrypted = 2,
	};
	struct fixture *f = ctx;

	return status_json(&self, f->store, f->is_ready, "1.2.3", "abc");
}

static char *map(void *ctx)
{
	return strdup("{\"edges\":[]}");
}

static char *trace(void *ctx, const char *trace_id)
{
	return trace_id[0] == 'a' ? strdup("{\"spans\":[]}") : NULL;
}

static char *services(void *ctx, const struct server_query *q)
{
	return strdup(q->is_grouped ? "rows" : "{\"services\":[]}");
}

static char *service(void *ctx, const char *name)
{
	return strcmp(name, "a shop/eu") == 0 ? strdup("{\"name\":\"a shop/eu\"}") : NULL;
}

static char *requests(void *ctx, const struct server_query *q)
{
	char text[256];

	snprintf(text, sizeof(text), "%s %d %zu", q->service ? q->service : "-", q->errors_only,
		 q->max);
	return strdup(text);
}

static void open_on(struct fixture *f, const char *addr)
{
	const struct status_source source = {
		.ctx = f,
		.is_ready = is_ready,
		.metrics = metrics,
		.status = status,
		.services = services,
		.service = service,
		.requests = requests,
		.map = map,
		.trace = trace,
	};
	char err[256];

	*f = (struct fixture){ .store = series_store_new(0), .is_ready = true };
	series_get(f->store, METRIC_EVENTS_LOST, NULL, &SLICE("ring_full"), 1);
	assert_int_equal(server_open(&f->server, addr, 0, &source, NULL, err, sizeof(err)), 0);
}

static void close_fixture(struct fixture *f)
{
	server_close(f->server);
	series_store_free(f->store);
}

static int dial(const struct fixture *f)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(server_port(f->server)) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_true(connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 || errno == EINPROGRESS);
	return fd;
}

/* One turn of the loop: up to 20 ms. */
static void turn(const struct fixture *f, int fd, short events)
{
	struct pollfd p[] = { { server_epoll_fd(f->server), POLLIN, 0 }, { fd, events, 0 } };
	int timeout_ms = server_timeout_ms(f->server);

	poll(p, fd < 0 ? 1 : 2, timeout_ms < 0 || timeout_ms > 20 ? 20 : timeout_ms);
	server_run(f->server);
}

/* Sends and reads to the end of the connection, or for a second. Returns the length. */
static size_t talk(const struct fixture *f, const char *request, size_t n, char *out)
{
	size_t sent = 0, got = 0;
	int fd = dial(f);

	for (int i = 0; i < 100000; i++) {
		ssize_t res = sent < n ? send(fd, request + sent, n - sent, MSG_NOSIGNAL) : 0;

		sent += res > 0 ? (size_t)res : 0;
		turn(f, fd, sent < n ? POLLIN | POLLOUT : POLLIN);
		res = recv(fd, out + got, ANSWER_MAX - got - 1, 0);
		if (res == 0 || (res < 0 && errno != EAGAIN && errno != ENOTCONN))
			break;
		got += res > 0 ? (size_t)res : 0;
	}
	close(fd);
	out[got] = '\0';
	return got;
}

static char *ask(const struct fixture *f, const char *request)
{
	static char out[ANSWER_MAX];

	talk(f, request, strlen(request), out);
	return out;
}

static int code(const char *answer)
{
	return strncmp(answer, "HTTP/1.", 7) == 0 ? atoi(answer + 9) : 0;
}

static const char *body(const char *answer)
{
	const char *end = strstr(answer, "\r\n\r\n");

	return end ? end + 4 : "";
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"

static void test_paths(void **state)
{
	struct fixture f;

	open_on(&f, "127.0.0.1");
	assert_int_equal(code(ask(&f, GET("/healthz"))), 200);
	assert_int_equal(code(ask(&f, GET("/livez"))), 200);
	assert_int_equal(code(ask(&f, GET("/readyz"))), 200);
	assert_int_equal(code(ask(&f, GET("/readyz?verbose"))), 200);
	f.is_ready = false;
	assert_int_equal(code(ask(&f, GET("/readyz"))), 503);
	assert_int_equal(code(ask(&f, GET("/healthz"))), 200);
	assert_int_equal(code(ask(&f, GET("/"))), 404);
	assert_non_null(strstr(ask(&f, GET("/")), "/metrics"));
	assert_int_equal(code(ask(&f, GET("/metrics/"))), 404);
	assert_int_equal(code(ask(&f, GET("/metrics%00"))), 404);
	assert_int_equal(code(ask(&f, GET("/../metrics"))), 404);
	close_fixture(&f);
}

static void test_services_and_requests(void **state)
{
	struct fixture f;

	open_on(&f, "127.0.0.1");
	assert_string_equal(body(ask(&f, GET("/api/v1/services"))), "{\"services\":[]}");
	assert_string_equal(body(ask(&f, GET("/api/v1/services?group=peer&role=client"))), "rows");
	assert_int_equal(code(ask(&f, GET("/api/v1/services?group=pear"))), 400);
	assert_int_equal(code(ask(&f, GET("/api/v1/services?role=both"))), 400);
	assert_int_equal(code(ask(&f, GET("/api/v1/services/"))), 404);
	assert_int_equal(code(ask(&f, GET("/api/v1/services/shop"))), 404);
	assert_int_equal(code(ask(&f, GET("/api/v1/services/a%20shop%2Feu"))), 200);
	assert_string_equal(body(ask(&f, GET("/api/v1/requests"))), "- 0 50");
	assert_string_equal(body(ask(&f, GET("/api/v1/requests?limit=1000&service=a%20b&"
					     "errors=true"))),
			    "a b 1 1000");
	assert_int_equal(code(ask(&f, GET("/api/v1/requests?limit=0"))), 400);
	assert_int_equal(code(ask(&f, GET("/api/v1/requests?limit=1001"))), 400);
	assert_int_equal(code(ask(&f, GET("/api/v1/requests?limit=-1"))), 400);
	assert_int_equal(code(ask(&f, GET("/api/v1/requests?limit=5x"))), 400);
	assert_int_equal(code(ask(&f, GET("/api/v1/requests?limit"))), 200);
	assert_int_equal(code(ask(&f, GET("/api/v1/requests?errors=yes"))), 400);
	assert_int_equal(code(ask(&f, GET("/api/v1/requests/"))), 404);
	/* what is misspelt would be all there is */
	assert_int_equal(code(ask(&f, GET("/api/v1/requests?servce=shop"))), 400);
	assert_int_equal(code(ask(&f, GET("/api/v1/requests?service=shop&rol=server"))), 400);
	assert_int_equal(code(ask(&f, GET("/api/v1/requests?"))), 200);
	assert_int_equal(code(ask(&f, GET("/api/v1/requests?=1"))), 400);
	assert_string_equal(body(ask(&f, GET("/api/v1/services?limit=5"))),
			    "the arguments here are group service endpoint peer role errors\n");
	assert_string_equal(body(ask(&f, GET("/api/v1/map?service=shop"))),
			    "there are no arguments here\n");
	assert_int_equal(code(ask(&f, GET("/metrics?x=1"))), 200);
	/* these choose among rows */
	assert_int_equal(code(ask(&f, GET("/api/v1/services?service=shop"))), 400);
	assert_int_equal(code(ask(&f, GET("/api/v1/services?errors=true"))), 400);
	assert_int_equal(code(ask(&f, GET("/api/v1/services?errors=true&group=peer"))), 200);
	close_fixture(&f);
}

static void test_methods(void **state)
{
	struct fixture f;
	const char *a;

	open_on(&f, "127.0.0.1");
	a = ask(&f, "POST /metrics HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
		    "Content-Length: 3\r\n\r\nabc");
	assert_int_equal(code(a), 405);
	assert_non_null(strstr(a, "\r\nAllow: GET, HEAD\r\n"));
	assert_int_equal(code(ask(&f, "DELETE /api/v1/status HTTP/1.1\r\nHost: h\r\n"
				      "Connection: close\r\n\r\n")),
			 405);
	assert_int_equal(
		code(ask(&f, "BREW /pot HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")), 404);
	a = ask(&f, "HEAD /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
	assert_int_equal(code(a), 200);
	assert_string_equal(body(a), "");
	a = ask(&f, "HEAD /metrics HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
	assert_int_equal(code(a), 200);
	assert_string_equal(body(a), "");
	close_fixture(&f);
}

static void test_malformed_and_oversized(void **state)
{
	static char big[256 * 1024];
	struct fixture f;

	open_on(&f, "127.0.0.1");
	assert_int_equal(code(ask(&f, "GET /healthz\r\n\r\n\r\n")), 400);
	assert_int_equal(code(ask(&f, "GET /healthz HTTP/1.1\r\n\r\n")), 400); /* no Host */
	assert_int_equal(
		code(ask(&f, "GET /metrics HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n")),
		400);
	assert_int_equal(code(ask(&f, "GET /metrics HTTP/1.1\r\nHost: h\r\n"
				      "Content-Length: 1000000\r\n\r\n")),
			 413);
	assert_int_equal(code(ask(&f, "GET /metrics HTTP/1.1\r\nHost: h\r\n"
				      "Content-Length: 0\r\nContent-Length: 1\r\n\r\n")),
			 400);
	assert_int_equal(code(ask(&f, "GET /metrics HTTP/1.1\r\nHost: h\r\n"
				      "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n")),
			 413);
	assert_int_equal(code(ask(&f, "GET http://h:1/healthz HTTP/1.1\r\nHost: h\r\n\r\n")), 200);
	assert_int_equal(code(ask(&f, "GET http://h HTTP/1.1\r\nHost: h\r\n\r\n")), 404);
	/* a small body is nobody's business */
	assert_int_equal(code(ask(&f, "GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
				      "Content-Length: 3\r\n\r\nabc")),
			 200);
	/* what is read whole, and too long all the same */
	memset(big, 'x', sizeof(big) - 1);
	memcpy(big, "GET /metrics", 12);
	strcpy(big + SERVER_HEAD_MAX, " HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_int_equal(code(ask(&f, big)), 431);
	memcpy(big, "GET /healthz HTTP/1.1\r\nHost: h\r\nX:", 34);
	strcpy(big + SERVER_HEAD_MAX - 4, "\r\n\r\n");
	assert_int_equal(code(ask(&f, big)), 200);
	memset(big, 'x', sizeof(big) - 1);
	memcpy(big, "GET /metrics HTTP/1.1\r\nX: ", 26);
	assert_int_equal(code(ask(&f, big)), 431);
	memset(big, 'x', sizeof(big) - 1);
	memcpy(big, "GET /", 5);
	assert_int_equal(code(ask(&f, big)) / 100, 4);
	/* and it lives */
	assert_int_equal(code(ask(&f, GET("/healthz"))), 200);
	close_fixture(&f);
}

static void test_formats(void **state)
{
	struct fixture f;
	const char *a;

	open_on(&f, "127.0.0.1");
	a = ask(&f, GET("/metrics"));
	assert_int_equal(code(a), 200);
	assert_non_null(strstr(a, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
	assert_non_null(strstr(a, "sonde_events_lost_total{reason=\"ring_full\"} 0\n"));
	assert_null(strstr(a, "# EOF"));
	a = ask(&f, "GET /metrics HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
		    "Accept: application/openmetrics-text;version=1.0.0,*/*;q=0.1\r\n\r\n");
	assert_non_null(strstr(a, "Content-Type: application/openmetrics-text; version=1.0.0; "
				  "charset=utf-8\r\n"));
	assert_non_null(strstr(a, "# EOF\n"));
	/* garbage: an exposition all the same, and it says so */
	a = ask(&f, "GET /metrics HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
		    "Accept: \xff;;q=,\"\r\n\r\n");
	assert_int_equal(code(a), 200);
	assert_non_null(strstr(a, "# nothing this server has is in the Accept header"));
	assert_non_null(strstr(a, "sonde_events_lost_total{reason=\"ring_full\"} 0\n"));
	close_fixture(&f);
}

static char *whole(struct fixture *f, size_t *n)
{
	struct prom *p = prom_open(f->store, PROM_TEXT, NULL);
	char *text = malloc(ANSWER_MAX);

	*n = (size_t)prom_read(p, text, ANSWER_MAX);
	assert_true(*n < ANSWER_MAX);
	prom_close(p);
	return text;
}

static void fill(struct fixture *f, int n)
{
	struct service s = { .id = 1, .name = "shop" };

	for (int i = 0; i < n; i++) {
		char route[32];
		struct slice v[METRIC_LABELS_MAX] = { SLICE("GET"), { 0 } };

		v[1] = (struct slice){ (uint8_t *)route,
				       (size_t)snprintf(route, sizeof(route), "/%d", i) };
		hist_record(&series_get(f->store, METRIC_HTTP_SERVER_DURATION, &s, v, 1)->hist, 1);
	}
}

/* A large scrape leaves in many pieces; together they are the exposition. HTTP/1.0: no chunks. */
static void test_large_scrape(void **state)
{
	static char out[ANSWER_MAX];
	static const char request[] = "GET /metrics HTTP/1.0\r\n\r\n";
	struct fixture f;
	size_t n, want;
	char *text;

	open_on(&f, "127.0.0.1");
	fill(&f, 1000);
	text = whole(&f, &want);
	assert_true(want > 1 << 20);
	n = talk(&f, request, strlen(request), out);
	n -= (size_t)(body(out) - out);
	assert_int_equal(n, want);
	assert_memory_equal(body(out), text, n);
	free(text);
	close_fixture(&f);
}

static void test_gzip(void **state)
{
	static char out[ANSWER_MAX], back[ANSWER_MAX];
	static const char request[] = "GET /metrics HTTP/1.0\r\nAccept-Encoding: gzip\r\n\r\n";
	z_stream z = { .next_out = (Bytef *)back, .avail_out = sizeof(back) };
	struct fixture f;
	size_t n, want;
	char *text;

	open_on(&f, "127.0.0.1");
	fill(&f, 1000);
	text = whole(&f, &want);
	n = talk(&f, request, strlen(request), out);
	assert_non_null(strstr(out, "Content-Encoding: gzip\r\n"));
	z.next_in = (Bytef *)body(out);
	z.avail_in = (uInt)(n - (size_t)(body(out) - out));
	assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
	assert_int_equal(z.total_out, want);
	assert_memory_equal(back, text, want);
	inflateEnd(&z);
	free(text);
	close_fixture(&f);
}

static void test_client_that_leaves(void **state)
{
	struct fixture f;

	open_on(&f, "127.0.0.1");
	fill(&f, 1000);
	for (int i = 0; i < 5; i++) {
		int fd = dial(&f);
		char some[100];

		turn(&f, fd, POLLOUT);
		assert_true(send(fd, GET("/metrics"), strlen(GET("/metrics")), 0) > 0);
		while (recv(fd, some, sizeof(some), 0) <= 0)
			turn(&f, fd, POLLIN);
		close(fd);
		turn(&f, -1, 0);
	}
	assert_int_equal(code(ask(&f, GET("/healthz"))), 200);
	close_fixture(&f);
}

static void test_connections_are_bounded(void **state)
{
	struct fixture f;
	int fds[SERVER_CONNECTIONS_MAX + 1], last;
	char some[256];

	open_on(&f, "127.0.0.1");
	for (int i = 0; i <= SERVER_CONNECTIONS_MAX; i++) {
		fds[i] = dial(&f);
		turn(&f, -1, 0);
	}
	last = fds[SERVER_CONNECTIONS_MAX];
	assert_true(send(last, GET("/healthz"), strlen(GET("/healthz")), 0) > 0);
	for (int i = 0; i < 10; i++)
		turn(&f, -1, 0);
	assert_true(recv(last, some, sizeof(some), 0) <= 0); /* no room: it waits, or is refused */
	for (int i = 0; i < SERVER_CONNECTIONS_MAX; i++)
		close(fds[i]);
	close(last);
	for (int i = 0; i < 10; i++)
		turn(&f, -1, 0);
	assert_int_equal(code(ask(&f, GET("/healthz"))), 200);
	close_fixture(&f);
}

static void test_status(void **state)
{
	struct fixture f;
	json_t *root;
	const char *name, *reason, *state_of;
	json_int_t lost, observed, attributed, encrypted;
	int ready, attached;

	open_on(&f, "127.0.0.1");
	root = json_loads(body(ask(&f, GET("/api/v1/status"))), 0, NULL);
	assert_non_null(root);
	assert_int_equal(json_unpack(root, "{s:s, s:b, s:[{s:s, s:b, s:s}], s:{s:I}, s:{s:I, s:I}}",
				     "tier", &state_of, "ready", &ready, "hooks", "program", &name,
				     "attached", &attached, "reason", &reason, "lost", "total",
				     &lost, "coverage", "bytes_observed", &observed,
				     "bytes_attributed", &attributed),
			 0);
	assert_string_equal(state_of, "socket");
	assert_true(ready);
	assert_false(attached);
	assert_string_equal(reason, "why not");
	assert_int_equal(lost, 3);
	assert_int_equal(observed, 100);
	assert_int_equal(attributed, 80);
	assert_int_equal(json_unpack(root, "{s:{s:I}}", "connections", "encrypted", &encrypted), 0);
	assert_int_equal(encrypted, 2);
	assert_int_equal(
		json_object_size(json_object_get(json_object_get(root, "lost"), "by_reason")),
		LOSS_MAX);
	assert_int_equal(json_object_size(json_object_get(root, "tables_full")), FULL_MAX);
	json_decref(root);
	close_fixture(&f);
}

static void test_beyond_loopback(void **state)
{
	struct fixture f;
	const char *a;

	open_on(&f, "0.0.0.0");
	assert_int_equal(code(ask(&f, GET("/metrics"))), 200);
	assert_int_equal(code(ask(&f, GET("/readyz"))), 200);
	a = ask(&f, GET("/api/v1/status"));
	assert_int_equal(code(a), 403);
	assert_non_null(strstr(a, "--web-config"));
	close_fixture(&f);
}

static void test_traces(void **state)
{
	struct fixture f;
	const char *a;

	open_on(&f, "127.0.0.1");
	a = ask(&f, GET("/api/v1/map"));
	assert_int_equal(code(a), 200);
	assert_string_equal(body(a), "{\"edges\":[]}");
	a = ask(&f, GET("/api/v1/traces/a0000000000000000000000000000001"));
	assert_int_equal(code(a), 200);
	assert_string_equal(body(a), "{\"spans\":[]}");
	assert_int_equal(code(ask(&f, GET("/api/v1/traces/b0000000000000000000000000000001"))),
			 404);
	assert_int_equal(code(ask(&f, GET("/api/v1/traces/a1"))), 400);
	assert_int_equal(code(ask(&f, GET("/api/v1/traces/"))), 400);
	assert_int_equal(code(ask(&f, GET("/api/v1/traces"))), 404);
	assert_int_equal(code(ask(&f, GET("/api/v1/mapped"))), 404);
	close_fixture(&f);
}

static void test_cannot_listen(void **state)
{
	struct fixture f;
	const struct status_source source = {
		.ctx = &f, .is_ready = is_ready, .metrics = metrics, .status = status
	};
	struct server *second = NULL;
	char err[256];

	open_on(&f, "127.0.0.1");
	assert_int_equal(server_open(&second, "127.0.0.1", server_port(f.server), &source, NULL,
				     err, sizeof(err)),
			 -EADDRINUSE);
	assert_null(second);
	assert_non_null(strstr(err, "Address already in use"));
	assert_non_null(strstr(err, "--listen"));
	assert_null(strchr(err, '\n'));
	assert_int_equal(server_open(&second, "192.0.2.1", 0, &source, NULL, err, sizeof(err)),
			 -EADDRNOTAVAIL);
	assert_true(server_open(&second, "no such host", 0, &source, NULL, err, sizeof(err)) < 0);
	assert_non_null(strstr(err, "no such host"));
	server_close(NULL);
	close_fixture(&f);
}

static void test_ipv6(void **state)
{
	const struct status_source source = { 0 };
	struct server *s;
	char err[256];
	int res = server_open(&s, "::1", 0, &source, NULL, err, sizeof(err));

	if (res == -EADDRNOTAVAIL || res == -EAFNOSUPPORT) {
		assert_non_null(strstr(err, "::1")); /* a host without: it says so */
		return;
	}
	assert_int_equal(res, 0);
	assert_true(server_port(s) > 0);
	server_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_services_and_requests),
		cmocka_unit_test(test_methods),
		cmocka_unit_test(test_malformed_and_oversized),
		cmocka_unit_test(test_formats),
		cmocka_unit_test(test_large_scrape),
		cmocka_unit_test(test_gzip),
		cmocka_unit_test(test_client_that_leaves),
		cmocka_unit_test(test_connections_are_bounded),
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_beyond_loopback),
		cmocka_unit_test(test_traces),
		cmocka_unit_test(test_cannot_listen),
		cmocka_unit_test(test_ipv6),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
