// SPDX-License-Identifier: Apache-2.0
#include "capture/tls_attach.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/clock.h"

/* linux/bpf.h of Linux 6.6; the build's own headers may be older */
enum { TRACE_UPROBE_MULTI = 48, UPROBE_MULTI_RETURN = 1 };

struct multi_attr {
	uint32_t prog_fd, target_fd, attach_type, flags;
	uint64_t path, offsets, ref_ctr_offsets, cookies;
	uint32_t cnt, multi_flags, pid, reserved;
};

/* A library watched while a connection begins is not watched from its first byte. */
#define ATTACH_NS (20 * NS_PER_MS)

static const struct {
	enum probe_tls program;
	enum tls_function fn;
	bool is_return, is_of_process;
} points[] = {
	/* the ends first: one without its beginning does nothing */
	{ PROBE_TLS_FREE, TLS_FN_FREE, false, false },
	{ PROBE_TLS_READ_END, TLS_FN_READ, true, false },
	{ PROBE_TLS_READ_END, TLS_FN_READ_EX, true, false },
	{ PROBE_TLS_WRITE_END, TLS_FN_WRITE, true, true },
	{ PROBE_TLS_WRITE_END, TLS_FN_WRITE_EX, true, true },
	{ PROBE_TLS_HANDSHAKE, TLS_FN_HANDSHAKE, false, false },
	{ PROBE_TLS_READ, TLS_FN_READ, false, false },
	{ PROBE_TLS_READ_EX, TLS_FN_READ_EX, false, false },
	{ PROBE_TLS_WRITE, TLS_FN_WRITE, false, false },
	{ PROBE_TLS_WRITE_EX, TLS_FN_WRITE_EX, false, false },
};

struct point {
	int program_fd;
	const char *path;
	uint64_t offset, cookie;
	uint32_t tgid; /* 0: all */
	bool is_return;
};

static int attach_multi(const struct point *at)
{
	struct multi_attr attr = {
		.prog_fd = (uint32_t)at->program_fd,
		.attach_type = TRACE_UPROBE_MULTI,
		.path = (uintptr_t)at->path,
		.offsets = (uintptr_t)&at->offset,
		.cookies = (uintptr_t)&at->cookie,
		.cnt = 1,
		.multi_flags = at->is_return ? UPROBE_MULTI_RETURN : 0,
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

/* The link keeps the event, whose descriptor is needed no more. */
static int attach_perf(const struct point *at)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .perf_event.bpf_cookie = at->cookie);
	int type = read_number("/sys/bus/event_source/devices/uprobe/type", "%d");
	int bit = read_number("/sys/bus/event_source/devices/uprobe/format/retprobe", "config:%d");
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = (uint32_t)type,
		.config = at->is_return ? 1ULL << bit : 0,
		.config1 = (uintptr_t)at->path,
		.config2 = at->offset,
	};
	int link, fd;

	if (type < 0 || bit < 0)
		return type < 0 ? type : bit;
	fd = (int)syscall(SYS_perf_event_open, &attr, at->tgid ? (int)at->tgid : -1,
			  at->tgid ? -1 : 0, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd < 0)
		return -errno;
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

bool tls_attach_has_multi(struct probe *p)
{
	/* a folder is no file to attach to: only a kernel that knows the call says so */
	struct point at = { .program_fd = probe_tls_program(p, PROBE_TLS_READ), .path = "/" };

	return attach_multi(&at) == -EBADF;
}

int tls_attach(struct probe *p, const char *path, const struct tls_symbols *s, uint32_t tgid,
	       struct tls_links *out)
{
	struct tls_links l = { .n = 0 };
	bool is_multi = tls_attach_has_multi(p);

	for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
		struct point at = {
			.program_fd = probe_tls_program(p, points[i].program),
			.path = path,
			.offset = s->at[points[i].fn],
			.cookie = clock_mono_ns() + ATTACH_NS,
			.tgid = tgid,
			.is_return = points[i].is_return,
		};
		int fd;

		if (!at.offset || points[i].is_of_process != (tgid != 0))
			continue;
		fd = is_multi ? attach_multi(&at) : attach_perf(&at);
		if (fd < 0) {
			tls_detach(&l);
			return fd;
		}
		l.fd[l.n++] = fd;
	}
	*out = l;
	return 0;
}

void tls_detach(struct tls_links *l)
{
	/* beginnings first, as they were attached last */
	while (l->n)
		close(l->fd[--l->n]);
}
