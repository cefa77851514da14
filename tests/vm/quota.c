// SPDX-License-Identifier: Apache-2.0
/*
 * quota GROUP: a server in that control group burns 20 ms of CPU time for each request: on a
 * processor that it shares with a program that is always busy (/rival), with a tenth of it as its
 * quota (/quota), and with both (/both). Prints for each what the kernel says of the server, in
 * nanoseconds: "PATH DELAY THROTTLED", how long it was ready without a CPU, and how long of that
 * its quota was spent.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PORT = 8096, REQUESTS = 12, RIVAL_NICE = -5, BURN_NS = 20 * 1000 * 1000 };

static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n";

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static long cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * 1000000000L + t.tv_nsec;
}

static void spin(void)
{
	for (volatile int i = 0; i < 10000; i++)
		;
}

static void stay_on_one(void)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(0, &one);
	if (sched_setaffinity(0, sizeof(one), &one))
		fail("affinity");
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static void put(const char *group, const char *name, const char *text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", group, name);
	f = fopen(path, "w");
	if (!f || fputs(text, f) < 0 || fclose(f))
		fail(path);
}

static void serve(int listener)
{
	int fd = accept(listener, NULL, NULL);
	char head[4096];

	while (recv(fd, head, sizeof(head), 0) > 0) {
		long end = cpu_ns() + BURN_NS;

		while (cpu_ns() < end)
			spin();
		if (send(fd, answer, sizeof(answer) - 1, 0) < 0)
			break;
	}
	_exit(0);
}

/* The number behind a word in a file. */
static unsigned long long number(const char *path, const char *format)
{
	unsigned long long n = 0;
	char line[256];
	FILE *f = fopen(path, "r");
	int found = 0;

	while (f && !found && fgets(line, sizeof(line), f))
		found = sscanf(line, format, &n) == 1;
	if (!found)
		fail(path);
	fclose(f);
	return n;
}

static void ask(int fd, const char *path)
{
	char got[256];
	int n = snprintf(got, sizeof(got), "GET %s HTTP/1.1\r\nHost: quota\r\n\r\n", path);

	if (send(fd, got, (size_t)n, 0) != n ||
	    recv(fd, got, sizeof(answer) - 1, MSG_WAITALL) != sizeof(answer) - 1)
		fail("request");
}

static pid_t begin_rival(void)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	stay_on_one();
	if (nice(RIVAL_NICE) != RIVAL_NICE)
		fail("nice");
	for (;;)
		spin();
}

static pid_t begin_server(const char *group, int *fd)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_port = htons(PORT),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	pid_t pid;

	if (bind(listener, (struct sockaddr *)&at, sizeof(at)) || listen(listener, 1))
		fail("listen");
	pid = fork();
	if (pid == 0) {
		stay_on_one();
		put(group, "cgroup.procs", "0");
		serve(listener);
	}
	*fd = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(*fd, (struct sockaddr *)&at, sizeof(at)))
		fail("connect");
	return pid;
}

/* What the kernel says of the server so far. */
static void account(pid_t server, const char *group, unsigned long long ns[2])
{
	char path[256];

	snprintf(path, sizeof(path), "/proc/%d/schedstat", server);
	ns[0] = number(path, "%*u %llu");
	snprintf(path, sizeof(path), "%s/cpu.stat", group);
	ns[1] = 1000 * number(path, "throttled_usec %llu");
}

static void ask_all(int fd, const char *path, pid_t server, const char *group)
{
	unsigned long long before[2], after[2];

	account(server, group, before);
	for (int i = 0; i < REQUESTS; i++)
		ask(fd, path);
	account(server, group, after);
	printf("%s %llu %llu\n", path, after[0] - before[0], after[1] - before[1]);
}

int main(int argc, char **argv)
{
	const char *group = argc == 2 ? argv[1] : "";
	pid_t server, rival;
	int fd;

	server = begin_server(group, &fd);
	ask(fd, "/first"); /* it has come to its group, and is known */
	rival = begin_rival();
	ask_all(fd, "/rival", server, group);
	put(group, "cpu.max", "10000 100000");
	ask_all(fd, "/both", server, group);
	kill(rival, SIGKILL);
	ask_all(fd, "/quota", server, group);
	return 0;
}
