/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who calls whom: each exchange counts on the edge between two services, once. Where both ends are
 * on this host both are known by name; else the other one is the address that was called, or "user"
 * where somebody from outside calls. Bounded: when it is full, an edge that was idle for
 * GRAPH_IDLE_NS gives its place to a new one; beyond that edges are in the metrics, not here.
 */
#ifndef GRAPH_H
#define GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "metrics/minute.h"
#include "metrics/series.h"
#include "txn.h"
#include "util/clock.h"

#define GRAPH_IDLE_NS (3600 * NS_PER_S)

enum { GRAPH_EDGES_MAX = 512 };

struct graph_edge {
	char client[128], client_space[64];
	char server[128], server_space[64];
	const char *type;  /* connection_type: "", "database", "virtual_node" */
	uint64_t requests; /* since it was first seen */
	uint64_t failed;
	bool is_client_known, is_server_known; /* services of this host */
	struct minute_figures last;	       /* minute, by graph_read() */
};

struct graph;
struct kept_edge;

/* Where the transactions of one edge and role count. All zero: to be found. Borrowed. */
struct graph_place {
	bool is_found;
	bool is_counted; /* as an exchange of the edge: the other end's is not */
	struct series *duration, *requests, *failed;
	struct kept_edge *edge; /* NULL: there are too many */
	uint64_t edge_serial;	/* whose place it was */
};

struct graph *graph_new(uint64_t now_ns); /* NULL: out of memory */
void graph_free(struct graph *g);

/* Counts a transaction at its end, in the graph and in the traces_service_graph_ series. `at` is
 * filled where that is not yet known, and good for all with the same services, server address,
 * kind of protocol, role, and whether it has an error and a known parent: until series are
 * dropped. */
void graph_txn(struct graph *g, struct series_store *st, const struct txn *t,
	       struct graph_place *at);

/* Drops series of edges that were idle for GRAPH_IDLE_NS from metrics that are full: one that comes
 * again begins anew at 0, as one that was never there. */
void graph_tick(struct series_store *st, uint64_t now_ns);

/* The edges, those that took another's place in that place: how many of at most `max` were written.
 */
size_t graph_read(const struct graph *g, uint64_t now_ns, struct graph_edge *out, size_t max);
uint64_t graph_left_out(const struct graph *g);	 /* exchanges on edges beyond the cap */
uint64_t graph_forgotten(const struct graph *g); /* edges that gave way */

#endif
