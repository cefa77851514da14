// SPDX-License-Identifier: Apache-2.0
#include "pressure/usage.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "identity/procfs.h"
#include "pressure/text.h"
#include "util/clock.h"

enum {
	KERNEL_THREAD = 0x00200000, /* PF_KTHREAD */
	THREADS_MAX = 256,	    /* whose context switches are added up */
};

/* "pid (comm) state ppid ...": the name may hold anything, a parenthesis too; see proc(5) for the
 * numbers behind it. */
bool usage_stat(struct slice text, uint64_t ticks_per_s, uint64_t page_size, struct usage *out)
{
	const uint8_t *open = memchr(text.p, '(', text.n), *close = memrchr(text.p, ')', text.n);
	uint64_t tick_ns = NS_PER_S / (ticks_per_s ? ticks_per_s : 100);
	struct slice rest, state;

	if (!open || !close || close < open)
		return false;
	slice_copy(out->comm, sizeof(out->comm),
		   (struct slice){ open + 1, (size_t)(close - open - 1) });
	rest = (struct slice){ close + 1, text.n - (size_t)(close + 1 - text.p) };
	state = text_word(&rest);
	text_skip(&rest, 5);
	out->is_kernel = text_u64(text_word(&rest)) & KERNEL_THREAD;
	out->minor_faults = text_u64(text_word(&rest));
	text_skip(&rest, 1);
	out->major_faults = text_u64(text_word(&rest));
	text_skip(&rest, 1);
	out->user_ns = text_u64(text_word(&rest)) * tick_ns;
	out->system_ns = text_u64(text_word(&rest)) * tick_ns;
	text_skip(&rest, 4);
	out->threads = text_u64(text_word(&rest));
	/* a first thread that ended before the others is called so, too */
	out->is_over =
		out->threads <= 1 && (slice_eq(state, SLICE("Z")) || slice_eq(state, SLICE("X")));
	text_skip(&rest, 1);
	out->start_ns = text_u64(text_word(&rest)) * tick_ns;
	out->virtual_bytes = text_u64(text_word(&rest));
	out->resident_bytes = text_u64(text_word(&rest)) * page_size;
	return out->threads > 0;
}

/* Adds up the fields of "Name: value" lines. */
static bool fields(struct slice text, const char *const *names, uint64_t *values, int n)
{
	struct slice line;
	bool any = false;

	while (text_line(&text, &line)) {
		struct slice name = text_word(&line);

		for (int i = 0; i < n; i++) {
			if (!slice_eq(name, slice_str(names[i])))
				continue;
			values[i] += text_u64(text_word(&line));
			any = true;
		}
	}
	return any;
}

/* "SigIgn:	0000000000010000", a bit for each signal from 1 on. */
static bool ignores(struct slice text, int signal)
{
	struct slice line;

	while (text_line(&text, &line)) {
		char hex[17];

		if (!slice_eq(text_word(&line), SLICE("SigIgn:")))
			continue;
		slice_copy(hex, sizeof(hex), text_word(&line));
		return strtoull(hex, NULL, 16) >> (signal - 1) & 1;
	}
	return false;
}

bool usage_status(struct slice text, struct usage *out)
{
	static const char *const names[] = { "VmSwap:", "voluntary_ctxt_switches:",
					     "nonvoluntary_ctxt_switches:" };
	uint64_t values[3] = { 0 };

	if (!fields(text, names, values, 3))
		return false;
	out->ignores_children = ignores(text, SIGCHLD);
	out->swap_bytes = values[0] * 1024;
	out->voluntary += values[1];
	out->involuntary += values[2];
	return true;
}

bool usage_io(struct slice text, struct usage *out)
{
	static const char *const names[] = { "read_bytes:", "write_bytes:" };
	uint64_t values[2] = { 0 };

	out->has_io = fields(text, names, values, 2);
	out->read_bytes = values[0];
	out->written_bytes = values[1];
	return out->has_io;
}

/* The file says of the process, that of a thread of the thread only. */
static void read_switches(const char *proc, uint32_t tgid, struct usage *out)
{
	char path[64], file[64], buf[4096];
	const struct dirent *d;
	DIR *dir;
	int n = 0;

	snprintf(path, sizeof(path), "%s/%u/task", proc, tgid);
	dir = opendir(path);
	while (dir && n < THREADS_MAX && (d = readdir(dir))) {
		ssize_t got;

		if (d->d_name[0] == '.')
			continue;
		snprintf(file, sizeof(file), "task/%.16s/status", d->d_name);
		got = procfs_read(proc, tgid, file, buf, sizeof(buf));
		if (got > 0)
			usage_status((struct slice){ (uint8_t *)buf, (size_t)got }, out);
		n++;
	}
	if (dir)
		closedir(dir);
}

/* Since Linux 6.2 the folder's size is the number of descriptors; before, they are counted. */
static bool read_descriptors(const char *proc, uint32_t tgid, struct usage *out)
{
	const struct dirent *d;
	struct stat st;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "%s/%u/fd", proc, tgid);
	if (stat(path, &st) < 0 || access(path, R_OK) < 0)
		return false;
	out->descriptors = (uint64_t)st.st_size;
	if (out->descriptors)
		return true;
	dir = opendir(path);
	if (!dir)
		return false;
	while ((d = readdir(dir)))
		out->descriptors += d->d_name[0] != '.';
	closedir(dir);
	return true;
}

bool usage_read(const char *proc, uint32_t tgid, struct usage *out)
{
	char buf[4096];
	ssize_t n = procfs_read(proc, tgid, "stat", buf, sizeof(buf));

	*out = (struct usage){ 0 };
	if (n <= 0 ||
	    !usage_stat((struct slice){ (uint8_t *)buf, (size_t)n }, (uint64_t)sysconf(_SC_CLK_TCK),
			(uint64_t)sysconf(_SC_PAGESIZE), out))
		return false;
	if (out->is_kernel)
		return true;
	n = procfs_read(proc, tgid, "io", buf, sizeof(buf));
	if (n > 0)
		usage_io((struct slice){ (uint8_t *)buf, (size_t)n }, out);
	read_switches(proc, tgid, out);
	out->has_descriptors = read_descriptors(proc, tgid, out);
	return true;
}

/* As the kernel does for /proc (cputime_adjust): ticks are samples, and their ratio changes. A part
 * that was told too large stays, and the other one is what is left. */
void usage_end(struct usage *u, uint64_t run_ns, uint64_t user_ticks_ns, uint64_t system_ticks_ns)
{
	__uint128_t ticks = (__uint128_t)user_ticks_ns + system_ticks_ns;
	uint64_t system_ns = ticks ? (uint64_t)(run_ns * (__uint128_t)system_ticks_ns / ticks) : 0;

	if (run_ns <= u->user_ns + u->system_ns)
		return;
	if (system_ns < u->system_ns)
		system_ns = u->system_ns;
	if (run_ns - system_ns < u->user_ns)
		system_ns = run_ns - u->user_ns;
	u->system_ns = system_ns;
	u->user_ns = run_ns - system_ns;
}
