/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What an interrupt finds at work already. Of a program that is interrupted the kernel leaves out
 * every run that the interrupt asks for on that CPU: at a hook that fires in threads and in softirqs
 * alike, connections would begin and bytes arrive unseen, as many as the softirq has at hand. So at
 * such a hook a program stands twice, and the second does what the first was left out of:
 *
 *	thread   first ......................... second
 *	softirq           (first is left out)
 *	                  second does its work
 *
 * An interrupt of the second leaves out seconds only, of which the firsts have done the work. User
 * space attaches the second behind the first, and only then turns it on.
 */
#ifndef AGAIN_BPF_H
#define AGAIN_BPF_H

#include "sonde.bpf.h"

enum { TURNS_STATE, TURNS_ARRIVAL, TURNS_RESET_IN, TURNS_RESET_OUT, TURNS_MAX };

struct turn {
	u64 at;	     /* what the first has taken on and the second not asked for yet */
	u64 before;  /* the same of whom it has interrupted */
	u64 made_up; /* runs of the first that were left out, and done by the second */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, TURNS_MAX);
	__type(key, u32);
	__type(value, struct turn);
} turns SEC(".maps") __weak;

__u32 has_second[TURNS_MAX] __weak; /* written by user space */

/* By the first, before all else. */
static __always_inline void turn_take(u32 hook, const void *what)
{
	struct turn *t = has_second[hook] ? bpf_map_lookup_elem(&turns, &hook) : NULL;

	if (t) {
		t->before = t->at;
		t->at = (u64)what;
	}
}

/* By the second: has the first been left out? */
static __always_inline bool turn_is_mine(u32 hook, const void *what)
{
	struct turn *t = has_second[hook] ? bpf_map_lookup_elem(&turns, &hook) : NULL;

	if (!t)
		return false;
	if (t->at == (u64)what) {
		t->at = t->before;
		t->before = 0;
		return false;
	}
	if (t->before) { /* firsts without seconds came in between: they have interrupted this one */
		t->at = t->before = 0;
		return false;
	}
	t->made_up++;
	return true;
}

#endif
