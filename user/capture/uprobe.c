// SPDX-License-Identifier: Apache-2.0
#include "capture/uprobe.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* linux/bpf.h of Linux 6.6 and 6.13; the build's own headers may be older */
enum { TRACE_UPROBE_MULTI = 48, TRACE_UPROBE_SESSION = 57, UPROBE_MULTI_RETURN = 1 };

enum { THREADS_MAX = 32 };

struct multi_attr {
	uint32_t prog_fd, target_fd, attach_type, flags;
	uint64_t path, offsets, ref_ctr_offsets, cookies;
	uint32_t cnt, multi_flags, pid, reserved;
};

static int attach_multi(const struct uprobe_points *at)
{
	struct multi_attr attr = {
		.prog_fd = (uint32_t)at->program_fd,
		.attach_type =
			at->kind == UPROBE_SESSION ? TRACE_UPROBE_SESSION : TRACE_UPROBE_MULTI,
		.path = (uintptr_t)at->path,
		.offsets = (uintptr_t)at->offsets,
		.cookies = (uintptr_t)at->cookies,
		.cnt = at->n,
		.multi_flags = at->kind == UPROBE_RETURN ? UPROBE_MULTI_RETURN : 0,
		.pid = at->tgid,
	};
	long fd = syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr));

	return fd < 0 ? -errno : (int)fd;
}

static int read_number(const char *path, const char *format)
{
	FILE *f = fopen(path, "re");
	int n = -1;

	if (!f)
		return -errno;
	if (fscanf(f, format, &n) != 1)
		n = -EINVAL;
	fclose(f);
	return n;
}

/* Its descriptor, or -errno. */
static int open_perf(const struct uprobe_points *at, uint32_t i)
{
	int type = read_number("/sys/bus/event_source/devices/uprobe/type", "%d");
	int bit = read_number("/sys/bus/event_source/devices/uprobe/format/retprobe", "config:%d");
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = (uint32_t)type,
		.config = at->kind == UPROBE_RETURN ? 1ULL << bit : 0,
		.config1 = (uintptr_t)at->path,
		.config2 = at->offsets[i],
	};
	int fd;

	if (type < 0 || bit < 0)
		return type < 0 ? type : bit;
	fd = (int)syscall(SYS_perf_event_open, &attr, at->tgid ? (int)at->tgid : -1,
			  at->tgid ? -1 : 0, -1, PERF_FLAG_FD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* The link keeps the event, whose descriptor is needed no more. */
static int attach_perf(const struct uprobe_points *at, uint32_t i)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .perf_event.bpf_cookie = at->cookies[i]);
	int fd = open_perf(at, i), link;

	if (fd < 0)
		return fd;
	link = bpf_link_create(at->program_fd, fd, BPF_PERF_EVENT, &opts);
	if (link < 0)
		link = -errno;
	else if (ioctl(fd, PERF_EVENT_IOC_ENABLE, 0) < 0) {
		close(link);
		link = -errno;
	}
	close(fd);
	return link;
}

/* A folder is no file to attach to: only a kernel that knows the call says so. */
bool uprobe_has_multi(int program_fd, enum uprobe_kind kind)
{
	const struct uprobe_points at = {
		.program_fd = program_fd,
		.path = "/",
		.kind = kind,
		.n = 1,
	};

	return attach_multi(&at) == -EBADF;
}

/* Neither attaches: a folder has no functions. The kernel asks for the rights before it looks. */
enum uprobe_means uprobe_means(void)
{
	static const struct bpf_insn nothing[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts,
		    .expected_attach_type = (enum bpf_attach_type)TRACE_UPROBE_MULTI);
	const struct uprobe_points at = { .path = "/", .n = 1 };
	int fd = bpf_prog_load(BPF_PROG_TYPE_KPROBE, "sonde_nothing", "Dual BSD/GPL", nothing,
			       sizeof(nothing) / sizeof(nothing[0]), &opts);
	bool has_multi = fd < 0 || uprobe_has_multi(fd, UPROBE_ENTRY);
	int event;

	if (fd >= 0)
		close(fd);
	if (has_multi)
		return UPROBE_BY_MULTI;
	event = open_perf(&at, 0);
	if (event >= 0)
		close(event);
	return event == -EACCES || event == -EPERM ? UPROBE_BY_NOBODY : UPROBE_BY_PERF;
}

int uprobe_attach(const struct uprobe_points *at, struct uprobe_links *to)
{
	bool is_multi = uprobe_has_multi(at->program_fd, at->kind);
	uint32_t links = is_multi && at->n ? 1 : at->n;
	struct uprobe_links l = { .n = 0 };
	int fd;

	if (to->n + links > UPROBE_LINKS_MAX)
		return -ENOSPC;
	for (uint32_t i = 0; i < links; i++) {
		fd = is_multi ? attach_multi(at) : attach_perf(at, i);
		if (fd < 0) {
			uprobe_detach(&l);
			return fd;
		}
		l.fd[l.n++] = fd;
	}
	for (int i = 0; i < l.n; i++)
		to->fd[to->n++] = l.fd[i];
	return 0;
}

int uprobe_attach_entry(int program_fd, const char *path, uint64_t offset)
{
	const struct uprobe_points at = {
		.program_fd = program_fd,
		.path = path,
		.n = 1,
		.offsets = { offset },
	};
	struct uprobe_links l = { .n = 0 };
	int err = uprobe_attach(&at, &l);

	return err < 0 ? err : l.fd[0];
}

void uprobe_detach(struct uprobe_links *l)
{
	while (l->n)
		close(l->fd[--l->n]);
}

/* --- many at a time --- */

struct share {
	const int *fds;
	size_t n, first, step;
};

static void *close_share(void *ctx)
{
	const struct share *s = ctx;

	for (size_t i = s->first; i < s->n; i += s->step)
		close(s->fds[i]);
	return NULL;
}

void uprobe_detach_all(const int *fds, size_t n)
{
	struct share shares[THREADS_MAX];
	pthread_t threads[THREADS_MAX];
	bool is_started[THREADS_MAX];
	size_t step = n < THREADS_MAX ? n : THREADS_MAX;

	for (size_t i = 0; i < step; i++) {
		shares[i] = (struct share){ .fds = fds, .n = n, .first = i, .step = step };
		/* the last share is this thread's own */
		is_started[i] = i + 1 < step &&
				pthread_create(&threads[i], NULL, close_share, &shares[i]) == 0;
		if (!is_started[i])
			close_share(&shares[i]);
	}
	for (size_t i = 0; i < step; i++)
		if (is_started[i])
			pthread_join(threads[i], NULL);
}
