// SPDX-License-Identifier: Apache-2.0
/* Who calls whom, and the spans that are held for the API. */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include "export/map_json.h"
#include "export/traces.h"
#include "identity/service.h"
#include "metrics/graph.h"
#include "util/clock.h"

static struct service shop = { .id = 1, .name = "shop", .name_space = "eu" };
static struct service cart = { .id = 2, .name = "cart" };

static struct txn txn(enum sonde_role role, struct service *service, struct service *other)
{
	return (struct txn){
		.role = role,
		.service = service,
		.other = other,
		.proto = PROTO_HTTP1,
		.family = SONDE_FAMILY_IPV4,
		.peer = { .ip = { 10, 0, 0, 9 }, .port = 80 },
		.method = "GET",
		.route = "/a",
		.status = 200,
		.start_ns = 100 * NS_PER_S,
		.end_ns = 101 * NS_PER_S,
	};
}

static uint64_t counted(struct series_store *st, enum metric_id id, const char *client,
			const char *server)
{
	struct series *s = NULL;

	while ((s = series_after(st, id, s ? s->serial : 0))) {
		if (slice_eq(series_label(s, 0), slice_str(client)) &&
		    slice_eq(series_label(s, 1), slice_str(server)))
			return metric_get(id)->kind == METRIC_HISTOGRAM ? s->hist.count : s->value;
	}
	return 0;
}

static void each_exchange_counts_once(void **state)
{
	struct series_store *st = series_store_new(0);
	struct graph *g = graph_new(90 * NS_PER_S);
	struct txn served = txn(SONDE_ROLE_SERVER, &cart, &shop);
	struct txn called = txn(SONDE_ROLE_CLIENT, &shop, &cart);
	struct graph_edge edges[4];

	graph_txn(g, st, &served, &(struct graph_place){ 0 });
	strcpy(called.error_type, "500");
	graph_txn(g, st, &called, &(struct graph_place){ 0 });
	assert_int_equal(counted(st, METRIC_GRAPH_REQUESTS, "shop", "cart"), 1);
	assert_int_equal(counted(st, METRIC_GRAPH_FAILED, "shop", "cart"), 1);
	assert_int_equal(counted(st, METRIC_GRAPH_CLIENT, "shop", "cart"), 1);
	assert_int_equal(counted(st, METRIC_GRAPH_SERVER, "shop", "cart"), 1);
	assert_int_equal(graph_read(g, 101 * NS_PER_S, edges, 4), 1);
	assert_string_equal(edges[0].client_space, "eu");
	assert_string_equal(edges[0].type, "");
	assert_int_equal(edges[0].requests, 1);
	assert_int_equal(edges[0].last.count, 1);
	graph_free(g);
	series_store_free(st);
}

static void who_is_not_here_has_an_address(void **state)
{
	struct series_store *st = series_store_new(0);
	struct graph *g = graph_new(90 * NS_PER_S);
	struct txn called = txn(SONDE_ROLE_CLIENT, &shop, NULL);
	struct txn served = txn(SONDE_ROLE_SERVER, &shop, NULL);
	char *json;

	graph_txn(g, st, &called, &(struct graph_place){ 0 });
	assert_int_equal(counted(st, METRIC_GRAPH_REQUESTS, "shop", "10.0.0.9"), 1);
	served.trace.parent = TXN_PARENT_NONE;
	graph_txn(g, st, &served, &(struct graph_place){ 0 });
	assert_int_equal(counted(st, METRIC_GRAPH_REQUESTS, "user", "shop"), 1);
	served.trace.parent = TXN_PARENT_UNKNOWN; /* somebody of here, nobody knows who */
	graph_txn(g, st, &served, &(struct graph_place){ 0 });
	assert_int_equal(counted(st, METRIC_GRAPH_REQUESTS, "user", "shop"), 1);
	json = map_json(g, 101 * NS_PER_S);
	assert_non_null(strstr(json, "\"name\":\"user\",\"kind\":\"outside\""));
	assert_non_null(
		strstr(json, "\"name\":\"shop\",\"namespace\":\"eu\",\"kind\":\"service\""));
	assert_non_null(strstr(json, "\"connection_type\":\"virtual_node\""));
	free(json);
	graph_free(g);
	series_store_free(st);
}

static void edges_are_bounded(void **state)
{
	struct series_store *st = series_store_new(10);
	struct graph *g = graph_new(90 * NS_PER_S);
	struct graph_edge *edges = calloc(GRAPH_EDGES_MAX + 1, sizeof(*edges));
	struct txn t = txn(SONDE_ROLE_CLIENT, &shop, NULL);

	for (int i = 0; i < GRAPH_EDGES_MAX + 7; i++) {
		t.peer.ip[2] = (uint8_t)(i >> 8);
		t.peer.ip[3] = (uint8_t)i;
		graph_txn(g, st, &t, &(struct graph_place){ 0 });
	}
	assert_int_equal(graph_read(g, 101 * NS_PER_S, edges, GRAPH_EDGES_MAX + 1),
			 GRAPH_EDGES_MAX);
	assert_int_equal(graph_left_out(g), 7);
	free(edges);
	graph_free(g);
	series_store_free(st);
}

/* The place that a transaction found stays in use by who holds it: it must not count for another. */
static void an_idle_edge_gives_way(void **state)
{
	struct series_store *st = series_store_new(0);
	struct graph *g = graph_new(90 * NS_PER_S);
	struct graph_edge *edges = calloc(GRAPH_EDGES_MAX, sizeof(*edges));
	struct txn t = txn(SONDE_ROLE_CLIENT, &shop, NULL);
	struct graph_place first = { 0 }, late = { 0 };
	uint64_t began_ns = t.end_ns;

	for (int i = 0; i < GRAPH_EDGES_MAX; i++) {
		t.peer.ip[2] = (uint8_t)(i >> 8);
		t.peer.ip[3] = (uint8_t)i;
		t.end_ns = began_ns + (uint64_t)i;
		graph_txn(g, st, &t, i ? &(struct graph_place){ 0 } : &first);
	}
	t.peer.ip[2] = 7; /* a further one, a moment too early, and then not */
	t.end_ns = began_ns + GRAPH_IDLE_NS - 1;
	graph_txn(g, st, &t, &late);
	assert_int_equal(graph_left_out(g), 1);
	assert_int_equal(graph_forgotten(g), 0);
	t.end_ns++;
	graph_txn(g, st, &t, &late);
	graph_txn(g, st, &t, &late);
	assert_int_equal(graph_left_out(g), 1);
	assert_int_equal(graph_forgotten(g), 1);
	assert_int_equal(graph_read(g, t.end_ns, edges, GRAPH_EDGES_MAX), GRAPH_EDGES_MAX);
	assert_string_equal(edges[0].server, "10.0.7.255");
	assert_int_equal(edges[0].requests, 2);
	assert_int_equal(edges[0].last.count, 2);
	/* the first comes again: the second, which is the oldest now, gives way to it */
	t.peer.ip[2] = t.peer.ip[3] = 0;
	t.end_ns++;
	graph_txn(g, st, &t, &first);
	assert_int_equal(graph_forgotten(g), 2);
	graph_read(g, t.end_ns, edges, GRAPH_EDGES_MAX);
	assert_int_equal(edges[0].requests, 2);
	assert_string_equal(edges[1].server, "10.0.0.0");
	assert_int_equal(edges[1].requests, 1);
	assert_int_equal(counted(st, METRIC_GRAPH_REQUESTS, "shop", "10.0.0.0"), 2);
	free(edges);
	graph_free(g);
	series_store_free(st);
}

static void idle_series_give_way_where_there_are_too_many(void **state)
{
	struct series_store *st = series_store_new(2);
	struct graph *g = graph_new(90 * NS_PER_S);
	struct txn t = txn(SONDE_ROLE_CLIENT, &shop, NULL);
	uint64_t began_ns = t.end_ns, generation = series_generation(st);
	struct series *s;

	graph_txn(g, st, &t, &(struct graph_place){ 0 });
	graph_tick(st, began_ns + 2 * GRAPH_IDLE_NS); /* there is room: all stay */
	assert_int_equal(counted(st, METRIC_GRAPH_REQUESTS, "shop", "10.0.0.9"), 1);
	t.peer.ip[3] = 8;
	t.end_ns = began_ns + NS_PER_S;
	graph_txn(g, st, &t, &(struct graph_place){ 0 });
	graph_tick(st, began_ns + GRAPH_IDLE_NS); /* none was idle for so long */
	assert_int_equal(series_count(st, METRIC_GRAPH_REQUESTS), 2);
	assert_int_equal(series_generation(st), generation);
	graph_tick(st, began_ns + GRAPH_IDLE_NS + 1);
	assert_int_equal(series_count(st, METRIC_GRAPH_REQUESTS), 1);
	assert_int_equal(series_count(st, METRIC_GRAPH_CLIENT), 1);
	assert_int_not_equal(series_generation(st), generation);
	assert_int_equal(counted(st, METRIC_GRAPH_REQUESTS, "shop", "10.0.0.8"), 1);
	/* one that comes again is a new series */
	t.peer.ip[3] = 9;
	t.end_ns = began_ns + GRAPH_IDLE_NS + 2;
	graph_txn(g, st, &t, &(struct graph_place){ 0 });
	assert_int_equal(counted(st, METRIC_GRAPH_REQUESTS, "shop", "10.0.0.9"), 1);
	s = series_after(st, METRIC_GRAPH_REQUESTS, 0);
	s = series_after(st, METRIC_GRAPH_REQUESTS, s->serial);
	assert_int_equal(s->created_ns, t.end_ns);
	graph_free(g);
	series_store_free(st);
}

static void take(struct traces *s, uint8_t trace, uint8_t span, uint64_t start_ns)
{
	struct txn t = txn(SONDE_ROLE_SERVER, &shop, NULL);
	struct exporter e;

	t.trace.trace_id[15] = trace;
	t.trace.span_id[7] = span;
	t.trace.parent_span_id[7] = span - 1;
	t.trace.parent = TXN_PARENT_THREAD;
	t.start_ns = start_ns;
	traces_exporter(s, &e);
	e.on_txn(e.self, &t);
}

static void a_trace_is_told_by_its_id(void **state)
{
	struct traces *s = traces_new(8);
	char *text;
	json_t *o, *spans;

	take(s, 0xab, 2, 20);
	take(s, 0xcd, 9, 15);
	take(s, 0xab, 1, 10);
	assert_null(traces_json(s, "00000000000000000000000000000001", 0));
	text = traces_json(s, "000000000000000000000000000000AB", 1000);
	o = json_loads(text, 0, NULL);
	spans = json_object_get(o, "spans");
	assert_int_equal(json_array_size(spans), 2);
	assert_int_equal(
		json_integer_value(json_object_get(json_array_get(spans, 0), "time_unix_nano")),
		1010);
	assert_true(json_is_null(json_object_get(json_array_get(spans, 0), "parent_span_id")));
	assert_string_equal(
		json_string_value(json_object_get(json_array_get(spans, 1), "parent_span_id")),
		"0000000000000001");
	assert_string_equal(json_string_value(json_object_get(json_array_get(spans, 1), "name")),
			    "GET /a");
	json_decref(o);
	free(text);
	for (int i = 0; i < 8; i++)
		take(s, 1, (uint8_t)i, 30);
	assert_null(traces_json(s, "000000000000000000000000000000ab", 0));
	assert_int_equal(traces_held(s), 8);
	assert_int_equal(traces_overwritten(s), 3);
	traces_free(s);
}

static void a_trace_of_many_spans_says_how_many_more(void **state)
{
	struct traces *s = traces_new(0);
	char *text;
	json_t *o;

	for (int i = 0; i < 4096 + 3; i++)
		take(s, 0xab, (uint8_t)i, 10);
	text = traces_json(s, "000000000000000000000000000000ab", 0);
	o = json_loads(text, 0, NULL);
	assert_int_equal(json_array_size(json_object_get(o, "spans")), 4096);
	assert_int_equal(json_integer_value(json_object_get(o, "left_out")), 3);
	json_decref(o);
	free(text);
	traces_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_exchange_counts_once),
		cmocka_unit_test(who_is_not_here_has_an_address),
		cmocka_unit_test(edges_are_bounded),
		cmocka_unit_test(an_idle_edge_gives_way),
		cmocka_unit_test(idle_series_give_way_where_there_are_too_many),
		cmocka_unit_test(a_trace_is_told_by_its_id),
		cmocka_unit_test(a_trace_of_many_spans_says_how_many_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
