/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Which processes and connections are observed: decided here, before anything is copied. */
#ifndef FILTER_BPF_H
#define FILTER_BPF_H

#include "loop.bpf.h"

enum {
	GLOB_TEXT_MAX = 256,
	GLOB_STEPS = 600,
	GLOB_MAX = sizeof(struct sonde_glob),
	GLOBS_SIZE = 4 * SONDE_GLOBS * GLOB_MAX, /* the four lists, one behind the other */
	CGROUP_DEPTH = 10,
	CGROUP_NAME = 64,
};

/* Where the glob and the text have got to; the last star, and what it has swallowed: backtracking
 * that far will do. */
struct glob_at {
	u32 g, t, star, mark;
};

struct glob_text {
	char s[GLOB_TEXT_MAX + CGROUP_NAME]; /* room for the last part of a path to be cut */
	struct glob_at at;		     /* of the match under way where loops are bare */
};

/* Too large for the stack, and not the CPU's, which another task may be given meanwhile: the text
 * belongs to the task that is decided about, for as long as that takes. */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct glob_text);
} glob_texts SEC(".maps") __weak;

/* One match under way. */
struct glob_state {
	const volatile struct sonde_glob *glob;
	const struct glob_text *text;
	struct glob_at at;
	bool matches;
};

enum { GLOB_GOES_ON, GLOB_FAILS, GLOB_MATCHES };

/* One step, at these characters of the glob and of the text; 0: the end. */
static __always_inline int glob_compare(char gc, char tc, struct glob_at *at)
{
	if (gc == '*') {
		at->star = at->g++;
		at->mark = at->t;
	} else if (!tc) {
		return gc ? GLOB_FAILS : GLOB_MATCHES;
	} else if (gc == tc || gc == '?') {
		at->g++;
		at->t++;
	} else if (at->star != ~0u) {
		at->g = at->star + 1;
		at->t = ++at->mark;
	} else {
		return GLOB_FAILS;
	}
	return GLOB_GOES_ON;
}

static __always_inline char glob_text_at(const struct glob_text *text, u32 t)
{
	return t < GLOB_TEXT_MAX ? text->s[t & (GLOB_TEXT_MAX - 1)] : 0;
}

static long glob_step(u32 i, struct glob_state *m)
{
	u32 g = m->at.g;
	char gc = g < GLOB_MAX ? m->glob->text[g & (GLOB_MAX - 1)] : 0;
	int said = glob_compare(gc, glob_text_at(m->text, m->at.t), &m->at);

	m->matches = said == GLOB_MATCHES;
	return said != GLOB_GOES_ON;
}

/* The same where loops are bare: globs are told apart by their numbers among all. */
__weak __noinline int glob_step_bare(struct glob_text *text, u32 number)
{
	const volatile char *globs = filter.comms[0].text;
	char gc = 0;
	u32 g;

	if (!is_bare || !text)
		return GLOB_FAILS;
	g = text->at.g;
	if (g < GLOB_MAX)
		gc = globs[(number * GLOB_MAX + g) & (GLOBS_SIZE - 1)];
	return glob_compare(gc, glob_text_at(text, text->at.t), &text->at);
}

__weak __noinline int glob_bare(struct glob_text *text, u32 number, u32 from)
{
	int said = GLOB_GOES_ON;

	if (!is_bare || !text)
		return false;
	text->at = (struct glob_at){ .t = from, .star = ~0u };
	for (u32 i = 0; i < GLOB_STEPS && said == GLOB_GOES_ON; i++)
		said = glob_step_bare(text, number);
	return said == GLOB_MATCHES;
}

static __always_inline bool glob_any_bare(const volatile struct sonde_glob *globs, u32 n,
					  struct glob_text *text, u32 from)
{
	u32 first = globs - filter.comms;

	for (u32 i = 0; i < SONDE_GLOBS; i++)
		if (i < n && glob_bare(text, first + i, from))
			return true;
	return false;
}

/* Against the text from `from` on. */
static __always_inline bool glob_any(const volatile struct sonde_glob *globs, u32 n,
				     struct glob_text *text, u32 from)
{
	if (is_bare)
		return glob_any_bare(globs, n, text, from);
	for (u32 i = 0; i < SONDE_GLOBS; i++) {
		struct glob_state m = { .glob = &globs[i],
					.text = text,
					.at = { .t = from, .star = ~0u } };

		if (i >= n)
			break;
		bpf_loop(GLOB_STEPS, glob_step, &m, 0);
		if (m.matches)
			return true;
	}
	return false;
}

struct last_part {
	const struct glob_text *text;
	u32 from;
};

static long last_part_step(u32 i, struct last_part *l)
{
	char c = l->text->s[i & (GLOB_TEXT_MAX - 1)];

	if (c == '/')
		l->from = i + 1;
	return !c;
}

__weak __noinline int last_part_bare(const struct glob_text *text)
{
	struct last_part last = { .text = text };
	u32 i = 0;

	if (is_bare && text)
		while (i < GLOB_TEXT_MAX && !last_part_step(i, &last))
			i++;
	return last.from;
}

/* Full path, or its last part. */
static __always_inline bool glob_any_path(const volatile struct sonde_glob *globs, u32 n,
					  struct glob_text *text)
{
	struct last_part last = { .text = text };

	if (glob_any(globs, n, text, 0))
		return true;
	if (is_bare)
		last.from = last_part_bare(text);
	else
		bpf_loop(GLOB_TEXT_MAX, last_part_step, &last, 0);
	return last.from && glob_any(globs, n, text, last.from);
}

struct kernfs_node___before_6_15 {
	struct kernfs_node *parent;
} __attribute__((preserve_access_index));

static __always_inline struct kernfs_node *kernfs_parent(struct kernfs_node *kn)
{
	struct kernfs_node___before_6_15 *old = (void *)kn;
	struct kernfs_node *parent = NULL;
	const void *at;

	/* barriers: else both offsets are loaded ahead, and the one this kernel lacks is refused */
	if (bpf_core_field_exists(old->parent)) {
		at = &old->parent;
		barrier_var(at);
	} else {
		at = __builtin_preserve_access_index(&kn->__parent);
		barrier_var(at);
	}
	bpf_probe_read_kernel(&parent, sizeof(parent), at);
	return parent;
}

/* The task's cgroup of memory, whichever hierarchy that is in. NULL: the kernel has none. */
static __always_inline struct kernfs_node *memory_group(struct task_struct *task)
{
	struct cgroup_subsys_state *css = NULL;
	struct css_set *set;

	if (!bpf_core_enum_value_exists(enum cgroup_subsys_id, memory_cgrp_id))
		return NULL;
	set = BPF_CORE_READ(task, cgroups);
	bpf_probe_read_kernel(
		&css, sizeof(css),
		&set->subsys[bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id)]);
	return BPF_CORE_READ(css, cgroup, kn);
}

/* The path of the task's cgroup: of the unified hierarchy, or where that is unused, of memory's. */
static __always_inline void cgroup_path(struct task_struct *task, struct glob_text *out)
{
	struct kernfs_node *kn = BPF_CORE_READ(task, cgroups, dfl_cgrp, kn), *up[CGROUP_DEPTH] = {};
	u32 n = 0;

	if (!kernfs_parent(kn))
		kn = memory_group(task);
	for (int i = 0; i < CGROUP_DEPTH && kn; i++) {
		struct kernfs_node *parent = kernfs_parent(kn);

		if (!parent)
			break;
		up[i] = kn;
		kn = parent;
	}
	for (int i = CGROUP_DEPTH - 1; i >= 0; i--) {
		long got;

		if (!up[i] || n > GLOB_TEXT_MAX - CGROUP_NAME - 2)
			continue;
		out->s[n++ & (GLOB_TEXT_MAX - 1)] = '/';
		got = bpf_probe_read_kernel_str(&out->s[n & (GLOB_TEXT_MAX - 1)], CGROUP_NAME,
						BPF_CORE_READ(up[i], name));
		if (got > 1)
			n += got - 1;
	}
	out->s[n & (GLOB_TEXT_MAX - 1)] = 0;
}

/* Every list. `exe` is the program's name in kernel memory, a path or its last part. */
static __noinline bool lists_ask(struct task_struct *task, const char *exe, struct glob_text *text)
{
	if (filter.n_comms || filter.n_not_comms) {
		bpf_probe_read_kernel_str(text->s, SONDE_COMM_LEN,
					  BPF_CORE_READ(task, group_leader)->comm);
		if (glob_any(filter.not_comms, filter.n_not_comms, text, 0))
			return false;
		if (filter.n_comms && !glob_any(filter.comms, filter.n_comms, text, 0))
			return false;
	}
	if (filter.n_exes) {
		bpf_probe_read_kernel_str(text->s, GLOB_TEXT_MAX, exe);
		if (!glob_any_path(filter.exes, filter.n_exes, text))
			return false;
	}
	if (filter.n_cgroups) {
		cgroup_path(task, text);
		if (!glob_any(filter.cgroups, filter.n_cgroups, text, 0))
			return false;
	}
	return true;
}

/* What the lists say, SONDE_P_*. 0: there was no room to ask them in, which is counted. */
static __always_inline u32 filter_asks(struct task_struct *task, const char *exe)
{
	struct glob_text *text =
		bpf_task_storage_get(&glob_texts, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	u32 said = SONDE_P_DECIDED;

	if (!text) {
		count(SONDE_CNT_NO_STORAGE);
		return 0;
	}
	if (lists_ask(task, exe, text))
		said |= SONDE_P_OBSERVED;
	bpf_task_storage_delete(&glob_texts, task);
	return said;
}

static __always_inline bool filter_has_globs(void)
{
	return filter.n_comms || filter.n_not_comms || filter.n_exes || filter.n_cgroups;
}

static __always_inline bool filter_has_pid(u32 tgid)
{
	if (!filter.n_pids)
		return true;
	for (u32 i = 0; i < SONDE_PIDS; i++)
		if (i < filter.n_pids && filter.pids[i] == tgid)
			return true;
	return false;
}

/* Has nobody said yet where the process is, or could the lists not be asked? Then it is not
 * observed, and soon asked for again. */
static __always_inline bool filter_is_open(u32 tgid)
{
	u32 *known, flags;

	if (tgid == self_tgid || !filter_has_pid(tgid) ||
	    (!filter.asks_where && !filter_has_globs()))
		return false;
	known = bpf_map_lookup_elem(&processes, &tgid);
	flags = known ? *known : 0;
	if (flags & SONDE_P_OUTSIDE)
		return false;
	return (filter.asks_where && !(flags & SONDE_P_INSIDE)) ||
	       (filter_has_globs() && !(flags & SONDE_P_DECIDED));
}

/* Lets user space say where a process is: once, until it moves or begins another program. */
static __noinline int filter_ask(u32 tgid)
{
	u32 *known = bpf_map_lookup_elem(&processes, &tgid), flags = known ? *known : 0;
	struct sonde_ev_met *ev;

	if (flags & SONDE_P_WHERE)
		return 0;
	ev = control_new(0, SONDE_EV_MET, sizeof(*ev));
	if (!ev)
		return 0; /* counted; the next operation asks again */
	ev->tgid = tgid;
	control_submit(ev);
	flags |= SONDE_P_MET;
	bpf_map_update_elem(&processes, &tgid, &flags, BPF_ANY);
	return 0;
}

static __always_inline bool filter_is_inside(u32 tgid)
{
	u32 *known;

	if (!filter.asks_where)
		return true;
	known = bpf_map_lookup_elem(&processes, &tgid);
	if (known && *known & SONDE_P_INSIDE)
		return true;
	filter_ask(tgid);
	return false;
}

/* Is this process observed? Remembers what the lists said; cheap where there are none. */
static __always_inline bool filter_wants(u32 tgid, struct task_struct *task, const char *exe)
{
	u32 *known, flags, said;

	if (tgid == self_tgid || !filter_has_pid(tgid) || !filter_is_inside(tgid))
		return false;
	if (!filter_has_globs())
		return true;
	known = bpf_map_lookup_elem(&processes, &tgid);
	if (known && *known & SONDE_P_DECIDED)
		return *known & SONDE_P_OBSERVED;
	if (!exe)
		exe = (const char *)BPF_CORE_READ(task, mm, exe_file, f_path.dentry, d_name.name);
	flags = known ? *known & (SONDE_P_GO | SONDE_P_WHERE) : 0;
	said = filter_asks(task, exe);
	if (!said)
		return false;
	flags |= said;
	bpf_map_update_elem(&processes, &tgid, &flags, BPF_ANY);
	return said & SONDE_P_OBSERVED;
}

static __always_inline bool filter_wants_ports(u16 a, u16 b)
{
	if (!filter.n_ports)
		return true;
	for (u32 i = 0; i < SONDE_PORTS; i++)
		if (i < filter.n_ports && (filter.ports[i] == a || filter.ports[i] == b))
			return true;
	return false;
}

/* As filter_wants(), and asks nobody: what was decided at the process's exec, or before the
 * observer began. It need not be the current one. */
static __always_inline bool filter_wanted(u32 tgid)
{
	u32 *known;

	if (tgid == self_tgid || !filter_has_pid(tgid))
		return false;
	if (!filter_has_globs() && !filter.asks_where)
		return true;
	known = bpf_map_lookup_elem(&processes, &tgid);
	if (filter.asks_where && !(known && *known & SONDE_P_INSIDE))
		return false;
	return !filter_has_globs() || (known && *known & SONDE_P_OBSERVED);
}

#endif
