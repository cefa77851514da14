// SPDX-License-Identifier: Apache-2.0
#include "capture/confine.h"

#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The sanitizers' runtime makes system calls of its own: only capabilities are dropped under it. */
#ifndef __has_feature
#define __has_feature(x) 0 /* clang's way to ask */
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
enum { HAS_SANITIZER = 1 };
#else
enum { HAS_SANITIZER = 0 };
#endif

/* Attaching what a later connection needs, and the sweep, take the first two; the files under
 * /proc of other users' processes, and their programs, the others. */
static const int kept[] = { CAP_BPF, CAP_PERFMON, CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH };

static int drop_capabilities(bool needs_perf)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[2];
	uint64_t had, keep = 0;

	if (syscall(SYS_capget, &head, caps) < 0)
		return -errno;
	had = (uint64_t)caps[1].permitted << 32 | caps[0].permitted;
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		keep |= 1ULL << kept[i];
	/* where it came with the older right alone, that one stands for the first two */
	if (needs_perf || !(had & 1ULL << CAP_BPF) || !(had & 1ULL << CAP_PERFMON))
		keep |= 1ULL << CAP_SYS_ADMIN;
	keep &= had;
	/* fails without CAP_SETPCAP; no_new_privs keeps the bounds from ever mattering */
	for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		if (!(keep >> cap & 1))
			prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	for (int i = 0; i < 2; i++) {
		caps[i].effective = caps[i].permitted = (uint32_t)(keep >> (32 * i));
		caps[i].inheritable = 0;
	}
	return syscall(SYS_capset, &head, caps) < 0 ? -errno : 0;
}

/* What the loop, the libraries under it and the C library's way out are made of. */
static const char *const allowed[] = {
	/* files and descriptors */
	"read",
	"write",
	"readv",
	"writev",
	"pread64",
	"pwrite64",
	"lseek",
	"open",
	"openat",
	"close",
	"close_range",
	"stat",
	"lstat",
	"fstat",
	"newfstatat",
	"fstatat64",
	"statx",
	"statfs",
	"fstatfs",
	"access",
	"faccessat",
	"faccessat2",
	"readlink",
	"readlinkat",
	"getdents",
	"getdents64",
	"getcwd",
	"fcntl",
	"ioctl",
	"dup",
	"dup2",
	"dup3",
	"fsync",
	"fdatasync",
	"ftruncate",
	"fchmod",
	/* waiting and time */
	"epoll_create1",
	"epoll_ctl",
	"epoll_wait",
	"epoll_pwait",
	"epoll_pwait2",
	"poll",
	"ppoll",
	"select",
	"pselect6",
	"timerfd_create",
	"timerfd_settime",
	"timerfd_gettime",
	"eventfd2",
	"signalfd4",
	"pipe2",
	"clock_gettime",
	"clock_getres",
	"clock_nanosleep",
	"nanosleep",
	"gettimeofday",
	"time",
	"times",
	"restart_syscall",
	"sched_yield",
	"sched_getaffinity",
	/* the server: what is accepted, not what is asked of others */
	"accept",
	"accept4",
	"recvfrom",
	"recvmsg",
	"sendto",
	"sendmsg",
	"sendfile",
	"shutdown",
	"getsockname",
	"getpeername",
	"getsockopt",
	"setsockopt",
	/* memory, signals, the process itself */
	"brk",
	"mmap",
	"munmap",
	"mremap",
	"mprotect",
	"madvise",
	"futex",
	"membarrier",
	"rseq",
	"set_robust_list",
	"rt_sigaction",
	"rt_sigprocmask",
	"rt_sigreturn",
	"rt_sigpending",
	"sigaltstack",
	"getpid",
	"gettid",
	"getppid",
	"getuid",
	"geteuid",
	"getgid",
	"getegid",
	"getrusage",
	"prlimit64",
	"getrlimit",
	"getrandom",
	"uname",
	"sysinfo",
	"capget",
	"tgkill",
	"exit",
	"exit_group",
	/* attaching and sweeping */
	"bpf",
	"perf_event_open",
};

/* What making connections takes besides. */
static const char *const allowed_to_connect[] = {
	"connect", "socketpair", "bind", "sendmmsg", "recvmmsg", "pipe",
};

/* Threads, no processes: many probes are let go at a time, names are looked up. The C library makes
 * them by clone3, whose flags no filter can see, or by clone where there is none. */
static int allow_threads(scmp_filter_ctx ctx)
{
	int err = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);

	if (err)
		return err;
	return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
				SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
}

static int allow_connecting(scmp_filter_ctx ctx, enum confine_reach reach)
{
	static const int families[] = { AF_UNIX, AF_INET, AF_INET6, AF_NETLINK };
	size_t n = reach == CONFINE_WORLD ? sizeof(families) / sizeof(families[0]) : 1;
	int err = 0;

	for (size_t i = 0; i < n && !err; i++)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
				       SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i], 0));
	for (size_t i = 0; i < sizeof(allowed_to_connect) / sizeof(allowed_to_connect[0]) && !err;
	     i++) {
		int nr = seccomp_syscall_resolve_name(allowed_to_connect[i]);

		if (nr != __NR_SCMP_ERROR)
			err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 0);
	}
	return err;
}

static int filter_system_calls(enum confine_reach reach)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int err = 0;

	if (!ctx)
		return -ENOMEM;
	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]) && !err; i++) {
		int nr = seccomp_syscall_resolve_name(allowed[i]);

		/* one this machine does not have needs no leave */
		if (nr != __NR_SCMP_ERROR)
			err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 0);
	}
	if (!err)
		err = allow_threads(ctx);
	if (!err && reach != CONFINE_ALONE)
		err = allow_connecting(ctx, reach);
	if (!err)
		err = seccomp_load(ctx);
	seccomp_release(ctx);
	return err;
}

int confine(enum confine_reach reach, bool needs_perf, char *err, size_t size)
{
	const char *what = "give up gaining rights";
	int rc = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;

	if (!rc) {
		what = "drop capabilities";
		rc = drop_capabilities(needs_perf);
	}
	if (!rc && !HAS_SANITIZER) {
		what = "filter system calls";
		rc = filter_system_calls(reach);
	}
	if (rc)
		snprintf(err, size, "cannot %s: %s", what, strerror(-rc));
	return rc;
}
