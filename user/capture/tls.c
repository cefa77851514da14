// SPDX-License-Identifier: Apache-2.0
#include "capture/tls.h"

#include <bpf/bpf.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "capture/tls_attach.h"
#include "capture/tls_dark.h"
#include "capture/tls_maps.h"
#include "util/clock.h"
#include "util/map.h"

#define LOOK_NS	  NS_PER_S
#define LINGER_NS (10 * NS_PER_S) /* a file stays watched as long after its last user */

/* A file, watched or known to hold nothing. */
struct file {
	uint64_t dev, inode;
	uint64_t unused_since_ns; /* 0: it is used, or of the host */
	struct tls_symbols symbols;
	struct uprobe_links links;
	uint32_t users;
	bool is_host;
};

struct user {
	uint64_t looked_ns;
	uint32_t tgid;
	int32_t file;		     /* in files; -1: none */
	struct uprobe_links returns; /* of its writes */
	const struct tls_dark *dark; /* what encrypts where nothing is watched; NULL: not known */
	bool is_dark_sought;
	bool has_several; /* libraries mapped: which one is at work is not known */
};

struct tls {
	struct probe *probe; /* borrowed */
	struct file files[TLS_FILES_MAX];
	size_t n_files;
	struct map users; /* owned, by tgid */
	struct tls_stats stats;
	uint64_t now_ns;
	bool is_open; /* the processes that were there before have been looked at */
};

/* Where the linker of the host looks, as far as distributions agree. */
static const char *const host_folders[] = {
	"/lib/x86_64-linux-gnu",
	"/usr/lib/x86_64-linux-gnu",
	"/lib/aarch64-linux-gnu",
	"/usr/lib/aarch64-linux-gnu",
	"/usr/lib64",
	"/usr/lib",
	"/usr/local/lib",
};

/* Programs that take their records from memory: what they write is known when the call returns. */
static const char *const memory_programs[] = { "python", "node", "apache2", "httpd", "dotnet" };

/* Programs that have a library linked into them: looked at when they begin, else their first
 * connection would be joined in the middle. */
static const char *const carriers[] = { "node", "nodejs", "deno", "bun" };

/* --- files --- */

static struct file *file_find(struct tls *t, uint64_t dev, uint64_t inode)
{
	for (size_t i = 0; i < t->n_files; i++)
		if (t->files[i].dev == dev && t->files[i].inode == inode)
			return &t->files[i];
	return NULL;
}

static struct file *file_place(struct tls *t)
{
	for (size_t i = 0; i < t->n_files; i++) /* one that was let go */
		if (!t->files[i].inode)
			return &t->files[i];
	return t->n_files < TLS_FILES_MAX ? &t->files[t->n_files++] : NULL;
}

/* Reads and attaches. A file without the functions is remembered too: it is not read again. */
static struct file *file_add(struct tls *t, uint64_t dev, uint64_t inode, const char *path)
{
	struct tls_symbols s;
	struct file *f;

	if (tls_symbols_read(path, &s) < 0) {
		t->stats.failed++;
		return NULL;
	}
	f = file_place(t);
	if (!f) {
		t->stats.left_out++;
		return NULL;
	}
	*f = (struct file){ .dev = dev, .inode = inode, .symbols = s };
	if (s.library == TLS_LIB_NONE)
		return f;
	if (tls_attach(t->probe, path, &s, 0, &f->links) < 0) {
		t->stats.failed++;
		f->symbols.library = TLS_LIB_NONE;
		return f;
	}
	t->stats.attached++;
	t->stats.files++;
	t->stats.links += (uint32_t)f->links.n;
	return f;
}

static void file_drop(struct tls *t, struct file *f)
{
	if (f->links.n) {
		t->stats.links -= (uint32_t)f->links.n;
		t->stats.files--;
		t->stats.detached++;
	}
	uprobe_detach(&f->links);
	*f = (struct file){ 0 };
}

static void file_used(struct tls *t, struct file *f, int by)
{
	f->users += (uint32_t)by;
	f->unused_since_ns = f->users ? 0 : t->now_ns;
}

static void add_host_folder(struct tls *t, const char *folder)
{
	DIR *d = opendir(folder);
	struct dirent *e;
	struct file *f;
	struct stat st;
	char path[512];

	if (!d)
		return;
	while ((e = readdir(d))) {
		/* NSPR's functions serve many who have nothing to do with TLS */
		if (!tls_library_of(e->d_name) || tls_library_of(e->d_name) == TLS_LIB_NSS)
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
		if (stat(path, &st) < 0 || !S_ISREG(st.st_mode) ||
		    file_find(t, st.st_dev, st.st_ino))
			continue;
		f = file_add(t, st.st_dev, st.st_ino, path);
		if (f)
			f->is_host = true;
	}
	closedir(d);
}

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
		t->stats.left_out++;
		return NULL;
	}
	u = calloc(1, sizeof(*u));
	if (!u || map_put(&t->users, tgid, u) < 0) {
		free(u);
		return NULL;
	}
	u->tgid = tgid;
	u->file = -1;
	return u;
}

static void user_uses(struct tls *t, struct user *u, struct file *f)
{
	if (u->file >= 0) {
		if (t->files[u->file].symbols.library != f->symbols.library)
			u->has_several = true;
		return;
	}
	u->file = (int32_t)(f - t->files);
	file_used(t, f, 1);
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
	struct file *f = file_find(t, m->dev, m->inode);
	char path[320];

	tls_maps_path(u->tgid, m, path, sizeof(path));
	if (!f)
		f = file_add(t, m->dev, m->inode, path);
	if (!f || f->symbols.library == TLS_LIB_NONE)
		return;
	user_uses(t, u, f);
	if (!u->returns.n && takes_from_memory(u->tgid) &&
	    tls_attach(t->probe, path, &f->symbols, u->tgid, &u->returns) == 0)
		t->stats.links += (uint32_t)u->returns.n;
}

static void look_at(struct tls *t, uint32_t tgid)
{
	struct user *u = user_get(t, tgid);

	if (!u || (u->looked_ns && t->now_ns - u->looked_ns < LOOK_NS))
		return;
	u->looked_ns = t->now_ns;
	tls_maps_each(tgid, on_mapped, &(struct look){ t, u });
	if (u->file < 0 && t->is_open && !u->is_dark_sought) {
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

	if (!p || p->file < 0)
		return;
	u = user_get(t, tgid);
	if (u)
		user_uses(t, u, &t->files[p->file]);
}

void tls_exited(struct tls *t, uint32_t tgid)
{
	struct user *u = t ? map_del(&t->users, tgid) : NULL;

	if (!u)
		return;
	if (u->file >= 0)
		file_used(t, &t->files[u->file], -1);
	t->stats.links -= (uint32_t)u->returns.n;
	uprobe_detach(&u->returns);
	free(u);
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
}

void tls_tick(struct tls *t, uint64_t now_ns)
{
	if (!t)
		return;
	t->now_ns = now_ns;
	for (size_t i = 0; i < t->n_files; i++) {
		struct file *f = &t->files[i];

		if (!f->is_host && f->unused_since_ns && now_ns - f->unused_since_ns > LINGER_NS)
			file_drop(t, f);
	}
}

static void look_at_all(struct tls *t)
{
	DIR *d = opendir("/proc");
	struct dirent *e;

	if (!d)
		return;
	while ((e = readdir(d)))
		if (isdigit((unsigned char)e->d_name[0]))
			look_at(t, (uint32_t)strtoul(e->d_name, NULL, 10));
	closedir(d);
}

struct tls *tls_open(struct probe *p)
{
	struct tls *t;

	if (probe_tls_off(p))
		return NULL;
	t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	t->probe = p;
	t->now_ns = clock_mono_ns();
	for (size_t i = 0; i < sizeof(host_folders) / sizeof(host_folders[0]); i++)
		add_host_folder(t, host_folders[i]);
	look_at_all(t);
	t->is_open = true;
	return t;
}

static void take_links(struct uprobe_links *l, int *fds, size_t *n)
{
	while (l->n)
		fds[(*n)++] = l->fd[--l->n];
}

/* All at once: one after the other could take longer than the end may last. */
static void detach_all(struct tls *t)
{
	int *fds = calloc(t->stats.links + 1, sizeof(*fds));
	size_t n = 0;
	uint64_t tgid;
	struct user *u;

	for (size_t i = 0; fds && map_next(&t->users, &i, &tgid, (void **)&u);)
		take_links(&u->returns, fds, &n);
	for (size_t i = 0; fds && i < t->n_files; i++)
		take_links(&t->files[i].links, fds, &n);
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

	return u && u->file >= 0 && !u->has_several ? t->files[u->file].symbols.library
						    : TLS_LIB_NONE;
}

const struct tls_stats *tls_stats(const struct tls *t)
{
	return &t->stats;
}
