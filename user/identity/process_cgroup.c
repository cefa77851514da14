/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In which cgroup a process is. A service has one instance in each, so that one that was gone before
 * anybody could look must not be taken for one somewhere else: its cgroup is that of its exec
 * record's id, and where the id says nothing (in a hierarchy of version 1), that of its parent.
 */
#include "identity/process_table.h"

#include <stdlib.h>
#include "identity/resolve.h"

enum { PROCESS_CGROUPS_MAX = 4096, INIT_TGID = 1 };

static void name_release(struct cgroup_name *n)
{
	if (n && --n->held == 0)
		free(n);
}

/* In this order: both may be the same. */
static void name_set(struct cgroup_name **at, struct cgroup_name *to)
{
	if (to)
		to->held++;
	name_release(*at);
	*at = to;
}

/* To be released. NULL: out of memory, the cgroup is not known. */
static struct cgroup_name *name_new(const char *path)
{
	size_t size = strlen(path) + 1;
	struct cgroup_name *n = malloc(sizeof(*n) + size);

	if (!n)
		return NULL;
	n->held = 1;
	memcpy(n->path, path, size);
	return n;
}

void process_cgroup_let_go(struct process_entry *e)
{
	name_set(&e->cgroup, NULL);
}

void process_forget_cgroups(struct processes *ps)
{
	uint64_t id;
	void *name;

	for (size_t i = 0; map_next(&ps->cgroups, &i, &id, &name);)
		name_release(name);
	map_free(&ps->cgroups);
}

static struct cgroup_name *name_by_id(const struct processes *ps, uint64_t id)
{
	return id ? map_get(&ps->cgroups, id) : NULL;
}

static void learn(struct processes *ps, uint64_t id, struct cgroup_name *n)
{
	if (!id || !n || name_by_id(ps, id))
		return;
	if (ps->cgroups.n >= PROCESS_CGROUPS_MAX)
		process_forget_cgroups(ps); /* those in use are learned again */
	if (map_put(&ps->cgroups, id, n) == 0)
		n->held++;
}

void process_cgroup_told(struct processes *ps, struct process_entry *e, const struct resolved *r)
{
	struct cgroup_name *n = name_by_id(ps, e->cgroup_id);

	if (!r->cgroup[0] || (e->cgroup && strcmp(e->cgroup->path, r->cgroup) == 0))
		return;
	if (n && strcmp(n->path, r->cgroup) == 0) {
		name_set(&e->cgroup, n);
		return;
	}
	if (n && r->is_unified) /* it was moved, now or when its id was learned */
		name_release(map_del(&ps->cgroups, e->cgroup_id));
	n = name_new(r->cgroup);
	name_set(&e->cgroup, n);
	name_release(n);
}

/* At a fork or exec, when the id is that of what is read. */
static bool find_own(struct processes *ps, struct process_entry *e)
{
	struct resolved r;

	if (!ps->opts.is_live || e->p.gone_ns || !resolve_cgroup(ps->opts.proc_root, e->p.tgid, &r))
		return false;
	process_cgroup_told(ps, e, &r);
	if (r.is_unified)
		learn(ps, e->cgroup_id, e->cgroup);
	return e->cgroup;
}

void process_cgroup_fork(struct processes *ps, struct process_entry *e,
			 struct process_entry *parent)
{
	if (!parent->cgroup)
		find_own(ps, parent);
	e->cgroup_id = parent->cgroup_id;
	name_set(&e->cgroup, parent->cgroup);
}

/* Whoever has been moved since, by a service manager, is not where its parent is. */
static void inherit(struct processes *ps, struct process_entry *e)
{
	struct process_entry *parent = process_parent(ps, e);

	if (!parent || parent->p.tgid == INIT_TGID)
		return;
	if (parent->cgroup_id && parent->cgroup_id != e->cgroup_id)
		return;
	if (parent->cgroup || find_own(ps, parent))
		name_set(&e->cgroup, parent->cgroup);
}

void process_cgroup_exec(struct processes *ps, struct process_entry *e, uint64_t id)
{
	struct cgroup_name *known = name_by_id(ps, id);

	if (e->cgroup_id && e->cgroup_id != id)
		name_set(&e->cgroup, NULL);
	e->cgroup_id = id;
	if (known)
		name_set(&e->cgroup, known);
	else if (!find_own(ps, e) && !e->cgroup)
		inherit(ps, e);
}
