/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/namespaces.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include "identity/container.h"
#include "identity/procfs.h"
#include "identity/resolve.h"
#include "util/map.h"

enum { PIECE = 256 }; /* processes looked at in one tick */

struct waiting {
	uint64_t container_key;
	uint64_t version; /* what was known of the container when it was looked at; 0: nothing */
};

struct namespaces {
	struct namespaces_opts opts;
	struct map waiting; /* tgid -> struct waiting, owned */
	uint64_t changes;   /* of the containers, when all who wait were looked at */
	uint64_t left_out;
	size_t next; /* who is looked at next: is it still there? */
};

struct namespaces *namespaces_new(const struct namespaces_opts *opts)
{
	struct namespaces *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	n->opts = *opts;
	if (!n->opts.proc_root)
		n->opts.proc_root = "/proc";
	return n;
}

void namespaces_free(struct namespaces *n)
{
	uint64_t tgid;
	void *w;

	if (!n)
		return;
	for (size_t i = 0; map_next(&n->waiting, &i, &tgid, &w);)
		free(w);
	map_free(&n->waiting);
	free(n);
}

static void forget(struct namespaces *n, uint32_t tgid)
{
	free(map_del(&n->waiting, tgid));
}

static void wait(struct namespaces *n, uint32_t tgid, const char *container, uint64_t version)
{
	struct waiting *w = map_get(&n->waiting, tgid);

	if (!w && n->waiting.n >= NAMESPACES_WAITING_MAX) {
		n->left_out++;
		return;
	}
	if (!w) {
		w = malloc(sizeof(*w));
		if (!w)
			return;
		if (map_put(&n->waiting, tgid, w) < 0) {
			free(w);
			return;
		}
	}
	*w = (struct waiting){ container_key(container), version };
}

static bool is_asked_for(const struct namespaces *n, struct slice name)
{
	for (size_t i = 0; i < n->opts.n_names; i++)
		if (slice_eq(name, slice_str(n->opts.names[i])))
			return true;
	return false;
}

void namespaces_met(struct namespaces *n, uint32_t tgid)
{
	const struct container *c;
	struct slice space;
	struct resolved r;
	uint64_t version;

	if (!resolve_cgroup(n->opts.proc_root, tgid, &r)) { /* gone, or about to be */
		forget(n, tgid);
		return;
	}
	c = containers_find(n->opts.containers, r.container.id, &version);
	space = fact(c ? c->facts : NULL, FACT_K8S_NAMESPACE);
	/* a pod's container, of which one that is asked knows less than another will */
	if (r.container.id[0] && (!c || (!space.n && r.container.pod_uid[0]))) {
		wait(n, tgid, r.container.id, version);
		return;
	}
	forget(n, tgid);
	n->opts.on_known(n->opts.ctx, tgid, is_asked_for(n, space));
}

void namespaces_walk(struct namespaces *n)
{
	DIR *proc = opendir(n->opts.proc_root);
	struct dirent *entry;

	while (proc && (entry = readdir(proc))) {
		unsigned long tgid = strtoul(entry->d_name, NULL, 10);

		if (tgid)
			namespaces_met(n, (uint32_t)tgid);
	}
	if (proc)
		closedir(proc);
}

static void look_at_changed(struct namespaces *n)
{
	uint32_t known[PIECE];
	uint64_t tgid;
	size_t n_known = 0;
	void *value;

	if (n->changes == containers_changes(n->opts.containers))
		return;
	for (size_t i = 0; n_known < PIECE && map_next(&n->waiting, &i, &tgid, &value);) {
		const struct waiting *w = value;

		if (containers_version(n->opts.containers, w->container_key) != w->version)
			known[n_known++] = (uint32_t)tgid;
	}
	if (n_known < PIECE)
		n->changes = containers_changes(n->opts.containers);
	for (size_t i = 0; i < n_known; i++)
		namespaces_met(n, known[i]);
}

static void forget_gone(struct namespaces *n)
{
	uint32_t gone[PIECE];
	struct procfs_stat st;
	size_t n_gone = 0;
	uint64_t tgid;
	void *value;

	for (size_t looked = 0; looked < PIECE; looked++) {
		if (!map_next(&n->waiting, &n->next, &tgid, &value)) {
			n->next = 0;
			break;
		}
		if (procfs_stat(n->opts.proc_root, (uint32_t)tgid, &st) < 0 || st.is_exiting)
			gone[n_gone++] = (uint32_t)tgid;
	}
	for (size_t i = 0; i < n_gone; i++)
		forget(n, gone[i]);
}

void namespaces_tick(struct namespaces *n)
{
	look_at_changed(n);
	forget_gone(n);
}

size_t namespaces_waiting(const struct namespaces *n)
{
	return n->waiting.n;
}

uint64_t namespaces_left_out(const struct namespaces *n)
{
	return n->left_out;
}
