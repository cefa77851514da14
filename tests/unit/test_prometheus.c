/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include "export/gzip.h"
#include "export/negotiate.h"
#include "export/prometheus.h"
#include "identity/process.h"

static const struct service shop = { .id = 1, .name = "sh\"op\\\n", .instance_id = "i-1" };

/* Reads an exposition in pieces of `piece` bytes. malloc'd, NUL terminated. */
static char *render(const struct series_store *st, enum prom_format format, const char *note,
		    size_t piece)
{
	struct prom *p = prom_open(st, format, note);
	size_t n = 0, cap = 0;
	char *all = NULL;
	ssize_t got;

	assert_non_null(p);
	do {
		if (cap < n + piece + 1) {
			cap = 2 * (n + piece + 1);
			all = realloc(all, cap);
		}
		got = prom_read(p, all + n, piece);
		assert_true(got >= 0 && (size_t)got <= piece);
		n += (size_t)got;
	} while (got);
	assert_int_equal(prom_read(p, all + n, 1), 0); /* the end stays the end */
	all[n] = '\0';
	prom_close(p);
	return all;
}

static struct series_store *small_store(void)
{
	struct series_store *st = series_store_new(0);
	struct slice http[METRIC_LABELS_MAX] = { SLICE("GET"), SLICE("/a\\\"\n"), SLICE("200"),
						 SLICE("http"), SLICE("1.1") };
	struct hist *h;

	h = &series_get(st, METRIC_HTTP_SERVER_DURATION, &shop, http, 1)->hist;
	hist_record(h, 100000);	     /* on the first boundary */
	hist_record(h, 1000000000);  /* on that of 1.0 */
	hist_record(h, 12345678901); /* beyond the last */
	series_get(st, METRIC_TARGET, &shop, (struct slice[METRIC_LABELS_MAX]){ { 0 } }, 1)->value =
		1;
	series_get(st, METRIC_EVENTS_LOST, NULL, &SLICE("ring_full"), 1)->value = 0;
	series_get(st, METRIC_CPU, NULL, NULL, 1)->value = 1500000000;
	series_get(st, METRIC_ANONYMOUS_MEMORY, NULL, NULL, 1)->value = 18446744073709551615ULL;
	return st;
}

static void assert_line(const char *text, const char *line)
{
	const char *at = strstr(text, line);

	if (!at || (at != text && at[-1] != '\n'))
		fail_msg("no line \"%s\" in:\n%s", line, text);
}

#define SHOP "service_name=\"sh\\\"op\\\\\\n\",service_instance_id=\"i-1\""
#define HTTP                                                                                       \
	SHOP ",http_request_method=\"GET\",http_route=\"/a\\\\\\\"\\n\","                          \
	     "http_response_status_code=\"200\",url_scheme=\"http\",network_protocol_version=\"1." \
	     "1\""
#define NAME "http_server_request_duration_seconds"

static void test_text(void **state)
{
	struct series_store *st = small_store();
	char *text = render(st, PROM_TEXT, "hear", 4096);

	assert_memory_equal(text, "# hear\n", 7);
	assert_line(text, "# TYPE " NAME " histogram\n" NAME "_bucket{" HTTP
			  ",le=\"0.0001\"} 1\n" NAME "_bucket{" HTTP ",le=\"0.00025\"} 1\n");
	assert_line(text, NAME "_bucket{" HTTP ",le=\"0.75\"} 1\n");
	assert_line(text, NAME "_bucket{" HTTP ",le=\"1.0\"} 2\n");
	assert_line(text, NAME "_bucket{" HTTP ",le=\"10.0\"} 2\n");
	assert_line(text, NAME "_bucket{" HTTP ",le=\"+Inf\"} 3\n");
	assert_line(text, NAME "_sum{" HTTP "} 13.345778901\n" NAME "_count{" HTTP "} 3\n");
	assert_line(text, "# TYPE target_info gauge\ntarget_info{" SHOP "} 1\n");
	assert_line(text, "# TYPE sonde_events_lost_total counter\n"
			  "sonde_events_lost_total{reason=\"ring_full\"} 0\n");
	assert_line(text, "# TYPE sonde_cpu_seconds_total counter\nsonde_cpu_seconds_total 1.5\n");
	assert_line(text, "sonde_anonymous_memory_bytes 18446744073709551615\n");
	assert_null(strstr(text, "# UNIT"));
	assert_null(strstr(text, "# EOF"));
	/* what has no series is not named */
	assert_null(strstr(text, "http_client_request_duration_seconds"));
	free(text);
	series_store_free(st);
}

static void test_openmetrics(void **state)
{
	struct series_store *st = small_store();
	char *text = render(st, PROM_OPENMETRICS, "hear", 4096);

	assert_memory_equal(text, "# HELP ", 7); /* no comments in OpenMetrics */
	assert_line(text, "# TYPE " NAME " histogram\n# UNIT " NAME " seconds\n" NAME
			  "_bucket{" HTTP ",le=\"0.0001\"} 1\n");
	assert_line(text, "# TYPE target info\ntarget_info{" SHOP "} 1\n");
	assert_line(text, "# TYPE sonde_events_lost counter\n"
			  "sonde_events_lost_total{reason=\"ring_full\"} 0\n");
	assert_line(text, "# TYPE sonde_cpu_seconds counter\n# UNIT sonde_cpu_seconds seconds\n"
			  "sonde_cpu_seconds_total 1.5\n");
	assert_string_equal(text + strlen(text) - strlen("\n# EOF\n"), "\n# EOF\n");
	free(text);
	series_store_free(st);
}

/* What is known of a service is on each of its series, or on target_info alone; what is learned
 * later, too. */
static void test_facts(void **state)
{
	struct series_store *st = series_store_new(0);
	struct service s = { .id = 9, .name = "shop", .instance_id = "i" };
	struct slice v[METRIC_LABELS_MAX] = { SLICE("a") };
	struct facts_draft d = { .n = 0 };
	char *text;

	series_get(st, METRIC_OOM_KILLS, &s, v, 1)->value = 3;
	series_get(st, METRIC_TARGET, &s, v, 1)->value = 1;
	facts_set_str(&d, FACT_K8S_POD, "shop-1");
	facts_set_str(&d, FACT_CONTAINER_ID, "c\"d");
	s.facts = facts_make(&d);
	series_service_seen(st, &s, 2);
	text = render(st, PROM_TEXT, NULL, 4096);
	assert_line(text, "sonde_oom_kills_total{service_name=\"shop\",service_instance_id=\"i\","
			  "k8s_pod_name=\"shop-1\"} 3\n");
	assert_line(text, "target_info{service_name=\"shop\",service_instance_id=\"i\","
			  "k8s_pod_name=\"shop-1\",container_id=\"c\\\"d\",host_name=\"a\"} 1\n");
	free(text);
	facts_release(s.facts);
	series_store_free(st);
}

static struct series_store *large_store(int n)
{
	struct series_store *st = series_store_new((size_t)n);

	for (int i = 0; i < n; i++) {
		char route[300];
		struct slice v[METRIC_LABELS_MAX] = { SLICE("GET") };

		/* some of every length, some that must all be escaped */
		memset(route, i % 7 ? 'r' : '"', sizeof(route));
		v[1] = (struct slice){ (uint8_t *)route,
				       (size_t)snprintf(route, sizeof(route), "%d", i) + i % 240 };
		route[strlen(route)] = '/';
		hist_record(&series_get(st, METRIC_HTTP_CLIENT_DURATION, &shop, v, 1)->hist,
			    (uint64_t)i * 1000000);
	}
	return st;
}

/* The last measurement of a bucket points to its trace, in OpenMetrics alone. */
static void test_exemplars(void **state)
{
	struct series_store *st = series_store_new(0);
	struct slice http[METRIC_LABELS_MAX] = { SLICE("GET") };
	struct series *s = series_get(st, METRIC_HTTP_SERVER_DURATION, &shop, http, 1);
	struct exemplar e = { .trace_id = { 1 }, .span_id = { 2 }, .value = 1, .unix_ns = 1 };
	char *text;

	hist_record(&s->hist, 100000);
	hist_record(&s->hist, 12345678901);
	series_exemplar(s, &e);
	e.value = 100000;
	e.unix_ns = 1700000000500000000;
	series_exemplar(s, &e); /* the later one of its bucket */
	e.value = 12345678901;
	series_exemplar(s, &e);
	text = render(st, PROM_OPENMETRICS, NULL, 100);
	assert_line(text, NAME "_bucket{" SHOP ",http_request_method=\"GET\",le=\"0.0001\"} 1 # "
			       "{trace_id=\"01000000000000000000000000000000\","
			       "span_id=\"0200000000000000\"} 0.0001 1700000000.5\n");
	assert_line(text, NAME "_bucket{" SHOP ",http_request_method=\"GET\",le=\"1.0\"} 1\n");
	assert_line(text, NAME "_bucket{" SHOP ",http_request_method=\"GET\",le=\"+Inf\"} 2 # "
			       "{trace_id=\"01000000000000000000000000000000\","
			       "span_id=\"0200000000000000\"} 12.345678901 1700000000.5\n");
	free(text);
	text = render(st, PROM_TEXT, NULL, 100);
	assert_null(strstr(text, "trace_id"));
	free(text);
	series_store_free(st);
}

static void test_pieces_make_the_whole(void **state)
{
	struct series_store *st = large_store(100);
	char *whole = render(st, PROM_OPENMETRICS, NULL, 1 << 20);
	static const size_t pieces[] = { 1, 7, 4096, 16384, 65536 };

	for (size_t i = 0; i < sizeof(pieces) / sizeof(*pieces); i++) {
		char *text = render(st, PROM_OPENMETRICS, NULL, pieces[i]);

		assert_string_equal(text, whole);
		free(text);
	}
	free(whole);
	series_store_free(st);
}

/* Families are not interleaved, each has one header, no sample comes twice. */
static void test_shape(void **state)
{
	struct series_store *st = large_store(50);
	char *text = render(st, PROM_TEXT, NULL, 10000), *save = NULL, *seen[2000];
	size_t n = 0, types = 0;

	for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		types += strncmp(l, "# TYPE", 6) == 0;
		if (l[0] == '#')
			continue;
		*strrchr(l, ' ') = '\0';
		for (size_t i = 0; i < n; i++)
			assert_string_not_equal(seen[i], l);
		seen[n++] = l;
	}
	assert_int_equal(types, 1);
	assert_int_equal(n, 50 * (hist_duration_bounds.n + 3));
	free(text);
	series_store_free(st);
}

static ssize_t read_prom(void *ctx, char *out, size_t size)
{
	return prom_read(ctx, out, size);
}

static void test_gzip(void **state)
{
	struct series_store *st = large_store(100);
	char *whole = render(st, PROM_TEXT, NULL, 1 << 20), *back = malloc(strlen(whole) + 1);
	struct prom *p = prom_open(st, PROM_TEXT, NULL);
	struct gzip *g = gzip_open(read_prom, p);
	z_stream z = { .next_out = (Bytef *)back, .avail_out = (uInt)strlen(whole) + 1 };
	char piece[1000];
	size_t packed = 0;
	ssize_t n;
	int res = Z_OK;

	assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
	while ((n = gzip_read(g, piece, sizeof(piece))) > 0) {
		z.next_in = (Bytef *)piece;
		z.avail_in = (uInt)n;
		res = inflate(&z, Z_NO_FLUSH);
		packed += (size_t)n;
	}
	assert_int_equal(n, 0);
	assert_int_equal(res, Z_STREAM_END);
	assert_int_equal(z.total_out, strlen(whole));
	assert_memory_equal(back, whole, z.total_out);
	assert_true(packed * 10 < z.total_out);
	inflateEnd(&z);
	gzip_close(g);
	prom_close(p);
	free(back);
	free(whole);
	series_store_free(st);
}

#define OM "application/openmetrics-text"

static void test_accept(void **state)
{
	static const struct {
		const char *accept;
		enum prom_format format;
		bool is_fallback;
	} cases[] = {
		{ NULL, PROM_TEXT, false },
		{ "*/*", PROM_TEXT, false },
		{ "text/plain", PROM_TEXT, false },
		{ "text/*", PROM_TEXT, false },
		{ OM, PROM_OPENMETRICS, false },
		{ OM "; version=\"1.0.0\"; charset=utf-8", PROM_OPENMETRICS, false },
		{ "Application/OpenMetrics-Text;Version=1.0.0", PROM_OPENMETRICS, false },
		/* Prometheus 2.42, 2.53 and 3.5, VictoriaMetrics, as they send it */
		{ OM ";version=1.0.0," OM
		     ";version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
		  PROM_OPENMETRICS, false },
		{ OM ";version=1.0.0;q=0.5," OM
		     ";version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
		  PROM_OPENMETRICS, false },
		{ "application/"
		  "vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;"
		  "q=0.6," OM ";version=1.0.0;escaping=allow-utf-8;q=0.5,text/"
		  "plain;version=0.0.4;q=0.3,*/*;q=0.2",
		  PROM_PROTOBUF, false },
		{ "application/vnd.google.protobuf;q=1,text/plain;q=0.1", PROM_TEXT, false },
		{ "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;"
		  "encoding=text",
		  PROM_TEXT, true },
		{ "text/plain;version=0.0.4;q=1,*/*;q=0.1", PROM_TEXT, false },
		/* preferences */
		{ OM ";q=0.4,text/plain;q=0.5", PROM_TEXT, false },
		{ OM ";q=0.5,text/plain;q=0.5", PROM_OPENMETRICS, false },
		{ OM ";q=0,text/plain;q=0.1", PROM_TEXT, false },
		{ OM ";q=0.001,*/*;q=0", PROM_OPENMETRICS, false },
		{ "text/plain;q=0.1,*/*;q=1," OM ";q=0.5", PROM_OPENMETRICS, false },
		/* what we have not, and what nobody could have */
		{ OM ";version=2.0.0", PROM_TEXT, true },
		{ "application/json", PROM_TEXT, true },
		{ "text/plain;q=0", PROM_TEXT, true },
		{ "", PROM_TEXT, true },
		{ ",,;;=,\"", PROM_TEXT, true },
		{ "text/plain;q=banana", PROM_TEXT, true },
		{ "text/plain;q=1.001", PROM_TEXT, true },
		{ "text/plain;q=0.1234", PROM_TEXT, true },
		{ "\xff\xfe\x01garbage/\x02", PROM_TEXT, true },
		{ OM "\"", PROM_TEXT, true },
		{ "\"" OM ",\"," OM, PROM_OPENMETRICS, false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct negotiated n = negotiate_accept(cases[i].accept);

		if (n.format != cases[i].format || n.is_fallback != cases[i].is_fallback)
			fail_msg("%s: %d %d", cases[i].accept, n.format, n.is_fallback);
	}
	assert_string_equal(negotiate_content_type(negotiate_accept(NULL)),
			    "text/plain; version=0.0.4; charset=utf-8");
	assert_string_equal(negotiate_content_type(negotiate_accept(OM)),
			    OM "; version=1.0.0; charset=utf-8");
	assert_string_equal(negotiate_content_type(negotiate_accept(OM ";escaping=allow-utf-8")),
			    OM "; version=1.0.0; charset=utf-8; escaping=underscores");
}

static void test_accept_encoding(void **state)
{
	assert_false(negotiate_gzip(NULL));
	assert_false(negotiate_gzip(""));
	assert_false(negotiate_gzip("identity"));
	assert_false(negotiate_gzip("br, gzipped"));
	assert_true(negotiate_gzip("gzip"));
	assert_true(negotiate_gzip("br;q=1.0, GZIP;q=0.8, *;q=0.1"));
	assert_true(negotiate_gzip("*"));
	assert_false(negotiate_gzip("gzip;q=0, *"));
	assert_false(negotiate_gzip("gzip;q=0.000"));
	assert_false(negotiate_gzip("gzip;q=x"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_facts),
		cmocka_unit_test(test_openmetrics),
		cmocka_unit_test(test_exemplars),
		cmocka_unit_test(test_pieces_make_the_whole),
		cmocka_unit_test(test_shape),
		cmocka_unit_test(test_gzip),
		cmocka_unit_test(test_accept),
		cmocka_unit_test(test_accept_encoding),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
