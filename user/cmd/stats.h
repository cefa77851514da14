/* SPDX-License-Identifier: Apache-2.0 */
/* Statistics over what a pipeline gives, and over sonde itself, as run, top and replay --metrics
 * keep them. */
#ifndef STATS_H
#define STATS_H

#include "config.h"
#include "metrics/offcpu.h"
#include "metrics/recent.h"
#include "metrics/red.h"
#include "metrics/self.h"
#include "pipeline.h"
#include "pressure/procwalk.h"
#include "pressure/reclaim.h"
#include "pressure/tallies.h"

struct go_files;
struct inquiry;
struct namespaces;
struct tls;

struct stats {
	struct pipeline *pipeline;	     /* borrowed */
	const struct config *config;	     /* borrowed */
	struct probe *probe;		     /* borrowed; NULL: a replay */
	const struct inquiry *inquiry;	     /* borrowed; NULL: nobody is asked about containers */
	const struct propagation *propagate; /* borrowed; of the observer, and why there is none */
	const char *propagate_off;
	/* whose tables are told of; borrowed, NULL: there is none */
	const struct namespaces *namespaces;
	const struct tls *tls;
	const struct go_files *go_files;
	struct red *red;
	struct recent *recent;
	struct offcpu offcpu;
	struct reclaims reclaims;
	struct procwalk *procwalk;	   /* NULL: a replay */
	struct tallies *tallies;	   /* the same */
	const struct sonde_filter *filter; /* borrowed */
	uint64_t began_ns;
	uint64_t now_ns; /* of the tick, for its callbacks */
	/* Writes series of who else has some, before they are read; NULL: nobody has. */
	void (*publish)(void *ctx, struct series_store *st, uint64_t now_ns);
	void *publish_ctx;
	struct self self; /* as of the last stats_self() or stats_collect() */
	char host[256];
};

/* Adds itself to the pipeline, which has to go before it. 0, -ENOMEM after saying so on stderr;
 * stats_close() is due either way. */
int stats_open(struct stats *s, struct pipeline *p, struct probe *probe, const struct config *c,
	       uint64_t now_ns);
void stats_close(struct stats *s); /* a zeroed one is accepted */

const struct self *stats_self(struct stats *s, uint64_t now_ns);
/* All series, brought up to date; borrowed. */
struct series_store *stats_collect(struct stats *s, uint64_t now_ns);

#endif
