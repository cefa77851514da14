// SPDX-License-Identifier: Apache-2.0
/* What a process can still do after confine(): each in a child, since there is no way back. */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include "capture/confine.h"

/* Built with a sanitizer it does not filter system calls: see confine.c. */
#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if !defined(__SANITIZE_ADDRESS__) && !__has_feature(address_sanitizer)
#define HAS_FILTER
#endif

static enum confine_reach reach; /* how the next child is confined */
static bool needs_perf;

/* Runs fn in a confined child; its result, or 100 where confine() itself failed. */
static int confined(int (*fn)(void))
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		char err[128];

		_exit(confine(reach, needs_perf, err, sizeof(err)) ? 100 : fn());
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

#ifdef HAS_FILTER
static int try_exec(void)
{
	char *argv[] = { "/bin/true", NULL };

	execv(argv[0], argv);
	return errno;
}

static int try_execveat(void)
{
	char *argv[] = { "/bin/true", NULL };

	syscall(SYS_execveat, AT_FDCWD, argv[0], argv, NULL, 0);
	return errno;
}

static int try_socket(void)
{
	return socket(AF_INET, SOCK_STREAM, 0) < 0 ? errno : 0;
}

static int try_fork(void)
{
	pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

	if (pid == 0)
		_exit(0);
	return pid < 0 ? errno : 0;
}
#endif

static int try_mount(void)
{
	return mount("none", "/tmp", "tmpfs", 0, NULL) < 0 ? errno : 0;
}

/* What the loop does day by day. */
static int try_work(void)
{
	char buf[64];
	int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC),
	    epoll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event ev;

	if (fd < 0 || epoll < 0 || read(fd, buf, sizeof(buf)) <= 0)
		return errno;
	if (epoll_wait(epoll, &ev, 1, 1) < 0)
		return errno;
	return close(fd) || close(epoll) ? errno : 0;
}

/* 0 if no set holds more than the four that live work needs. */
static int has_few_capabilities(void)
{
	const uint64_t few = (needs_perf ? 1ULL << CAP_SYS_ADMIN : 0) | 1ULL << CAP_BPF |
			     1ULL << CAP_PERFMON | 1ULL << CAP_SYS_PTRACE |
			     1ULL << CAP_DAC_READ_SEARCH;
	FILE *f = fopen("/proc/self/status", "re");
	int sets = 0, over = 0;
	char line[256];

	while (f && fgets(line, sizeof(line), f)) {
		unsigned long long caps;

		if (sscanf(line, "CapEff: %llx", &caps) == 1 ||
		    sscanf(line, "CapPrm: %llx", &caps) == 1 ||
		    sscanf(line, "CapInh: %llx", &caps) == 1) {
			sets++;
			over += (caps & ~few) != 0;
		}
	}
	return sets == 3 ? over : 50;
}

/* As the kernel reports it: asking through prctl is not allowed any more. */
static int has_no_new_privs(void)
{
	FILE *f = fopen("/proc/self/status", "re");
	char line[256];
	int is_set = 0;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "NoNewPrivs: %d", &is_set) == 1)
			break;
	return is_set == 1 ? 0 : 1;
}

#ifdef HAS_FILTER
static void test_cannot_execute(void **state)
{
	assert_int_equal(confined(try_exec), EPERM);
	assert_int_equal(confined(try_execveat), EPERM);
}

static void test_cannot_reach_out(void **state)
{
	assert_int_equal(confined(try_socket), EPERM);
	assert_int_equal(confined(try_fork), EPERM);
}

/* Where it sends to a collector it may, and look up its name in a thread: but run nothing. */
static int try_raw(void)
{
	return socket(AF_PACKET, SOCK_RAW, 0) < 0 ? errno : 0;
}

static void *do_nothing(void *arg)
{
	return arg;
}

static int try_thread(void)
{
	pthread_t thread;

	return pthread_create(&thread, NULL, do_nothing, NULL) || pthread_join(thread, NULL);
}

static int try_lookup(void)
{
	struct addrinfo *found = NULL;

	if (getaddrinfo("localhost", "4318", NULL, &found))
		return 1;
	freeaddrinfo(found);
	return try_thread();
}

/* Many probes are let go at a time. */
static void test_may_have_threads(void **state)
{
	assert_int_equal(confined(try_thread), 0);
}

static void test_connects_where_it_exports(void **state)
{
	reach = CONFINE_WORLD;
	assert_int_equal(confined(try_socket), 0);
	assert_int_equal(confined(try_lookup), 0);
	assert_int_equal(confined(try_raw), EPERM);
	assert_int_equal(confined(try_fork), EPERM);
	assert_int_equal(confined(try_exec), EPERM);
	assert_int_equal(confined(try_work), 0);
	reach = CONFINE_ALONE;
}

static int try_unix(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX, .sun_path = "/nowhere/docker.sock" };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return errno;
	return connect(fd, (struct sockaddr *)&at, sizeof(at)) ? errno : 0;
}

/* Who is asked on this host alone, or may come to be, is no way out of it. */
static void test_reaches_the_host_alone(void **state)
{
	assert_int_equal(confined(try_unix), EPERM);
	reach = CONFINE_HOST;
	assert_int_equal(confined(try_unix), ENOENT);
	assert_int_equal(confined(try_socket), EPERM);
	assert_int_equal(confined(try_raw), EPERM);
	assert_int_equal(confined(try_work), 0);
	reach = CONFINE_ALONE;
}
#endif

static void test_loses_capabilities(void **state)
{
	assert_int_equal(confined(has_few_capabilities), 0);
	assert_int_equal(confined(try_mount), EPERM);
}

static int has_admin(void)
{
	FILE *f = fopen("/proc/self/status", "re");
	unsigned long long caps = 0;
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "CapEff: %llx", &caps) == 1)
			break;
	return caps >> CAP_SYS_ADMIN & 1;
}

/* Where functions are attached to by perf events, those of programs that begin later are too; the
 * calls that the right is for otherwise are not made all the same. */
static void test_keeps_what_perf_events_take(void **state)
{
	assert_int_equal(confined(has_admin), 0);
	needs_perf = true;
	assert_int_equal(confined(has_admin), has_admin());
	assert_int_equal(confined(has_few_capabilities), 0);
#ifdef HAS_FILTER
	assert_int_equal(confined(try_mount), EPERM);
#endif
	needs_perf = false;
}

static void test_gains_nothing(void **state)
{
	assert_int_equal(confined(has_no_new_privs), 0);
}

static void test_can_work(void **state)
{
	assert_int_equal(confined(try_work), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#ifdef HAS_FILTER
		cmocka_unit_test(test_cannot_execute),
		cmocka_unit_test(test_cannot_reach_out),
		cmocka_unit_test(test_may_have_threads),
		cmocka_unit_test(test_connects_where_it_exports),
		cmocka_unit_test(test_reaches_the_host_alone),
#endif
		cmocka_unit_test(test_loses_capabilities),
		cmocka_unit_test(test_keeps_what_perf_events_take),
		cmocka_unit_test(test_gains_nothing),
		cmocka_unit_test(test_can_work),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
