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

/* linux/bpf.h of Linux 6.6 and 6.13; the build's own headers may be older */
enum { TRACE_UPROBE_MULTI = 48, TRACE_UPROBE_SESSION = 57, UPROBE_MULTI_RETURN = 1 };

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
	enum by { BY_ANY, BY_SESSION, BY_ENTRY } by; /* what the kernel has for writes */
} points[] = {
	/* the ends first: one without its beginning does nothing */
	{ PROBE_TLS_FREE, TLS_FN_FREE, false, false, BY_ANY },
	{ PROBE_TLS_READ_END, TLS_FN_READ, true, false, BY_ANY },
	{ PROBE_TLS_READ_END, TLS_FN_READ_EX, true, false, BY_ANY },
	{ PROBE_TLS_WRITE_END, TLS_FN_WRITE, true, true, BY_ENTRY },
	{ PROBE_TLS_WRITE_END, TLS_FN_WRITE_EX, true, true, BY_ENTRY },
	{ PROBE_TLS_HANDSHAKE, TLS_FN_HANDSHAKE, false, false, BY_ANY },
	{ PROBE_TLS_READ, TLS_FN_READ, false, false, BY_ANY },
	{ PROBE_TLS_READ_EX, TLS_FN_READ_EX, false, false, BY_ANY },
	{ PROBE_TLS_WRITE, TLS_FN_WRITE, false, false, BY_ENTRY },
	{ PROBE_TLS_WRITE_EX, TLS_FN_WRITE_EX, false, false, BY_ENTRY },
	{ PROBE_TLS_WRITE_BOTH, TLS_FN_WRITE, false, false, BY_SESSION },
	{ PROBE_TLS_WRITE_EX_BOTH, TLS_FN_WRITE_EX, false, false, BY_SESSION },
};

struct point {
	int program_fd;
	const char *path;
	uint64_t offset, cookie;
	uint32_t tgid; /* 0: all */
	bool is_return, is_session;
};

static int attach_multi(const struct point *at)
{
	struct multi_attr attr = {
		.prog_fd = (uint32_t)at->program_fd,
		.attach_type = at->is_session ? TRACE_UPROBE_SESSION : TRACE_UPROBE_MULTI,
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

/* A folder is no file to attach to: only a kernel that knows the call says so. */
static bool knows(struct probe *p, enum probe_tls program, bool is_session)
{
	return attach_multi(&(struct point){ .program_fd = probe_tls_program(p, program),
					     .path = "/",
					     .is_session = is_session }) == -EBADF;
}

enum tls_attach_by tls_attach_by(struct probe *p)
{
	if (knows(p, PROBE_TLS_WRITE_BOTH, true))
		return TLS_ATTACH_SESSION;
	return knows(p, PROBE_TLS_READ, false) ? TLS_ATTACH_MULTI : TLS_ATTACH_PERF;
}

static bool knows_multi(int program_fd)
{
	return attach_multi(&(struct point){ .program_fd = program_fd, .path = "/" }) == -EBADF;
}

int tls_attach_entry(int program_fd, const char *path, uint64_t offset)
{
	const struct point at = { .program_fd = program_fd, .path = path, .offset = offset };

	return knows_multi(program_fd) ? attach_multi(&at) : attach_perf(&at);
}

int tls_attach(struct probe *p, const char *path, const struct tls_symbols *s, uint32_t tgid,
	       struct tls_links *out)
{
	struct tls_links l = { .n = 0 };
	enum tls_attach_by how = tls_attach_by(p);
	enum by by = how == TLS_ATTACH_SESSION ? BY_SESSION : BY_ENTRY;

	for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
		struct point at = {
			.program_fd = probe_tls_program(p, points[i].program),
			.path = path,
			.offset = s->at[points[i].fn],
			.cookie = clock_mono_ns() + ATTACH_NS,
			.tgid = tgid,
			.is_return = points[i].is_return,
			.is_session = points[i].by == BY_SESSION,
		};
		int fd;

		if (!at.offset || points[i].is_of_process != (tgid != 0) ||
		    (points[i].by != BY_ANY && points[i].by != by))
			continue;
		fd = how != TLS_ATTACH_PERF ? attach_multi(&at) : attach_perf(&at);
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
