// SPDX-License-Identifier: Apache-2.0
#include "capture/tls.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "capture/tls_attach.h"
#include "capture/tls_dark.h"
#include "capture/tls_files.h"
#include "capture/tls_maps.h"
#include "util/clock.h"
#include "util/map.h"
#include "util/procs.h"

#define LOOK_NS NS_PER_S

/* What a process maps, by the numbers that its maps show. */
struct mapping {
	uint64_t dev, inode;
	struct tls_file *file; /* NULL: nothing is watched in it */
};

enum { MAPPINGS_MAX = 8 };

struct user {
	uint64_t looked_ns;
	uint32_t tgid, n_mappings;
	struct mapping mappings[MAPPINGS_MAX];
	struct uprobe_links returns; /* of its writes */
	const struct tls_dark *dark; /* what encrypts where nothing is watched; NULL: not known */
	bool is_dark_sought;
};

/* How long after its exec a process is looked at: when the linker is done, and when it has read its
 * own scripts and settings. */
static const uint64_t look_after_ns[] = { 8 * NS_PER_MS, 150 * NS_PER_MS };

enum { LOOKS = sizeof(look_after_ns) / sizeof(look_after_ns[0]), LOOKS_A_TURN = 4 };

/* Processes in the order in which they began. */
struct waiting {
	struct begun {
		uint64_t since_ns;
		uint32_t tgid;
	} of[TLS_WAITING_MAX];
	uint32_t first, n;
};

struct tls {
	struct waiting waiting[LOOKS]; /* for their first look, for the next */
	struct tls_files files;
	struct map users; /* owned, by tgid */
	uint64_t now_ns;
	bool is_open; /* the processes that were there before have been looked at */
};

/* Programs that take their records from memory: what they write is known when the call returns. */
static const char *const memory_programs[] = { "python", "node", "apache2", "httpd",
					       "dotnet", "ruby", "puma" };

/* Programs that have a library linked into them: looked at when they begin, else their first
 * connection would be joined in the middle. */
static const char *const carriers[] = { "node", "nodejs", "deno", "bun" };

/* --- processes --- */

static bool takes_from_memory(uint32_t tgid)
{
	char path[64], comm[32] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%u/comm", tgid);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (!fgets(comm, sizeof(comm), f))
		comm[0] = '\0';
	fclose(f);
	for (size_t i = 0; i < sizeof(memory_programs) / sizeof(memory_programs[0]); i++)
		if (strncmp(comm, memory_programs[i], strlen(memory_programs[i])) == 0)
			return true;
	return false;
}

static struct user *user_get(struct tls *t, uint32_t tgid)
{
	struct user *u = map_get(&t->users, tgid);

	if (u)
		return u;
	if (t->users.n >= TLS_USERS_MAX) {
		t->files.stats.left_out++;
		return NULL;
	}
	u = calloc(1, sizeof(*u));
	if (!u || map_put(&t->users, tgid, u) < 0) {
		free(u);
		return NULL;
	}
	u->tgid = tgid;
	return u;
}

/* A file that it did not map before. */
static struct mapping *user_maps(struct tls *t, struct user *u, const struct mapping *m)
{
	if (m->file)
		tls_files_used(m->file, 1, t->now_ns);
	u->mappings[u->n_mappings] = *m;
	return &u->mappings[u->n_mappings++];
}

static struct mapping *mapping_of(struct user *u, const struct tls_mapped *m)
{
	for (uint32_t i = 0; i < u->n_mappings; i++)
		if (u->mappings[i].dev == m->dev && u->mappings[i].inode == m->inode)
			return &u->mappings[i];
	return NULL;
}

/* One of those that are watched; NULL: there is none, or *several are of different libraries. */
static const struct tls_file *file_of(const struct user *u, bool *several)
{
	const struct tls_file *found = NULL;

	*several = false;
	for (uint32_t i = 0; i < u->n_mappings; i++) {
		const struct tls_file *f = u->mappings[i].file;

		if (f && found && f->symbols.library != found->symbols.library)
			*several = true;
		found = f ?: found;
	}
	return *several ? NULL : found;
}

static bool is_read(const struct user *u)
{
	bool several;

	return file_of(u, &several) || several;
}

struct look {
	struct tls *tls;
	struct user *user;
};

static void on_mapped(void *ctx, const struct tls_mapped *m)
{
	struct look *look = ctx;
	struct user *u = look->user;
	struct tls *t = look->tls;
	struct mapping *known = mapping_of(u, m);
	char path[TLS_PATH_MAX];

	tls_maps_path(u->tgid, m, path, sizeof(path));
	if (!known && u->n_mappings < MAPPINGS_MAX) /* else it would be let go by nobody */
		known = user_maps(
			t, u,
			&(struct mapping){ m->dev, m->inode, tls_files_get(&t->files, path) });
	if (!known || !known->file)
		return;
	if (!u->returns.n && takes_from_memory(u->tgid) &&
	    tls_attach(t->files.probe, path, &known->file->symbols, u->tgid, &u->returns) == 0)
		t->files.stats.links += (uint32_t)u->returns.n;
}

static void look_at(struct tls *t, uint32_t tgid)
{
	struct user *u = user_get(t, tgid);

	if (!u || (u->looked_ns && t->now_ns - u->looked_ns < LOOK_NS))
		return;
	u->looked_ns = t->now_ns;
	tls_maps_each(tgid, on_mapped, &(struct look){ t, u });
	if (t->is_open && !u->is_dark_sought && !is_read(u)) {
		u->dark = tls_dark_of(tgid);
		u->is_dark_sought = true;
	}
}

void tls_seen(struct tls *t, uint32_t tgid, uint64_t now_ns)
{
	if (!t)
		return;
	t->now_ns = now_ns;
	look_at(t, tgid);
}

void tls_forked(struct tls *t, uint32_t parent, uint32_t tgid)
{
	struct user *p = t ? map_get(&t->users, parent) : NULL, *u;

	if (!p || !is_read(p) || map_get(&t->users, tgid))
		return;
	u = user_get(t, tgid);
	for (uint32_t i = 0; u && i < p->n_mappings; i++)
		user_maps(t, u, &p->mappings[i]);
}

void tls_exited(struct tls *t, uint32_t tgid)
{
	struct user *u = t ? map_del(&t->users, tgid) : NULL;

	if (!u)
		return;
	for (uint32_t i = 0; i < u->n_mappings; i++)
		if (u->mappings[i].file)
			tls_files_used(u->mappings[i].file, -1, t->now_ns);
	t->files.stats.links -= (uint32_t)u->returns.n;
	uprobe_detach(&u->returns);
	free(u);
}

static void wait_for(struct waiting *w, uint32_t tgid, uint64_t since_ns)
{
	if (w->n == TLS_WAITING_MAX)
		return;
	w->of[(w->first + w->n) % TLS_WAITING_MAX] = (struct begun){ since_ns, tgid };
	w->n++;
}

void tls_execed(struct tls *t, uint32_t tgid, const char *filename, uint64_t now_ns)
{
	const char *base = strrchr(filename, '/');

	if (!t)
		return;
	tls_exited(t, tgid);
	t->now_ns = now_ns;
	base = base ? base + 1 : filename;
	for (size_t i = 0; i < sizeof(carriers) / sizeof(carriers[0]); i++)
		if (strcmp(base, carriers[i]) == 0)
			look_at(t, tgid);
	wait_for(&t->waiting[0], tgid, now_ns);
}

/* What nothing is watched in is forgotten, and looked at again when it speaks. True: it is known. */
static bool look_early(struct tls *t, uint32_t tgid)
{
	struct user *u = user_get(t, tgid);

	if (!u || u->looked_ns)
		return true;
	tls_maps_each(tgid, on_mapped, &(struct look){ t, u });
	if (is_read(u))
		return true;
	tls_exited(t, tgid);
	return false;
}

void tls_turn(struct tls *t, uint64_t now_ns)
{
	int left = LOOKS_A_TURN;

	if (!t)
		return;
	t->now_ns = now_ns;
	for (size_t i = 0; i < LOOKS; i++) {
		struct waiting *w = &t->waiting[i];
		struct begun b = w->of[w->first];

		for (; left && w->n && now_ns - b.since_ns >= look_after_ns[i]; left--) {
			w->first = (w->first + 1) % TLS_WAITING_MAX;
			w->n--;
			if (!look_early(t, b.tgid) && i + 1 < LOOKS)
				wait_for(&t->waiting[i + 1], b.tgid, b.since_ns);
			b = w->of[w->first];
		}
	}
}

void tls_tick(struct tls *t, uint64_t now_ns)
{
	if (!t)
		return;
	t->now_ns = now_ns;
	tls_files_tick(&t->files, now_ns);
}

static void on_process(void *ctx, uint32_t tgid)
{
	look_at(ctx, tgid);
}

struct tls *tls_open(struct probe *p)
{
	struct tls *t;

	if (probe_tls_off(p))
		return NULL;
	t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	t->files.probe = p;
	t->now_ns = clock_mono_ns();
	tls_files_add_host(&t->files);
	procs_each(on_process, t);
	t->is_open = true;
	return t;
}

/* All at once: one after the other could take longer than the end may last. */
static void detach_all(struct tls *t)
{
	int *fds = calloc(t->files.stats.links + 1, sizeof(*fds));
	uint64_t tgid;
	struct user *u;
	size_t n;

	if (!fds)
		return; /* the kernel lets go of them when this process ends */
	n = tls_files_take_links(&t->files, fds);
	for (size_t i = 0; map_next(&t->users, &i, &tgid, (void **)&u);)
		while (u->returns.n)
			fds[n++] = u->returns.fd[--u->returns.n];
	uprobe_detach_all(fds, n);
	free(fds);
}

void tls_close(struct tls *t)
{
	uint64_t tgid;
	struct user *u;

	if (!t)
		return;
	detach_all(t);
	for (size_t i = 0; map_next(&t->users, &i, &tgid, (void **)&u);)
		free(u);
	map_free(&t->users);
	tls_files_free(&t->files);
	free(t);
}

const char *tls_library_of_process(const struct tls *t, uint32_t tgid)
{
	const struct user *u = t ? map_get(&t->users, tgid) : NULL;
	enum tls_library l = tls_used_by(t, tgid);

	if (l != TLS_LIB_NONE)
		return tls_library_name(l);
	return u && u->dark ? u->dark->library : NULL;
}

enum tls_library tls_used_by(const struct tls *t, uint32_t tgid)
{
	const struct user *u = t ? map_get(&t->users, tgid) : NULL;
	const struct tls_file *f;
	bool several;

	f = u ? file_of(u, &several) : NULL;
	return f ? f->symbols.library : TLS_LIB_NONE;
}

uint64_t tls_watched_since(const struct tls *t, uint32_t tgid)
{
	const struct user *u = t ? map_get(&t->users, tgid) : NULL;
	const struct tls_file *f;
	bool several;

	f = u ? file_of(u, &several) : NULL;
	return f ? f->since_ns : 0;
}

const struct tls_stats *tls_stats(const struct tls *t)
{
	return &t->files.stats;
}
