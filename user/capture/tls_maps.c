// SPDX-License-Identifier: Apache-2.0
#include "capture/tls_maps.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum {
	FILES_MAX = 8,		       /* TLS libraries of one process */
	LINE_MAX_LEN = PATH_MAX + 128, /* " (deleted)" behind the path is part of it */
};

/* proc_pid_maps(5): 7f01-7f02 r-xp 00001000 fe:01 1234   /path. False: no code of a file. */
static bool parse_line(char *line, struct tls_mapped *m)
{
	unsigned int major_nr, minor_nr;
	char perms[8];
	int at = 0;

	line[strcspn(line, "\n")] = '\0';
	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s %*x %x:%x %" SCNu64 " %n", &m->start, &m->end,
		   perms, &major_nr, &minor_nr, &m->inode, &at) < 6 ||
	    !at || !m->inode || perms[2] != 'x')
		return false;
	m->dev = makedev(major_nr, minor_nr);
	m->path = line + at;
	m->is_deleted = strstr(m->path, " (deleted)") != NULL;
	m->library = tls_library_of(m->path);
	return true;
}

/* What was found so far; paths are owned. */
struct found {
	struct tls_mapped files[FILES_MAX], program;
	int n;
	bool has_nss;
};

static bool is_known(const struct found *f, const struct tls_mapped *m)
{
	for (int i = 0; i < f->n; i++)
		if (f->files[i].dev == m->dev && f->files[i].inode == m->inode)
			return true;
	return false;
}

static int keep(struct tls_mapped *to, const struct tls_mapped *m)
{
	char *path = strdup(m->path);

	if (!path)
		return -ENOMEM;
	*to = *m;
	to->path = path;
	return 0;
}

static int find(struct found *f, const struct tls_mapped *m, ino_t exe)
{
	int err = 0;

	if (m->inode == exe && !f->program.inode)
		err = keep(&f->program, m);
	f->has_nss |= strstr(m->path, "/libssl3.so") != NULL;
	if (err || m->library == TLS_LIB_NONE || f->n == FILES_MAX || is_known(f, m))
		return err;
	err = keep(&f->files[f->n], m);
	f->n += !err;
	return err;
}

/* NSPR without NSS encrypts nothing. */
static void tell(const struct found *f, void (*fn)(void *ctx, const struct tls_mapped *m),
		 void *ctx)
{
	bool any = false;

	for (int i = 0; i < f->n; i++) {
		if (f->files[i].library == TLS_LIB_NSS && !f->has_nss)
			continue;
		any = true;
		fn(ctx, &f->files[i]);
	}
	if (!any && f->program.inode)
		fn(ctx, &f->program);
}

static void found_free(struct found *f)
{
	for (int i = 0; i < f->n; i++)
		free((char *)f->files[i].path);
	free((char *)f->program.path);
}

/* One that is longer than a line with any path that can be opened is passed over whole: what is
 * within its path is the process's own choice, and could look like a line. */
static bool next_line(FILE *f, char *line, size_t size)
{
	int c;

	while (fgets(line, (int)size, f)) {
		if (strchr(line, '\n'))
			return true;
		do
			c = fgetc(f);
		while (c != '\n' && c != EOF);
	}
	return false;
}

int tls_maps_each(uint32_t tgid, void (*fn)(void *ctx, const struct tls_mapped *m), void *ctx)
{
	struct found found = { .n = 0 };
	struct stat exe = { 0 };
	char path[64], line[LINE_MAX_LEN];
	struct tls_mapped m;
	int err = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%u/exe", tgid);
	if (stat(path, &exe) < 0)
		return -errno;
	snprintf(path, sizeof(path), "/proc/%u/maps", tgid);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	while (!err && next_line(f, line, sizeof(line)))
		if (parse_line(line, &m))
			err = find(&found, &m, exe.st_ino);
	fclose(f);
	if (!err)
		tell(&found, fn, ctx);
	found_free(&found);
	return err;
}

const char *tls_maps_below(const char *path, const char *root)
{
	size_t n = strlen(root);

	return n > 1 && strncmp(path, root, n) == 0 && path[n] == '/' ? path + n : path;
}

void tls_maps_path(uint32_t tgid, const struct tls_mapped *m, char *out, size_t size)
{
	char link[32], root[PATH_MAX];
	ssize_t n;

	snprintf(out, size, "/proc/%u/map_files/%" PRIx64 "-%" PRIx64, tgid, m->start, m->end);
	if (access(out, R_OK) == 0)
		return;
	snprintf(link, sizeof(link), "/proc/%u/root", tgid);
	n = readlink(link, root, sizeof(root) - 1);
	root[n > 0 ? n : 0] = '\0';
	snprintf(out, size, "%s%s", link, tls_maps_below(m->path, root));
}
