/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/filter.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "util/procs.h"

bool filter_glob(const char *glob, const char *text)
{
	const char *star = NULL, *mark = NULL;

	for (;;) {
		if (*glob == '*') {
			star = glob++;
			mark = text;
		} else if (!*text) {
			return !*glob;
		} else if (*glob == *text || *glob == '?') {
			glob++;
			text++;
		} else if (star) {
			glob = star + 1;
			text = ++mark;
		} else {
			return false;
		}
	}
}

static bool any(const struct sonde_glob *globs, uint32_t n, const char *text)
{
	for (uint32_t i = 0; i < n; i++)
		if (filter_glob(globs[i].text, text))
			return true;
	return false;
}

static bool any_path(const struct sonde_glob *globs, uint32_t n, const char *path)
{
	const char *slash = strrchr(path, '/');

	return any(globs, n, path) || (slash && any(globs, n, slash + 1));
}

/* One line of a small file of /proc/PID, without its newline; empty when unreadable. */
static void proc_line(const char *pid, const char *name, char *out, size_t size)
{
	char path[64];
	ssize_t n = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/%s/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, out, size - 1);
		close(fd);
	}
	out[n > 0 ? n : 0] = '\0';
}

static void proc_exe(const char *pid, char *out, size_t size)
{
	char path[64], *gone;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%s/exe", pid);
	n = readlink(path, out, size - 1);
	out[n > 0 ? n : 0] = '\0';
	gone = strstr(out, " (deleted)");
	if (gone)
		*gone = '\0';
}

static bool any_cgroup(const struct sonde_filter *f, const char *pid)
{
	char lines[4096], *save = NULL;

	proc_line(pid, "cgroup", lines, sizeof(lines));
	for (char *line = strtok_r(lines, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *path = strchr(line, '/');

		if (path && any(f->cgroups, f->n_cgroups, path))
			return true;
	}
	return false;
}

static bool asks(const struct sonde_filter *f, const char *pid)
{
	char comm[64], exe[PATH_MAX];

	proc_line(pid, "comm", comm, sizeof(comm));
	comm[strcspn(comm, "\n")] = '\0';
	if (any(f->not_comms, f->n_not_comms, comm))
		return false;
	if (f->n_comms && !any(f->comms, f->n_comms, comm))
		return false;
	if (f->n_exes) {
		proc_exe(pid, exe, sizeof(exe));
		if (!any_path(f->exes, f->n_exes, exe))
			return false;
	}
	return !f->n_cgroups || any_cgroup(f, pid);
}

bool filter_asks(const struct sonde_filter *f, uint32_t tgid)
{
	bool is_named = !f->n_pids;
	char pid[16];

	for (uint32_t i = 0; i < f->n_pids; i++)
		is_named |= f->pids[i] == tgid;
	snprintf(pid, sizeof(pid), "%u", tgid);
	return is_named && asks(f, pid);
}

struct seed {
	const struct sonde_filter *filter;
	struct probe *probe;
	int (*set)(struct probe *p, uint32_t tgid, uint32_t flags);
};

static void decide(void *ctx, uint32_t tgid)
{
	const struct seed *s = ctx;
	char pid[16];

	snprintf(pid, sizeof(pid), "%u", tgid);
	s->set(s->probe, tgid, SONDE_P_DECIDED | (asks(s->filter, pid) ? SONDE_P_OBSERVED : 0));
}

void filter_seed(const struct sonde_filter *f, struct probe *p,
		 int (*set)(struct probe *p, uint32_t tgid, uint32_t flags))
{
	if (f->n_comms || f->n_not_comms || f->n_exes || f->n_cgroups)
		procs_each(decide, &(struct seed){ f, p, set });
}
