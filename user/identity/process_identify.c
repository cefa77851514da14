/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who a process is, by what can be read of it, or recalled. A child that did not exec is what its
 * parent is.
 */
#include "identity/process_table.h"

#include <stdlib.h>
#include "identity/cgroup.h"
#include "identity/resolve.h"

enum { PROCESS_ANCESTORS_MAX = 8 };

struct process_entry *process_parent(struct processes *ps, const struct process_entry *e)
{
	struct process_entry *parent = map_get(&ps->by_tgid, e->p.ppid);
	struct procfs_stat st;

	if (!e->p.ppid || e->p.ppid == e->p.tgid)
		return NULL;
	if (!parent) { /* older than the observer */
		/* a full table would give up another for it, perhaps the child */
		if (!ps->opts.is_live || ps->by_tgid.n >= ps->opts.max ||
		    procfs_stat(ps->opts.proc_root, e->p.ppid, &st) < 0)
			return NULL;
		if (e->p.start_ns && st.start_ns > e->p.start_ns)
			return NULL;
		return process_entry(ps, e->p.ppid);
	}
	if (e->fork_ns && (parent->exec_ns > e->fork_ns || parent->fork_ns > e->fork_ns))
		return NULL;
	return parent;
}

static void identify(struct processes *ps, struct process_entry *e, uint64_t now_ns, int depth);

/* True when the process is now what its parent is. */
static bool entry_inherit(struct processes *ps, struct process_entry *e, uint64_t now_ns, int depth)
{
	struct process_entry *parent;

	if (depth >= PROCESS_ANCESTORS_MAX)
		return false;
	parent = process_parent(ps, e);
	if (!parent)
		return false;
	if (!parent->is_resolved)
		identify(ps, parent, now_ns, depth + 1);
	if (strcmp(parent->p.service->name, SERVICE_UNKNOWN) == 0)
		return false;
	if (!e->p.comm[0])
		memcpy(e->p.comm, parent->p.comm, sizeof(e->p.comm));
	process_bind(e, parent->p.service);
	e->container_key = parent->container_key;
	e->container_version = parent->container_version;
	return true;
}

/* What /proc says, as far as it speaks of this process and not of a successor with its pid. */
static bool entry_read(struct processes *ps, struct process_entry *e, struct resolved *r)
{
	if (!ps->opts.is_live || e->p.gone_ns)
		return false;
	if (resolve_process(ps->opts.proc_root, e->p.tgid, r) < 0)
		return false;
	if (e->p.start_ns && !procfs_same_start(e->p.start_ns, r->stat.start_ns))
		return false;
	if (!e->p.start_ns)
		e->p.start_ns = r->stat.start_ns;
	if (!e->p.ppid)
		e->p.ppid = r->stat.ppid;
	if (!e->p.comm[0])
		memcpy(e->p.comm, r->stat.comm, sizeof(e->p.comm));
	process_cgroup_told(ps, e, r);
	return true;
}

/* Gone before its cgroup could be read: what is known of it without. */
static void entry_recall_cgroup(const struct process_entry *e, struct resolved *r)
{
	if (r->cgroup[0] || !e->cgroup)
		return;
	slice_copy(r->cgroup, sizeof(r->cgroup), slice_str(e->cgroup->path));
	container_of_path(slice_str(r->cgroup), &r->container);
	if (!cgroup_unit(slice_str(r->cgroup), r->unit, sizeof(r->unit)))
		r->unit[0] = '\0';
}

static void identify(struct processes *ps, struct process_entry *e, uint64_t now_ns, int depth)
{
	struct resolved r;
	bool is_worker;

	if (e->fork_ns && !e->exec_ns && entry_inherit(ps, e, now_ns, depth))
		return;
	if (!entry_read(ps, e, &r))
		r = (struct resolved){ .is = PROGRAM_NAMELESS };
	entry_recall_cgroup(e, &r);
	is_worker = e->program ? e->program_is == PROGRAM_WORKER : r.is == PROGRAM_WORKER;
	if (is_worker && !r.env.name[0] && entry_inherit(ps, e, now_ns, depth))
		return;
	process_bind(e, process_service(ps, e, &r, now_ns));
}

void process_identify(struct processes *ps, struct process_entry *e, uint64_t now_ns)
{
	identify(ps, e, now_ns, 0);
}
