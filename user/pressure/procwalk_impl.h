/* SPDX-License-Identifier: Apache-2.0 */
/* What the walk (procwalk.c) and its publication (procwalk_publish.c) share. */
#ifndef PROCWALK_IMPL_H
#define PROCWALK_IMPL_H

#include <dirent.h>
#include "pressure/procwalk.h"
#include "pressure/stalls.h"
#include "pressure/usage.h"
#include "util/map.h"

/* Of a service: what its processes used since we look, those that ended included. */
struct sums {
	const struct service *service;
	uint64_t user_ns, system_ns;
	uint64_t read_bytes, written_bytes;
	uint64_t resident_bytes; /* now, of those that live */
	uint64_t idle_ns;	 /* when its last process ended */
	uint64_t restarts;	 /* a process after there was none left */
	uint32_t alive, held;	 /* processes that live, and that are remembered */
	uint32_t stalls_walk;	 /* that has read: */
	struct stalls stalls;	 /* of the control group of the first process it met */
	bool has_stalls;
	bool was_walked; /* had a process that lived long enough for a walk to meet */
};

struct walked {
	uint32_t tgid;
	uint32_t walk; /* that met it last */
	struct sums *sums;
	struct usage usage;
	uint64_t counted_read, counted_written; /* of its bytes, those its service was told of */
	uint64_t score;				/* CPU used lately, halved with each walk */
	uint64_t gone_ns;
	bool is_shown; /* has series of its own */
};

/* What children that ended had moved from and to disks: it comes to a process's own figures as soon
 * as it waits for them (the kernel's wait_task_zombie()), and is in their service's sums already. */
struct inherited {
	uint64_t read_bytes, written_bytes;
};

/* Of a process that has ended, until it is told what its end took. */
struct ended {
	uint64_t start_ns;
	uint64_t gone_ns;
	struct sums *sums; /* held */
	struct usage told; /* that its service was told of */
	uint32_t heir;	   /* who waits for it */
};

/* What went through a process's connections since we look; it may be told before a walk has met the
 * process, and after its end. */
struct moved {
	uint64_t sent, received;
	uint32_t walk; /* under way when it was told last */
};

struct procwalk {
	struct procwalk_opts opts;
	struct stalls_source *stalls; /* NULL: control groups have no such figures here */
	DIR *dir;		      /* of the walk under way */
	struct map walked;	      /* by process number: owned struct walked */
	struct map services;	      /* by service's id: owned struct sums */
	struct map inherited;	      /* by process number: owned struct inherited, not come yet */
	struct map ended;	      /* by process number: owned struct ended */
	struct map network;	      /* by process number: owned struct moved */
	struct walked **order;
	size_t n_order;
	uint64_t began_ns;
	uint64_t left_out; /* processes there was no room for, in the last walk */
	uint64_t no_ends;  /* so often there was no room to wait for what an end takes */
	uint64_t no_bytes; /* likewise for what went through connections */
	uint64_t no_heirs; /* so often a parent found no room for what its children left */
	uint32_t walk;
	bool has_walked; /* all that are older than us are known */
};

/* Of what is told before and behind, the growth goes to the service. */
void procwalk_account(struct sums *s, const struct usage *before, const struct usage *now);
/* What a process moved from and to disks will come to its heir's figures, too, if that waits for
 * it. */
void procwalk_bequeath(struct procwalk *w, uint32_t heir, uint64_t now_ns, uint64_t read_bytes,
		       uint64_t written_bytes);

/* --- procwalk_ended.c --- */

/* It has ended: there may be a rest. */
void procwalk_ended(struct procwalk *w, const struct walked *p, const struct sonde_ev_exit *ev,
		    uint32_t heir);
void procwalk_sweep_ended(struct procwalk *w, uint64_t now_ns);
void procwalk_free_ended(struct procwalk *w);

#endif
