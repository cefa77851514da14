/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/resolve.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include "identity/cgroup.h"
#include "util/utf8.h"

/* As much of a class path or an environment as the kernel lets one string be (MAX_ARG_STRLEN). */
enum { RESOLVE_TEXT_MAX = 128 * 1024 };

static struct slice read_slice(const char *root, uint32_t tgid, const char *file, char *buf,
			       size_t size)
{
	ssize_t n = procfs_read(root, tgid, file, buf, size);

	return (struct slice){ (uint8_t *)buf, n > 0 ? (size_t)n : 0 };
}

static struct slice link_slice(const char *root, uint32_t tgid, const char *file, char *buf,
			       size_t size)
{
	ssize_t n = procfs_link(root, tgid, file, buf, size);

	return (struct slice){ (uint8_t *)buf, n > 0 ? (size_t)n : 0 };
}

/* Of a process on its way out the kernel shows the root of every hierarchy of version 1. */
static bool is_exiting(const char *root, uint32_t tgid)
{
	struct procfs_stat st;

	return procfs_stat(root, tgid, &st) < 0 || st.is_exiting;
}

bool resolve_cgroup(const char *root, uint32_t tgid, struct resolved *out)
{
	char text[4096];
	struct slice file = read_slice(root, tgid, "cgroup", text, sizeof(text));
	struct slice path = cgroup_path(file);
	struct slice of_container;

	out->cgroup[0] = out->unit[0] = '\0';
	/* where only a hierarchy of version 1 tells containers apart, theirs is the one that counts
	 */
	if (container_of_file(file, &out->container, &of_container))
		path = of_container;
	out->is_unified = path.n && path.p - file.p >= 3 && memcmp(path.p - 3, "0::", 3) == 0;
	if (!path.n || (path.n == 1 && !out->is_unified && is_exiting(root, tgid)))
		return false;
	path = cgroup_below(path);
	utf8_clean(out->cgroup, sizeof(out->cgroup), path);
	if (!cgroup_unit(path, out->unit, sizeof(out->unit)))
		out->unit[0] = '\0';
	return true;
}

int resolve_process(const char *root, uint32_t tgid, struct resolved *out)
{
	char exe[PATH_MAX], cwd[PATH_MAX], *text;
	struct program program;
	struct java_says java;
	int err = procfs_stat(root, tgid, &out->stat);

	if (err < 0)
		return err;
	if (out->stat.is_exiting)
		return -ESRCH;
	text = malloc(2 * RESOLVE_TEXT_MAX); /* arguments, and variables behind them */
	if (!text)
		return -ENOMEM;
	program = (struct program){
		.exe = link_slice(root, tgid, "exe", exe, sizeof(exe)),
		.args = read_slice(root, tgid, "cmdline", text, RESOLVE_TEXT_MAX),
		.cwd = link_slice(root, tgid, "cwd", cwd, sizeof(cwd)),
	};
	out->is = program_name(&program, out->program, sizeof(out->program));
	if (!program.exe.n) { /* a kernel thread, or not ours to read */
		out->is = PROGRAM_NAMELESS;
		out->program[0] = '\0';
	}
	program_says(&program, &java);
	otel_env_parse(read_slice(root, tgid, "environ", text + RESOLVE_TEXT_MAX, RESOLVE_TEXT_MAX),
		       &java, &out->env);
	free(text);
	resolve_cgroup(root, tgid, out);
	return 0;
}
