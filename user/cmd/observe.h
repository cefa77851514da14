/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every observing command has in common: probe, ring, pipeline, recorder and the loop that
 * turns them, from attaching to the orderly end.
 */
#ifndef OBSERVE_H
#define OBSERVE_H

#include <stdbool.h>
#include <stdint.h>
#include "capture/confine.h"
#include "capture/probe.h"
#include "capture/recording.h"
#include "cmd/cmd.h"
#include "cmd/governor.h"
#include "loop.h"
#include "pipeline.h"

struct inquiry;
struct propagation;
struct sweeper;
struct tls;

struct observer {
	struct config *config;
	const struct cmd_args *args;
	struct probe *probe;
	struct source *source;
	struct recorder *recorder;
	struct recorder_sums recorded; /* of the last recording, once it has ended */
	struct sweeper *sweeper;
	struct inquiry *inquiry;       /* who is asked about containers */
	struct namespaces *namespaces; /* NULL: not asked for */
	struct go_files *go_files;
	bool is_go_told;	       /* that some cannot be watched */
	struct tls *tls;	       /* NULL: no plaintext of TLS */
	struct propagation *propagate; /* NULL: nothing is put into requests */
	char propagate_off[256];       /* why, where it is asked for */
	struct pipeline pipeline;
	struct loop *loop;
	/* Set by the command before observer_run(); NULL: not interested. on_turn: after
	 * records were taken, and once a second; on_tick: once a second. */
	void (*on_turn)(void *ctx);
	void (*on_end)(void *ctx); /* before the rest of the ring is taken */
	void (*on_tick)(void *ctx, uint64_t now_ns);
	void *ctx;
	enum confine_reach reach; /* with whom connections are still made once it observes */

	/* private */
	int poll_timer;
	uint64_t poll_ns;
	uint64_t ticked_ns;
	uint64_t cpu_at_ns, cpu_used_ns;
	uint64_t lost_datagrams; /* told to the pipeline */
	double cpu_cores;	 /* used by sonde itself, over the last window */
	bool is_cpu_told;
	struct governor governor;
	bool is_pipeline;
};

/* Attaches. recording: where to keep one, NULL: nowhere. duration_ns: 0, until told. 0, or the exit
 * code after saying on stderr what is wrong; observer_close() is due either way. */
int observer_open(struct observer *o, const struct cmd_args *args, const char *recording,
		  uint64_t duration_ns);

/* Says `sonde: observing (...)`, `where` being the address served or NULL, then turns until ended
 * by a signal, its duration or observer_stop(). Takes what is still in the ring. The exit code. */
int observer_run(struct observer *o, const char *where);
/* Begins a recording while it observes, or ends the one there is (path NULL). 0, or -1 with one
 * line in err. */
int observer_record(struct observer *o, const char *path, char *err, size_t size);
void observer_stop(struct observer *o);
void observer_close(struct observer *o); /* flushes the recording */

/* Programs attached; programs there could be in *of. */
size_t observer_programs(const struct observer *o, size_t *of);
const char *tier_name(enum probe_tier tier);

#endif
