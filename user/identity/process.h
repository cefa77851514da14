/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pid -> who. Learns from exec, fork and exit records the moment they happen, and from /proc for
 * processes older than the observer (live only, one process at a time, cached). A process that is
 * gone is kept for 5 minutes, or until 8,192 others are gone too, so that its last transactions
 * still have a name.
 */
#ifndef PROCESS_H
#define PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "sonde_abi.h"
#include "identity/service.h"
#include "util/full.h"

struct process {
	uint32_t tgid;
	uint32_t ppid;
	char comm[SONDE_COMM_LEN];
	struct service *service;
	uint64_t start_ns;
	uint64_t gone_ns; /* 0 while alive */
	bool is_go;
};

struct processes;
struct containers;

struct processes_opts {
	bool is_live;	       /* may read /proc */
	size_t max;	       /* held (0: 65,536): gone ones go first, then least recently used */
	const char *proc_root; /* borrowed; NULL: "/proc" */
	const char *host_id;   /* copied; NULL: the machine-id when live */
	struct containers *containers; /* borrowed; NULL: nobody is asked about them */
	/* Called when a process was first resolved or changed, before its first use: the recorder
	 * writes it down. May be NULL. */
	void (*on_identity)(void *ctx, const struct process *p);
	/* Called when a live process turned out to run Go: the probe tells the kernel. */
	void (*on_go)(void *ctx, uint32_t tgid);
	void *ctx;
};

struct processes *processes_new(const struct processes_opts *opts); /* NULL: out of memory */
void processes_free(struct processes *ps);

/* Never NULL: an unknown pid gets a process of service "unknown_service". Valid until the next
 * tick, or until `max` other processes have been seen; the service is valid as long as the table. */
struct process *process_get(struct processes *ps, uint32_t tgid, uint64_t now_ns);

void process_exec(struct processes *ps, const struct sonde_ev_exec *ev);
void process_fork(struct processes *ps, const struct sonde_ev_fork *ev);
void process_exit(struct processes *ps, const struct sonde_ev_exit *ev);
void process_recorded(struct processes *ps, const struct sonde_ev_process *ev); /* replay */
void processes_tick(struct processes *ps, uint64_t now_ns);

/* Every process known, in no order. */
void processes_each(struct processes *ps, void (*fn)(void *ctx, const struct process *p),
		    void *ctx);
/* Adds how often there was no room for a process or a service. */
void processes_full(const struct processes *ps, struct fulls *full);
size_t processes_count(const struct processes *ps);
void processes_each_service(struct processes *ps, void (*fn)(void *ctx, struct service *s),
			    void *ctx);

#endif
