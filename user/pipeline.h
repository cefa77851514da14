/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The flow of one source: records in, decoded, given to the processes and the connections;
 * transactions out, completed with who and which route, to the exporters. The same object serves
 * live observation and replay: time enters only through records and pipeline_tick().
 */
#ifndef PIPELINE_H
#define PIPELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "capture/source.h"
#include "export/export.h"
#include "identity/process.h"
#include "stream/conn.h"
#include "trace/keep.h"
#include "trace/trace.h"

enum { PIPELINE_EXPORTERS_MAX = 8 };

struct addresses;
struct containers;
struct naming;
struct recorder;
struct routes;

struct pipeline_opts {
	struct source *source;	   /* borrowed */
	struct recorder *recorder; /* borrowed; NULL: keep no recording */
	bool is_live;
	bool routes;
	struct containers *containers;	   /* borrowed; NULL: nobody is asked about them */
	const struct addresses *addresses; /* likewise: what servers' are called */
	struct sampler sampler;
	bool keep_errors, keep_slow; /* traces, whatever the sampler says */
	uint32_t protocols;
	void (*on_go)(void *ctx, uint32_t tgid);
	void (*on_encrypted)(void *ctx, uint32_t tgid); /* it was seen to speak TLS */
	/* the TLS library of a process, NULL: not known */
	const char *(*library_of)(void *ctx, uint32_t tgid);
	/* since when it is watched, 0: it is not; NULL: nobody knows */
	uint64_t (*tls_since)(void *ctx, uint32_t tgid);
	/* exec, fork and exit, after identity knows; NULL: not interested */
	void (*on_life)(void *ctx, const struct sonde_ev_hdr *h);
	void *ctx;
};

struct pipeline {
	struct pipeline_opts opts;
	struct processes *procs;
	struct conns *conns;
	struct trace *trace;
	struct keep *keep; /* NULL: only what is sampled is */
	struct routes *routes;
	struct naming *naming;
	bool has_news; /* the address of the transaction in hand is called otherwise: */
	struct sonde_ev_address news;
	struct exporter exporters[PIPELINE_EXPORTERS_MAX];
	size_t n_exporters;
	uint64_t now_ns;		       /* of the record or tick in hand */
	struct process *process;	       /* whose record it is; NULL: look it up */
	uint64_t records;		       /* taken from the source */
	uint64_t bad_records;		       /* refused by decode: LOSS_BAD_RECORD */
	uint64_t by_kind[SONDE_EV_KERNEL_MAX]; /* good ones that the kernel makes */
};

int pipeline_init(struct pipeline *p, const struct pipeline_opts *opts); /* 0, -ENOMEM */
void pipeline_add(struct pipeline *p, const struct exporter *e);
/* Takes up to `budget` records. As source_ops.read. */
int pipeline_read(struct pipeline *p, int budget);
/* One record that comes from elsewhere than the source goes the same way. 0, or as decode(). */
int pipeline_record(struct pipeline *p, const void *rec, size_t size);
/* Time goes on, and a connection was found gone: both recorded, so that replay does alike. */
void pipeline_tick(struct pipeline *p, uint64_t now_ns);
bool pipeline_holds(const struct pipeline *p); /* something that only time will release */
void pipeline_sweep(struct pipeline *p, uint64_t cookie, uint64_t now_ns);
/* From now on so many connections of every SONDE_KEEP_ALL are observed: recorded likewise. */
void pipeline_shed(struct pipeline *p, uint32_t keep, uint64_t now_ns);
/* Nothing more comes: what is held back is delivered. Recorded; a recording that was cut has none. */
void pipeline_end(struct pipeline *p);
/* From now on records are kept by it too, with who the processes known are; NULL: no longer, and
 * what the one of before holds says that it has ended. */
void pipeline_record_to(struct pipeline *p, struct recorder *recorder);
/* n records of datagrams found no room, since last told; recorded too. */
void pipeline_lost(struct pipeline *p, uint64_t n, uint64_t now_ns);
/* Requests in flight, the oldest first: conns_each_oldest(), with whose they are. Their route is
 * what they ask for, which only teaches the templates when it is answered: empty. */
size_t pipeline_each_oldest(struct pipeline *p, size_t max, uint64_t now_ns,
			    void (*fn)(void *ctx, const struct txn *t), void *ctx);
void pipeline_free(struct pipeline *p); /* closes the exporters */

#endif
