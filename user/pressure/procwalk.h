/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every process of the host uses up: a walk over /proc, a few processes in each turn of the
 * loop, and again. The busiest have series of their own, all of them count for their service, whose
 * counters go on when processes end.
 */
#ifndef PROCWALK_H
#define PROCWALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "identity/process.h"
#include "metrics/series.h"
#include "util/full.h"

struct procwalk;

struct procwalk_opts {
	const char *proc;    /* borrowed; NULL: "/proc" */
	const char *cgroups; /* the unified hierarchy; borrowed; NULL: it is found */
	struct processes *procs;
	struct series_store *store; /* borrowed */
	uint32_t self_tgid;	    /* left out */
	size_t max;		    /* processes with series of their own */
	/* Is this process to be observed? NULL: all are. */
	bool (*asks)(void *ctx, uint32_t tgid);
	void *ctx;
};

struct procwalk *procwalk_new(const struct procwalk_opts *opts); /* NULL: out of memory */
void procwalk_free(struct procwalk *w);

/* Goes on with the walk: at most budget_ns, or one process. */
void procwalk_turn(struct procwalk *w, uint64_t now_ns, uint64_t budget_ns);

/* A process ended, `code` as wait(2) gives it. */
void procwalk_exit(struct procwalk *w, const struct sonde_ev_exit *ev);

/* And that is all it used: what its end took is its service's, too. */
void procwalk_rest(struct procwalk *w, const struct sonde_ev_rest *ev);

/* So many bytes more went through a process's connections. */
void procwalk_network(struct procwalk *w, uint32_t tgid, uint64_t sent, uint64_t received);

/* What found no room so far: FULL_PROCESS_CHILDREN, _ENDS, _BYTES. */
void procwalk_full(const struct procwalk *w, struct fulls *full);

/* The one service that has processes in the control group of that number (version 2), as the last
 * walk met them; NULL: none, or several. */
const struct service *procwalk_service_of_group(const struct procwalk *w, uint64_t group);

/* Writes what is known by now into the store. */
void procwalk_publish(struct procwalk *w, uint64_t now_ns);

#endif
