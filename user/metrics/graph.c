// SPDX-License-Identifier: Apache-2.0
#include "metrics/graph.h"

#include <stdlib.h>
#include <string.h>

#include "identity/service.h"
#include "metrics/red.h"
#include "util/clock.h"
#include "util/hash.h"
#include "util/list.h"
#include "util/map.h"

struct kept_edge {
	struct list age;
	uint64_t hash, seen_ns;
	uint64_t serial; /* of who has this place now */
	struct graph_edge edge;
	struct minute last;
};

struct graph {
	uint64_t began_ns;
	uint64_t seed; /* of hashes */
	struct map by_hash;
	struct kept_edge *edges[GRAPH_EDGES_MAX]; /* owned */
	struct list by_age;			  /* who was not seen for the longest time first */
	size_t n;
	uint64_t last_serial;
	uint64_t left_out, forgotten;
};

struct graph *graph_new(uint64_t now_ns)
{
	struct graph *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->began_ns = now_ns;
	g->seed = hash_seed();
	list_init(&g->by_age);
	return g;
}

void graph_free(struct graph *g)
{
	if (!g)
		return;
	for (size_t i = 0; i < g->n; i++) {
		minute_free(&g->edges[i]->last);
		free(g->edges[i]);
	}
	map_free(&g->by_hash);
	free(g);
}

/* The labels of an edge, as the catalogue orders them. */
enum { CLIENT, SERVER, CLIENT_SPACE, SERVER_SPACE, TYPE, LABELS };

static void put_service(struct slice v[LABELS], const struct service *s, int name, int space)
{
	v[name] = slice_str(s->name);
	v[space] = slice_str(s->name_space);
}

/* False: nobody knows between whom it was, or it is not worth an edge. */
static bool edge_of(const struct txn *t, struct red_text *text, struct slice v[LABELS])
{
	const struct proto *proto = proto_get(t->proto);
	bool is_client = t->role == SONDE_ROLE_CLIENT;
	struct slice port;

	if (!t->service || (proto && proto->kind == KIND_NAMES))
		return false;
	put_service(v, t->service, is_client ? CLIENT : SERVER,
		    is_client ? CLIENT_SPACE : SERVER_SPACE);
	v[TYPE] = proto && proto->kind == KIND_DATABASE ? SLICE("database") : SLICE("");
	if (t->other) {
		put_service(v, t->other, is_client ? SERVER : CLIENT,
			    is_client ? SERVER_SPACE : CLIENT_SPACE);
		return true;
	}
	if (!is_client && t->trace.parent == TXN_PARENT_UNKNOWN)
		return false;
	if (!v[TYPE].n)
		v[TYPE] = SLICE("virtual_node");
	if (is_client) {
		red_server(t, text, &v[SERVER], &port);
		v[SERVER_SPACE] = slice_str(t->server_space);
	} else
		v[CLIENT] = SLICE("user");
	return true;
}

/* --- the edges held --- */

static uint64_t edge_hash(uint64_t h, const struct slice v[LABELS])
{
	for (int i = 0; i < LABELS; i++)
		h = hash_slice(h, v[i]);
	return h;
}

/* A place for one more; NULL: there is none. */
static struct kept_edge *edge_new(struct graph *g, uint64_t hash)
{
	struct kept_edge *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	if (map_put(&g->by_hash, hash, k) < 0) {
		free(k);
		return NULL;
	}
	list_init(&k->age);
	g->edges[g->n++] = k;
	return k;
}

/* The place of the one that nobody used for the longest time; NULL: all are used. */
static struct kept_edge *edge_replace(struct graph *g, uint64_t hash, uint64_t now_ns)
{
	struct kept_edge *k = LIST_ENTRY(g->by_age.next, struct kept_edge, age);

	if (now_ns < k->seen_ns || now_ns - k->seen_ns < GRAPH_IDLE_NS ||
	    map_put(&g->by_hash, hash, k) < 0)
		return NULL;
	map_del(&g->by_hash, k->hash);
	list_del(&k->age);
	minute_free(&k->last);
	memset(&k->last, 0, sizeof(k->last));
	memset(&k->edge, 0, sizeof(k->edge));
	g->forgotten++;
	return k;
}

static struct kept_edge *edge_get(struct graph *g, const struct slice v[LABELS], uint64_t now_ns)
{
	uint64_t hash = edge_hash(g->seed, v);
	struct kept_edge *k = map_get(&g->by_hash, hash);

	if (k)
		return k;
	k = g->n < GRAPH_EDGES_MAX ? edge_new(g, hash) : edge_replace(g, hash, now_ns);
	if (!k)
		return NULL;
	k->hash = hash;
	k->serial = ++g->last_serial;
	slice_copy(k->edge.client, sizeof(k->edge.client), v[CLIENT]);
	slice_copy(k->edge.client_space, sizeof(k->edge.client_space), v[CLIENT_SPACE]);
	slice_copy(k->edge.server, sizeof(k->edge.server), v[SERVER]);
	slice_copy(k->edge.server_space, sizeof(k->edge.server_space), v[SERVER_SPACE]);
	k->edge.type = slice_eq(v[TYPE], SLICE("database"))	  ? "database"
		       : slice_eq(v[TYPE], SLICE("virtual_node")) ? "virtual_node"
								  : "";
	return k;
}

static void count_edge(struct graph *g, struct kept_edge *k, const struct txn *t)
{
	if (!k) {
		g->left_out++;
		return;
	}
	k->seen_ns = t->end_ns;
	list_del(&k->age);
	list_push(&g->by_age, &k->age);
	k->edge.is_client_known = t->role == SONDE_ROLE_CLIENT || t->other;
	k->edge.is_server_known = t->role == SONDE_ROLE_SERVER || t->other;
	k->edge.requests++;
	k->edge.failed += t->error_type[0] != '\0';
	minute_add(&k->last, t);
}

/* --- the series --- */

static struct series *series_of(struct series_store *st, enum metric_id id,
				const struct slice v[LABELS], const struct txn *t,
				struct graph_place *at)
{
	struct series *s = series_get(st, id, NULL, v, t->end_ns);

	at->is_found &= s && !s->is_overflow; /* each one that overflows is told */
	return s;
}

static void place_edge(struct graph *g, const struct slice v[LABELS], const struct txn *t,
		       struct graph_place *at)
{
	at->edge = edge_get(g, v, t->end_ns);
	at->edge_serial = at->edge ? at->edge->serial : 0;
}

static void find(struct graph *g, struct series_store *st, const struct txn *t,
		 struct graph_place *at)
{
	bool is_client = t->role == SONDE_ROLE_CLIENT;
	struct slice v[LABELS] = { 0 };
	struct red_text text;

	*at = (struct graph_place){ .is_found = true };
	if (!edge_of(t, &text, v))
		return;
	at->duration =
		series_of(st, is_client ? METRIC_GRAPH_CLIENT : METRIC_GRAPH_SERVER, v, t, at);
	if (!is_client && t->other)
		return; /* its client has been counted, or will be */
	at->is_counted = true;
	at->requests = series_of(st, METRIC_GRAPH_REQUESTS, v, t, at);
	if (t->error_type[0])
		at->failed = series_of(st, METRIC_GRAPH_FAILED, v, t, at);
	place_edge(g, v, t, at);
}

/* There was no room, or its place is another's by now. */
static void find_edge(struct graph *g, const struct txn *t, struct graph_place *at)
{
	struct slice v[LABELS] = { 0 };
	struct red_text text;

	if (edge_of(t, &text, v))
		place_edge(g, v, t, at);
}

static void count(struct series *s, const struct txn *t)
{
	if (!s)
		return;
	series_touch(s, t->end_ns);
	s->value++;
}

void graph_txn(struct graph *g, struct series_store *st, const struct txn *t,
	       struct graph_place *at)
{
	if (!at->is_found)
		find(g, st, t, at);
	else if (at->is_counted && (!at->edge || at->edge->serial != at->edge_serial))
		find_edge(g, t, at);
	if (at->duration) {
		series_touch(at->duration, t->end_ns);
		hist_record(&at->duration->hist, txn_duration_ns(t));
	}
	count(at->requests, t);
	count(at->failed, t);
	if (at->is_counted)
		count_edge(g, at->edge, t);
}

size_t graph_read(const struct graph *g, uint64_t now_ns, struct graph_edge *out, size_t max)
{
	size_t n = g->n < max ? g->n : max;

	for (size_t i = 0; i < n; i++) {
		out[i] = g->edges[i]->edge;
		minute_read(&g->edges[i]->last, g->began_ns, now_ns, &out[i].last);
	}
	return n;
}

uint64_t graph_left_out(const struct graph *g)
{
	return g->left_out;
}

uint64_t graph_forgotten(const struct graph *g)
{
	return g->forgotten;
}

void graph_tick(struct series_store *st, uint64_t now_ns)
{
	static const enum metric_id ids[] = { METRIC_GRAPH_REQUESTS, METRIC_GRAPH_FAILED,
					      METRIC_GRAPH_CLIENT, METRIC_GRAPH_SERVER };

	if (now_ns < GRAPH_IDLE_NS)
		return;
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
		series_make_room(st, ids[i], now_ns - GRAPH_IDLE_NS);
}
