// SPDX-License-Identifier: Apache-2.0
#include "capture/tls_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "capture/tls_attach.h"
#include "util/clock.h"

#define LINGER_NS (10 * NS_PER_S) /* a file stays watched as long after its last user */

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

static struct tls_file *find(struct tls_files *t, const struct real_file *id)
{
	for (size_t i = 0; i < t->n; i++)
		if (real_file_is(&t->files[i].id, id))
			return &t->files[i];
	return NULL;
}

static struct tls_file *place(struct tls_files *t)
{
	for (size_t i = 0; i < t->n; i++) /* one that was let go */
		if (!t->files[i].id.inode)
			return &t->files[i];
	return t->n < TLS_FILES_MAX ? &t->files[t->n++] : NULL;
}

/* A file without the functions is remembered, not to be read again. */
static void is_other(struct tls_files *t, uint64_t stamp)
{
	if (t->others.n >= TLS_OTHERS_MAX)
		map_free(&t->others);
	map_put(&t->others, stamp, t); /* out of memory: it is read again */
}

static struct tls_file *add(struct tls_files *t, const struct real_file *id, uint64_t stamp,
			    const char *path)
{
	struct tls_symbols s;
	struct tls_file *f;

	if (tls_symbols_read(path, &s) < 0) {
		t->stats.failed++;
		return NULL;
	}
	if (s.library == TLS_LIB_NONE) {
		is_other(t, stamp);
		return NULL;
	}
	f = place(t);
	if (!f) {
		t->stats.left_out++;
		return NULL;
	}
	*f = (struct tls_file){ .id = *id, .symbols = s };
	if (tls_attach(t->probe, path, &s, 0, &f->links) < 0) {
		t->stats.failed++;
		f->id.inode = 0;
		is_other(t, stamp);
		return NULL;
	}
	f->since_ns = clock_mono_ns();
	t->stats.attached++;
	t->stats.files++;
	t->stats.links += (uint32_t)f->links.n;
	return f;
}

struct tls_file *tls_files_get(struct tls_files *t, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct tls_file *f = NULL;
	struct real_file id;
	char open_as[64];
	uint64_t stamp;

	if (fd < 0)
		return NULL;
	/* who maps it may have ended by the time it is attached to */
	snprintf(open_as, sizeof(open_as), "/proc/self/fd/%d", fd);
	stamp = real_file_stamp(fd);
	if (!map_get(&t->others, stamp) && real_file_of(t->probe, fd, &id) == 0) {
		f = find(t, &id);
		if (!f)
			f = add(t, &id, stamp, open_as);
	}
	close(fd);
	return f;
}

static void drop(struct tls_files *t, struct tls_file *f)
{
	t->stats.links -= (uint32_t)f->links.n;
	t->stats.files--;
	t->stats.detached++;
	uprobe_detach(&f->links);
	*f = (struct tls_file){ .users = 0 };
}

static void add_host_folder(struct tls_files *t, const char *folder)
{
	DIR *d = opendir(folder);
	struct tls_file *f;
	struct dirent *e;
	char path[512];

	if (!d)
		return;
	while ((e = readdir(d))) {
		/* NSPR's functions serve many who have nothing to do with TLS */
		if (!tls_library_of(e->d_name) || tls_library_of(e->d_name) == TLS_LIB_NSS)
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
		f = tls_files_get(t, path);
		if (f)
			f->is_host = true;
	}
	closedir(d);
}

void tls_files_add_host(struct tls_files *t)
{
	for (size_t i = 0; i < sizeof(host_folders) / sizeof(host_folders[0]); i++)
		add_host_folder(t, host_folders[i]);
}

void tls_files_used(struct tls_file *f, int by, uint64_t now_ns)
{
	f->users += (uint32_t)by;
	f->unused_since_ns = f->users ? 0 : now_ns;
}

void tls_files_tick(struct tls_files *t, uint64_t now_ns)
{
	for (size_t i = 0; i < t->n; i++) {
		struct tls_file *f = &t->files[i];

		if (!f->is_host && f->unused_since_ns && now_ns - f->unused_since_ns > LINGER_NS)
			drop(t, f);
	}
}

size_t tls_files_take_links(struct tls_files *t, int *fds)
{
	size_t n = 0;

	for (size_t i = 0; i < t->n; i++)
		while (t->files[i].links.n)
			fds[n++] = t->files[i].links.fd[--t->files[i].links.n];
	return n;
}

void tls_files_free(struct tls_files *t)
{
	map_free(&t->others);
}
