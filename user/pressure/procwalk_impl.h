/* SPDX-License-Identifier: Apache-2.0 */
/* What the walk (procwalk.c), what it keeps beside itself (procwalk_heirs.c, procwalk_network.c,
 * procwalk_ended.c) and its publication (procwalk_publish.c) share. */
#ifndef PROCWALK_IMPL_H
#define PROCWALK_IMPL_H

#include <dirent.h>
#include "pressure/procwalk.h"
#include "pressure/stalls.h"
#include "pressure/usage.h"
#include "util/map.h"

enum { PROCWALK_MAX = 32768 }; /* processes that are remembered */

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
/* A figure that only grows; what cannot be read any more is 0. */
static inline uint64_t procwalk_more(uint64_t now, uint64_t before)
{
	return now > before ? now - before : 0;
}

/* --- procwalk_heirs.c --- */

/* Up to these figures of a process. Those of one that lives are as of the walk before: by now the
 * ends of all children whose bytes may be in them have been told. */
void procwalk_account_io(struct procwalk *w, struct walked *p, uint64_t read_bytes,
			 uint64_t written_bytes);
/* Who waits for it, 0 not known. */
uint32_t procwalk_heir_of(struct procwalk *w, const struct sonde_ev_exit *ev);
/* What a process moved from and to disks will come to its heir's figures, too, if that waits for
 * it. */
void procwalk_bequeath(struct procwalk *w, uint32_t heir, uint64_t now_ns, uint64_t read_bytes,
		       uint64_t written_bytes);

/* To whom waits for it; and to whom waits for those that it has not waited for, their bytes. */
void procwalk_bequeath_all(struct procwalk *w, const struct sonde_ev_exit *ev, uint32_t heir);
void procwalk_free_heirs(struct procwalk *w);

/* --- procwalk_network.c --- */

void procwalk_sweep_network(struct procwalk *w);
void procwalk_free_network(struct procwalk *w);

/* --- procwalk_ended.c --- */

/* It has ended: there may be a rest. */
void procwalk_ended(struct procwalk *w, const struct walked *p, const struct sonde_ev_exit *ev,
		    uint32_t heir);
void procwalk_sweep_ended(struct procwalk *w, uint64_t now_ns);
void procwalk_free_ended(struct procwalk *w);

#endif
