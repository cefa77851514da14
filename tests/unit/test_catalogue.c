/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "metrics/catalogue.h"
#include "metrics/catalogue_md.h"

static void each_label_unique(const struct metric *m)
{
	size_t n = 0;

	for (; m->labels[n] != LABEL_NONE; n++) {
		assert_true(n < METRIC_LABELS_MAX);
		for (size_t i = 0; i < n; i++)
			assert_int_not_equal(m->labels[i], m->labels[n]);
	}
}

static void is_snake_case(const char *name)
{
	assert_true(islower(name[0]));
	for (const char *p = name; *p; p++)
		assert_true(islower(*p) || isdigit(*p) || (*p == '_' && p[1] && p[1] != '_'));
}

static bool has_word(const char *name, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = name; (p = strstr(p, word)); p += n)
		if ((p == name || p[-1] == '_') && (p[n] == '\0' || p[n] == '_'))
			return true;
	return false;
}

/* The name a collector would make of the OpenTelemetry one is ours: dots become underscores, the
 * unit's word is added unless it is there. So the two exports of a metric meet in one name. */
static void test_names_translate(void **state)
{
	for (int id = 0; id < METRIC_MAX; id++) {
		const struct metric *m = metric_get(id);
		char name[128];

		snprintf(name, sizeof(name), "%s", m->otel_name);
		for (char *p = name; *p; p++)
			*p = *p == '.' ? '_' : *p;
		if (metric_unit_word(m) && !has_word(name, metric_unit_word(m)))
			snprintf(name + strlen(name), sizeof(name) - strlen(name), "_%s",
				 metric_unit_word(m));
		assert_string_equal(m->name, name);
	}
}

/* Names that the semantic conventions give, against Prometheus' advice. */
static bool is_by_convention(const struct metric *m)
{
	return strcmp(m->otel_name, "process.thread.count") == 0 ||
	       strcmp(m->otel_name, "process.unix.file_descriptor.count") == 0;
}

static void test_metrics_are_well_named(void **state)
{
	static const char *const types[] = { "counter", "gauge", "histogram", "bucket", "sum",
					     "count",	"total", "ms",	      "us" };

	for (int id = 0; id < METRIC_MAX; id++) {
		const struct metric *m = metric_get(id);

		is_snake_case(m->name);
		for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
			assert_false(has_word(m->name, types[i]) && !is_by_convention(m));
		assert_int_equal(has_word(m->name, "info"), m->kind == METRIC_INFO);
		assert_int_equal(m->kind == METRIC_HISTOGRAM, m->bounds != NULL);
		if (m->kind == METRIC_HISTOGRAM)
			assert_true(metric_is_nano(m) == (m->bounds == &hist_duration_bounds));
		/* no escapes are needed in HELP lines, and it is a sentence */
		assert_null(strpbrk(m->help, "\\\n\""));
		assert_int_equal(m->help[strlen(m->help) - 1], '.');
		each_label_unique(m);
		for (int other = 0; other < id; other++) {
			assert_string_not_equal(m->name, metric_get(other)->name);
			assert_string_not_equal(m->otel_name, metric_get(other)->otel_name);
		}
	}
}

static void test_labels_are_well_named(void **state)
{
	for (int id = LABEL_NONE + 1; id < LABEL_MAX; id++) {
		const struct label *l = label_get(id);
		char name[128];

		snprintf(name, sizeof(name), "%s", l->otel_name);
		for (char *p = name; *p; p++)
			*p = *p == '.' ? '_' : *p;
		assert_string_equal(l->name, name);
		is_snake_case(l->name);
		/* the scrape owns these */
		assert_string_not_equal(l->name, "job");
		assert_string_not_equal(l->name, "instance");
		assert_string_not_equal(l->name, "le");
		for (int other = LABEL_NONE + 1; other < id; other++)
			assert_string_not_equal(l->name, label_get(other)->name);
	}
}

/* Words that users hold on to. */
static void test_contract(void **state)
{
	static const struct {
		enum metric_id id;
		const char *name;
		enum metric_kind kind;
	} words[] = {
		{ METRIC_HTTP_SERVER_DURATION, "http_server_request_duration_seconds",
		  METRIC_HISTOGRAM },
		{ METRIC_HTTP_CLIENT_DURATION, "http_client_request_duration_seconds",
		  METRIC_HISTOGRAM },
		{ METRIC_HTTP_SERVER_ACTIVE, "http_server_active_requests", METRIC_GAUGE },
		{ METRIC_EVENTS_LOST, "sonde_events_lost", METRIC_COUNTER },
		{ METRIC_TCP_CONNECTS, "sonde_tcp_connects", METRIC_COUNTER },
		{ METRIC_TCP_CONNECT, "sonde_tcp_connect_duration_seconds", METRIC_HISTOGRAM },
		{ METRIC_TCP_RTT, "sonde_tcp_rtt_seconds", METRIC_HISTOGRAM },
		{ METRIC_TCP_RETRANSMITS, "sonde_tcp_retransmits", METRIC_COUNTER },
		{ METRIC_TCP_ACCEPT_OVERFLOWS, "sonde_tcp_accept_overflows", METRIC_COUNTER },
		{ METRIC_TCP_ACTIVE, "sonde_tcp_active_connections", METRIC_GAUGE },
		{ METRIC_DISK_LATENCY, "sonde_disk_io_latency_seconds", METRIC_HISTOGRAM },
		{ METRIC_TARGET, "target_info", METRIC_INFO },
		{ METRIC_BUILD, "sonde_build_info", METRIC_INFO },
		{ METRIC_CPU, "sonde_cpu_seconds", METRIC_COUNTER },
		{ METRIC_ANONYMOUS_MEMORY, "sonde_anonymous_memory_bytes", METRIC_GAUGE },
	};
	static const enum label_id http[] = {
		LABEL_METHOD,	      LABEL_ROUTE,	 LABEL_STATUS,
		LABEL_SCHEME,	      LABEL_VERSION,	 LABEL_ERROR_TYPE,
		LABEL_SERVER_ADDRESS, LABEL_SERVER_PORT, LABEL_NONE
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		assert_string_equal(metric_get(words[i].id)->name, words[i].name);
		assert_int_equal(metric_get(words[i].id)->kind, words[i].kind);
	}
	assert_memory_equal(metric_get(METRIC_HTTP_SERVER_DURATION)->labels, http, sizeof(http));
	assert_memory_equal(metric_get(METRIC_HTTP_CLIENT_DURATION)->labels, http, sizeof(http));
}

/* The reference that is checked in is what the tables say. */
static void test_reference(void **state)
{
	FILE *f = fopen("docs/metrics.md", "re");
	char *want = NULL, got[32768];
	size_t n, size;
	FILE *out;

	assert_non_null(f); /* to be run from the top of the tree */
	n = fread(got, 1, sizeof(got) - 1, f);
	got[n] = '\0';
	fclose(f);
	out = open_memstream(&want, &size);
	catalogue_markdown(out);
	fclose(out);
	assert_string_equal(got, want); /* else: make docs */
	free(want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_translate),
		cmocka_unit_test(test_metrics_are_well_named),
		cmocka_unit_test(test_labels_are_well_named),
		cmocka_unit_test(test_contract),
		cmocka_unit_test(test_reference),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
