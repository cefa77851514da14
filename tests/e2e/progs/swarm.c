/* SPDX-License-Identifier: Apache-2.0 */
/*
 * swarm PORT RATE COUNT PROGRAM...: starts COUNT processes, RATE a second and evenly spaced, each
 * of PROGRAM... in turn with PORT as its argument, and reaps every one. posix_spawn shares the
 * memory until exec, so that a start costs what the new process costs. Prints one line of JSON: how
 * many were started, how many of them failed, and how long it took.
 */
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

enum {
	AT_ONCE_MAX = 200, /* alive at one time; a machine that is too slow starts them later */
};

struct swarm {
	const char *port;
	char **programs;
	int n_programs;
	long started, ended, failed;
};

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static void sleep_until(int64_t due_ns)
{
	struct timespec ts = { due_ns / 1000000000, due_ns % 1000000000 };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

static void start(struct swarm *s)
{
	char *program = s->programs[s->started++ % s->n_programs];
	char *argv[] = { program, (char *)s->port, NULL }, *environment[] = { NULL };
	pid_t pid;

	if (posix_spawn(&pid, program, NULL, NULL, argv, environment)) {
		s->ended++;
		s->failed++;
	}
}

static void reap(struct swarm *s, int flags)
{
	int status;

	while (s->ended < s->started && waitpid(-1, &status, flags) > 0) {
		s->ended++;
		s->failed += status != 0;
		if (!(flags & WNOHANG) && s->started - s->ended < AT_ONCE_MAX)
			return;
	}
}

int main(int argc, char **argv)
{
	struct swarm s = { .port = argv[1], .programs = argv + 4, .n_programs = argc - 4 };
	double rate = argc > 4 ? atof(argv[2]) : 0;
	long count = argc > 4 ? atol(argv[3]) : 0;
	int64_t begun_ns = now_ns(), started_ns;

	if (rate <= 0 || count <= 0) {
		fprintf(stderr, "usage: swarm PORT RATE COUNT PROGRAM...\n");
		return 2;
	}
	while (s.started < count) {
		sleep_until(begun_ns + (int64_t)(s.started * 1e9 / rate));
		start(&s);
		reap(&s, s.started - s.ended < AT_ONCE_MAX ? WNOHANG : 0);
	}
	started_ns = now_ns();
	while (s.ended < s.started)
		reap(&s, 0);
	printf("{\"started\":%ld,\"failed\":%ld,\"seconds\":%.3f}\n", s.started, s.failed,
	       (started_ns - begun_ns) / 1e9);
	return 0;
}
