// SPDX-License-Identifier: Apache-2.0
#include "capture/go_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture/go_program.h"
#include "capture/real_file.h"
#include "capture/uprobe.h"
#include "util/clock.h"
#include "util/map.h"
#include "util/procs.h"

#define LINGER_NS (10 * NS_PER_S)

enum { LOOKS_A_TURN = 64 }; /* at what is gone already, or known not to be Go's */

struct file {
	struct real_file id; /* inode 0: the place is free */
	struct uprobe_links links;
	uint64_t unused_since_ns; /* 0: it is used */
	uint32_t users;
	uint64_t tls_since_ns; /* 0: crypto/tls is not watched in it */
};

struct go_files {
	struct probe *probe; /* borrowed */
	struct file files[GO_FILES_MAX];
	size_t n_files;
	struct map users;  /* tgid -> place in files, plus one */
	struct map others; /* files that are not Go's, by real_file_stamp() */
	uint32_t waiting[GO_WAITING_MAX];
	size_t n_waiting;
	struct go_stats stats;
};

static struct file *file_find(struct go_files *g, const struct real_file *id)
{
	for (size_t i = 0; i < g->n_files; i++)
		if (real_file_is(&g->files[i].id, id))
			return &g->files[i];
	return NULL;
}

static struct file *file_place(struct go_files *g)
{
	for (size_t i = 0; i < g->n_files; i++)
		if (!g->files[i].id.inode)
			return &g->files[i];
	return g->n_files < GO_FILES_MAX ? &g->files[g->n_files++] : NULL;
}

/* --- attaching --- */

static int attach_handovers(struct go_files *g, const char *path, const struct go_program *p,
			    struct uprobe_links *to)
{
	struct uprobe_points at = {
		.program_fd = probe_go_program(g->probe),
		.path = path,
		.n = 1,
		.offsets = { p->round_trip },
	};

	return at.program_fd < 0 || !p->round_trip ? 0 : uprobe_attach(&at, to);
}

static void add_point(struct uprobe_points *at, uint64_t cookie, uint64_t offset, uint64_t fn)
{
	if (!offset || at->n == UPROBE_POINTS_MAX)
		return;
	at->offsets[at->n] = offset;
	at->cookies[at->n++] = cookie | fn;
}

static int attach_tls(struct go_files *g, const char *path, const struct go_program *p,
		      struct uprobe_links *to)
{
	struct uprobe_points at = { .path = path };
	uint64_t cookie;
	int err;

	if (probe_tls_off(g->probe) || !p->has_tls || p->tls_off)
		return 0;
	at.program_fd = probe_tls_program(g->probe, PROBE_TLS_GO);
	cookie = probe_tls_attaching(g->probe);
	for (uint32_t i = 0; i < p->n_reads; i++)
		add_point(&at, cookie, p->reads[i], SONDE_TLS_READ);
	add_point(&at, cookie, p->copy, SONDE_TLS_READ_EX | p->frame);
	for (int i = 0; i < 2; i++)
		add_point(&at, cookie, p->handshakes[i], SONDE_TLS_HANDSHAKE);
	add_point(&at, cookie, p->write, SONDE_TLS_WRITE);
	err = uprobe_attach(&at, to);
	probe_tls_attached(g->probe, cookie);
	return err;
}

/* A program that cannot be attached to is remembered without links. */
static struct file *file_add(struct go_files *g, const struct real_file *id, const char *path,
			     const struct go_program *p)
{
	struct file *f = file_place(g);
	int before;

	if (!f) {
		g->stats.left_out++;
		return NULL;
	}
	*f = (struct file){ .id = *id };
	if (attach_handovers(g, path, p, &f->links) < 0)
		g->stats.failed++;
	before = f->links.n;
	if (attach_tls(g, path, p, &f->links) < 0)
		g->stats.failed++;
	if (f->links.n > before)
		f->tls_since_ns = clock_mono_ns();
	if (f->links.n) {
		g->stats.attached++;
		g->stats.files++;
		g->stats.links += (uint32_t)f->links.n;
	}
	return f;
}

static void file_drop(struct go_files *g, struct file *f)
{
	if (f->links.n) {
		g->stats.detached++;
		g->stats.files--;
		g->stats.links -= (uint32_t)f->links.n;
	}
	uprobe_detach(&f->links);
	*f = (struct file){ .users = 0 };
}

/* --- processes --- */

static void user_add(struct go_files *g, uint32_t tgid, struct file *f)
{
	uintptr_t at = (uintptr_t)(f - g->files) + 1;

	if (g->users.n >= GO_USERS_MAX || map_put(&g->users, tgid, (void *)at) < 0) {
		g->stats.left_out++;
		return;
	}
	f->users++;
	f->unused_since_ns = 0;
}

/* *is_slow: it was none of those that are known not to be Go's. */
static struct file *look_into(struct go_files *g, int fd, const char *path, bool *is_slow)
{
	uint64_t stamp = real_file_stamp(fd);
	struct real_file id;
	struct go_program p;
	struct file *f;

	*is_slow = !map_get(&g->others, stamp);
	if (!*is_slow || real_file_of(g->probe, fd, &id) < 0)
		return NULL;
	f = file_find(g, &id);
	if (f)
		return f;
	if (go_program_read(fd, &p) == 0)
		return file_add(g, &id, path, &p);
	if (g->others.n >= GO_OTHERS_MAX)
		map_free(&g->others);
	map_put(&g->others, stamp, g); /* out of memory: it is read again */
	return NULL;
}

/* True: that took long enough for a turn. */
static bool look_at(struct go_files *g, uint32_t tgid)
{
	bool is_slow = false;
	char path[64];
	struct file *f;
	int fd;

	if (map_get(&g->users, tgid))
		return false;
	snprintf(path, sizeof(path), "/proc/%u/exe", tgid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	/* by the descriptor: the process may have ended meanwhile */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	f = look_into(g, fd, path, &is_slow);
	if (f) {
		user_add(g, tgid, f);
		probe_set_process(g->probe, tgid, SONDE_P_GO);
	}
	close(fd);
	return is_slow;
}

void go_files_seen(struct go_files *g, uint32_t tgid)
{
	if (!g || map_get(&g->users, tgid))
		return;
	for (size_t i = 0; i < g->n_waiting; i++)
		if (g->waiting[i] == tgid)
			return;
	if (g->n_waiting < GO_WAITING_MAX)
		g->waiting[g->n_waiting++] = tgid;
}

void go_files_exec(struct go_files *g, uint32_t tgid)
{
	go_files_exited(g, tgid);
	go_files_seen(g, tgid);
}

void go_files_exited(struct go_files *g, uint32_t tgid)
{
	uintptr_t at = g ? (uintptr_t)map_del(&g->users, tgid) : 0;
	struct file *f;

	if (!at)
		return;
	f = &g->files[at - 1];
	if (!--f->users)
		f->unused_since_ns = clock_mono_ns();
}

void go_files_turn(struct go_files *g)
{
	size_t n = 0;

	if (!g || !g->n_waiting)
		return;
	while (n < g->n_waiting && n < LOOKS_A_TURN)
		if (look_at(g, g->waiting[n++]))
			break;
	g->n_waiting -= n;
	memmove(g->waiting, g->waiting + n, g->n_waiting * sizeof(g->waiting[0]));
}

void go_files_tick(struct go_files *g, uint64_t now_ns)
{
	for (size_t i = 0; g && i < g->n_files; i++) {
		struct file *f = &g->files[i];

		if (f->id.inode && f->unused_since_ns && now_ns - f->unused_since_ns > LINGER_NS)
			file_drop(g, f);
	}
}

static void on_process(void *ctx, uint32_t tgid)
{
	look_at(ctx, tgid);
}

struct go_files *go_files_open(struct probe *p)
{
	struct go_files *g;

	if (probe_go_program(p) < 0 && probe_tls_off(p))
		return NULL;
	g = calloc(1, sizeof(*g));
	if (!g)
		return NULL;
	g->probe = p;
	procs_each(on_process, g);
	return g;
}

void go_files_close(struct go_files *g)
{
	int fds[GO_FILES_MAX * 2];
	size_t n = 0;

	if (!g)
		return;
	for (size_t i = 0; i < g->n_files; i++)
		while (g->files[i].links.n && n < sizeof(fds) / sizeof(fds[0]))
			fds[n++] = g->files[i].links.fd[--g->files[i].links.n];
	uprobe_detach_all(fds, n);
	for (size_t i = 0; i < g->n_files; i++)
		uprobe_detach(&g->files[i].links);
	map_free(&g->users);
	map_free(&g->others);
	free(g);
}

uint64_t go_files_tls_since(const struct go_files *g, uint32_t tgid)
{
	uintptr_t at = g ? (uintptr_t)map_get(&g->users, tgid) : 0;

	return at ? g->files[at - 1].tls_since_ns : 0;
}

const struct go_stats *go_files_stats(const struct go_files *g)
{
	return &g->stats;
}
