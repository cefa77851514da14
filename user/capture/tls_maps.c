// SPDX-License-Identifier: Apache-2.0
#include "capture/tls_maps.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { FILES_MAX = 8 }; /* TLS libraries of one process */

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
	snprintf(m->path, sizeof(m->path), "%.255s", line + at);
	m->is_deleted = strstr(m->path, " (deleted)") != NULL;
	m->library = tls_library_of(m->path);
	return true;
}

static bool is_known(const struct tls_mapped *files, int n, const struct tls_mapped *m)
{
	for (int i = 0; i < n; i++)
		if (files[i].dev == m->dev && files[i].inode == m->inode)
			return true;
	return false;
}

int tls_maps_each(uint32_t tgid, void (*fn)(void *ctx, const struct tls_mapped *m), void *ctx)
{
	struct tls_mapped files[FILES_MAX], m, program = { 0 };
	bool has_nss = false;
	char path[64], line[1024];
	struct stat exe = { 0 };
	int n = 0, others = 0; /* NSPR without NSS */
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%u/exe", tgid);
	if (stat(path, &exe) < 0)
		return -errno;
	snprintf(path, sizeof(path), "/proc/%u/maps", tgid);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f)) {
		if (!parse_line(line, &m))
			continue;
		if (m.inode == exe.st_ino && !program.inode)
			program = m;
		has_nss |= strstr(m.path, "/libssl3.so") != NULL;
		if (m.library == TLS_LIB_NONE || n == FILES_MAX || is_known(files, n, &m))
			continue;
		files[n++] = m;
	}
	fclose(f);
	for (int i = 0; i < n; i++) {
		if (files[i].library == TLS_LIB_NSS && !has_nss)
			others++;
		else
			fn(ctx, &files[i]);
	}
	if (n == others && program.inode)
		fn(ctx, &program);
	return 0;
}

const char *tls_maps_below(const char *path, const char *root)
{
	size_t n = strlen(root);

	return n > 1 && strncmp(path, root, n) == 0 && path[n] == '/' ? path + n : path;
}

void tls_maps_path(uint32_t tgid, const struct tls_mapped *m, char *out, size_t size)
{
	char link[32], root[256];
	ssize_t n;

	snprintf(out, size, "/proc/%u/map_files/%" PRIx64 "-%" PRIx64, tgid, m->start, m->end);
	if (access(out, R_OK) == 0)
		return;
	snprintf(link, sizeof(link), "/proc/%u/root", tgid);
	n = readlink(link, root, sizeof(root) - 1);
	root[n > 0 ? n : 0] = '\0';
	snprintf(out, size, "%s%s", link, tls_maps_below(m->path, root));
}
