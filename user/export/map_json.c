// SPDX-License-Identifier: Apache-2.0
#include "export/map_json.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "metrics/graph.h"

static json_t *seconds(uint64_t ns, bool is_known)
{
	return is_known ? json_real((double)ns * 1e-9) : json_null();
}

static json_t *edge_json(const struct graph_edge *e)
{
	const struct minute_figures *f = &e->last;
	json_t *o = json_object();

	json_object_set_new(o, "client", json_string(e->client));
	json_object_set_new(o, "server", json_string(e->server));
	if (e->client_space[0])
		json_object_set_new(o, "client_service_namespace", json_string(e->client_space));
	if (e->server_space[0])
		json_object_set_new(o, "server_service_namespace", json_string(e->server_space));
	json_object_set_new(o, "connection_type", json_string(e->type));
	json_object_set_new(o, "requests", json_integer((json_int_t)e->requests));
	json_object_set_new(o, "failed", json_integer((json_int_t)e->failed));
	json_object_set_new(o, "rate", json_real(f->rate));
	json_object_set_new(o, "error_ratio", json_real(f->error_ratio));
	json_object_set_new(o, "p50_seconds", seconds(f->p50_ns, f->count));
	json_object_set_new(o, "p95_seconds", seconds(f->p95_ns, f->count));
	json_object_set_new(o, "p99_seconds", seconds(f->p99_ns, f->count));
	return o;
}

static void put_node(json_t *nodes, const char *name, const char *space, const char *kind)
{
	size_t i;
	json_t *node;

	json_array_foreach(nodes, i, node)
	{
		const char *other = json_string_value(json_object_get(node, "namespace"));

		if (strcmp(json_string_value(json_object_get(node, "name")), name) == 0 &&
		    strcmp(other ? other : "", space) == 0)
			return;
	}
	node = json_object();
	json_object_set_new(node, "name", json_string(name));
	if (space[0])
		json_object_set_new(node, "namespace", json_string(space));
	json_object_set_new(node, "kind", json_string(kind));
	json_array_append_new(nodes, node);
}

char *map_json(const struct graph *g, uint64_t now_ns)
{
	struct graph_edge *edges = calloc(GRAPH_EDGES_MAX, sizeof(*edges));
	json_t *o = json_object(), *nodes = json_array(), *list = json_array();
	size_t n = edges ? graph_read(g, now_ns, edges, GRAPH_EDGES_MAX) : 0;
	char *text = NULL;

	for (size_t i = 0; i < n; i++) {
		const struct graph_edge *e = &edges[i];

		put_node(nodes, e->client, e->client_space,
			 e->is_client_known ? "service" : "outside");
		put_node(nodes, e->server, e->server_space,
			 e->is_server_known ? "service" : "outside");
		json_array_append_new(list, edge_json(e));
	}
	json_object_set_new(o, "nodes", nodes);
	json_object_set_new(o, "edges", list);
	json_object_set_new(o, "left_out", json_integer((json_int_t)graph_left_out(g)));
	json_object_set_new(o, "forgotten", json_integer((json_int_t)graph_forgotten(g)));
	if (edges)
		text = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	free(edges);
	return text;
}
