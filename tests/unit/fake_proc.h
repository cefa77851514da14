/* SPDX-License-Identifier: Apache-2.0 */
/* A /proc of our own making, in a folder. */
#ifndef FAKE_PROC_H
#define FAKE_PROC_H

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct fake_proc {
	char root[64];
};

/* Strings: '|' stands for NUL in args and environ. NULL: empty. */
struct fake_process {
	uint32_t tgid, ppid;
	uint64_t start_ticks;
	char state; /* 0: 'S' */
	const char *comm, *exe, *args, *environ, *cgroup, *cwd;
};

static inline void fake_proc_make(struct fake_proc *fp)
{
	strcpy(fp->root, "/tmp/sonde-proc-XXXXXX");
	assert_non_null(mkdtemp(fp->root));
}

static inline void fake_proc_path(const struct fake_proc *fp, uint32_t tgid, const char *file,
				  char out[256])
{
	snprintf(out, 256, "%s/%" PRIu32 "/%s", fp->root, tgid, file);
}

static inline void fake_proc_write(const struct fake_proc *fp, uint32_t tgid, const char *file,
				   const char *text)
{
	char path[256];
	FILE *f;

	fake_proc_path(fp, tgid, file, path);
	f = fopen(path, "w");
	assert_non_null(f);
	for (; text && *text; text++)
		fputc(*text == '|' ? '\0' : *text, f);
	fclose(f);
}

static inline void fake_proc_remove(const struct fake_proc *fp, uint32_t tgid)
{
	static const char *const files[] = { "stat", "cmdline", "environ", "cgroup",
					     "exe",  "cwd",	"" };
	char path[256];

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		fake_proc_path(fp, tgid, files[i], path);
		remove(path);
	}
}

static inline void fake_proc_add(const struct fake_proc *fp, const struct fake_process *p)
{
	char path[256], stat[512];

	fake_proc_remove(fp, p->tgid);
	fake_proc_path(fp, p->tgid, "", path);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(stat, sizeof(stat),
		 "%" PRIu32 " (%s) %c %" PRIu32
		 " 1 1 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 %" PRIu64
		 " 1000 100 18446744073709551615 1 1 0 0 0\n",
		 p->tgid, p->comm ? p->comm : "x", p->state ? p->state : 'S', p->ppid,
		 p->start_ticks);
	fake_proc_write(fp, p->tgid, "stat", stat);
	fake_proc_write(fp, p->tgid, "cmdline", p->args);
	fake_proc_write(fp, p->tgid, "environ", p->environ);
	fake_proc_write(fp, p->tgid, "cgroup", p->cgroup ? p->cgroup : "0::/\n");
	fake_proc_path(fp, p->tgid, "exe", path);
	if (p->exe)
		assert_int_equal(symlink(p->exe, path), 0);
	fake_proc_path(fp, p->tgid, "cwd", path);
	assert_int_equal(symlink(p->cwd ? p->cwd : "/", path), 0);
}

#endif
