/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>
#include "metrics/self.h"

static uint64_t value(struct series_store *st, enum metric_id id, const char *a, const char *b)
{
	for (struct series *s = NULL; (s = series_after(st, id, s ? s->serial : 0));) {
		bool has_two = metric_get(id)->labels[0] && metric_get(id)->labels[1];

		if ((!a || slice_eq(series_label(s, 0), slice_str(a))) &&
		    (!has_two || slice_eq(series_label(s, 1), slice_str(b))))
			return s->value;
	}
	fail_msg("no %s of %s", a, metric_get(id)->name);
	return 0;
}

static void no_txn(void *ctx, struct txn *t)
{
}

/* A replay: no probe to ask, and nothing said that only a probe knows. */
static void test_gather_without_a_probe(void **state)
{
	struct conns *cs = conns_new(&(struct conns_opts){ .on_txn = no_txn });
	const uint64_t by_kind[SONDE_EV_KERNEL_MAX] = { [SONDE_EV_DATA] = 7, [SONDE_EV_EXIT] = 2 };
	const struct fulls full = { .n = { [FULL_TRACE_THREADS] = 4 } };
	const struct self_source from = { .conns = cs,
					  .by_kind = by_kind,
					  .bad_records = 3,
					  .full = &full,
					  .began_ns = 5,
					  .now_ns = 9 };
	struct series_store *st = series_store_new(0);
	static struct self s;

	self_gather(&s, &from);
	assert_false(s.is_live);
	assert_int_equal(s.uptime_ns, 4);
	assert_int_equal(self_losses(&s), 3);
	assert_true(s.cpu_ns > 0);
	self_publish(&s, st, "1.2.3", "abc", 9);
	/* every reason always, and nothing else under another name */
	assert_int_equal(series_count(st, METRIC_EVENTS_LOST), LOSS_MAX);
	for (int i = 0; i < LOSS_MAX; i++)
		assert_int_equal(value(st, METRIC_EVENTS_LOST, loss_reason(i), NULL),
				 i == LOSS_BAD_RECORD ? 3 : 0);
	assert_int_equal(series_count(st, METRIC_TABLE_FULL), FULL_MAX);
	for (int i = 0; i < FULL_MAX; i++)
		assert_int_equal(value(st, METRIC_TABLE_FULL, full_table(i), NULL),
				 i == FULL_TRACE_THREADS ? 4 : 0);
	assert_int_equal(value(st, METRIC_EVENTS, "data", NULL), 7);
	assert_int_equal(value(st, METRIC_EVENTS, "exit", NULL), 2);
	assert_int_equal(value(st, METRIC_EVENTS, "open", NULL), 0);
	assert_int_equal(value(st, METRIC_BUILD, "1.2.3", "abc"), 1);
	assert_int_equal(series_count(st, METRIC_CONNECTIONS), 4);
	assert_int_equal(series_count(st, METRIC_BPF_MEMORY), 0);
	assert_int_equal(series_count(st, METRIC_PROBE_RUNS), 0);
	series_store_free(st);
	conns_free(cs);
}

static void test_publish(void **state)
{
	struct series_store *st = series_store_new(0);
	static struct self s = {
		.is_live = true,
		.bpf_memory = 1 << 20,
		.n_programs = 2,
		.programs = { { .name = "ran", .run_count = 10, .run_ns = 2000 },
			      { .name = "never" } },
		.conns = { .parsed = 1, .undecided = 2, .unknown = 3, .encrypted = 4 },
	};

	s.conns.transactions[PROTO_HTTP1][SONDE_ROLE_SERVER - 1] = 5;
	s.conns.transactions[PROTO_UNKNOWN][SONDE_ROLE_CLIENT - 1] = 6;
	s.conns.bytes_observed[PROTO_UNKNOWN] = 8;
	s.conns.bytes_attributed[PROTO_HTTP1] = 9;
	self_publish(&s, st, "v", "c", 1);
	assert_int_equal(value(st, METRIC_CONNECTIONS, "encrypted", NULL), 4);
	assert_int_equal(value(st, METRIC_TRANSACTIONS, "http", "server"), 5);
	assert_int_equal(value(st, METRIC_TRANSACTIONS, "http", "client"), 0);
	assert_int_equal(value(st, METRIC_TRANSACTIONS, "tcp", "client"), 6);
	assert_int_equal(value(st, METRIC_BYTES_OBSERVED, "unknown", NULL), 8);
	assert_int_equal(value(st, METRIC_BYTES_ATTRIBUTED, "http", NULL), 9);
	assert_int_equal(value(st, METRIC_BPF_MEMORY, NULL, NULL), 1 << 20);
	assert_int_equal(value(st, METRIC_PROBE_TIME, "ran", NULL), 2000);
	assert_int_equal(series_count(st, METRIC_PROBE_RUNS), 1);
	assert_int_equal(series_count(st, METRIC_PROPAGATED), 0);
	assert_int_equal(series_count(st, METRIC_PASSED_OVER), 0);
	/* the next time it is set, not added */
	self_publish(&s, st, "v", "c", 2);
	assert_int_equal(value(st, METRIC_TRANSACTIONS, "http", "server"), 5);
	series_store_free(st);
}

/* Where a line is put into requests: every reason always, each by a word of its own. */
static void test_publish_propagation(void **state)
{
	struct series_store *st = series_store_new(0);
	static struct self s = { .is_propagating = true };

	for (int i = 0; i < SONDE_PASSED_MAX; i++)
		s.passed[i] = 10 + i;
	self_publish(&s, st, "v", "c", 1);
	assert_int_equal(value(st, METRIC_PROPAGATED, NULL, NULL), 10);
	assert_int_equal(series_count(st, METRIC_PASSED_OVER), SONDE_PASSED_MAX - 1);
	assert_int_equal(value(st, METRIC_PASSED_OVER, "own_context", NULL), 10 + SONDE_PASSED_OWN);
	for (int i = SONDE_PASSED_NOT + 1; i < SONDE_PASSED_MAX; i++)
		assert_int_equal(value(st, METRIC_PASSED_OVER, propagate_reason(i), NULL), 10 + i);
	series_store_free(st);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gather_without_a_probe),
		cmocka_unit_test(test_publish),
		cmocka_unit_test(test_publish_propagation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
