/* SPDX-License-Identifier: Apache-2.0 */
/*
 * eager PATH N: a server on a unix socket that asks for each request until it is there, on a CPU of
 * its own, and a client that sends so many, each on a connection of its own: a socket's first bytes
 * are read while its sender is not done with telling that they have come.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static const char ask[] = "GET /eager HTTP/1.1\r\nHost: localhost\r\n\r\n";
static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n";

static void stay_on(int cpu)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
}

static void serve(int listener)
{
	char buffer[4096];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	stay_on(1);
	for (;;) {
		int fd = accept(listener, NULL, NULL);
		ssize_t n;

		do
			n = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT);
		while (n < 0 && errno == EAGAIN);
		if (n > 0 && write(fd, answer, sizeof(answer) - 1) > 0)
			n = read(fd, buffer, 1);
		close(fd);
	}
}

/* Up to some microseconds, so that the server gets there sooner or later. */
static void linger(int n)
{
	for (volatile int i = 0; i < n % 2000 * 5; i++)
		;
}

int main(int argc, char **argv)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);
	char buffer[4096];

	if (argc < 3)
		return 2;
	strncpy(a.sun_path, argv[1], sizeof(a.sun_path) - 1);
	if (bind(listener, (struct sockaddr *)&a, sizeof(a)) || listen(listener, 64))
		return 1;
	if (fork() == 0)
		serve(listener);
	stay_on(0);
	for (int i = 0; i < atoi(argv[2]); i++) {
		int fd = socket(AF_UNIX, SOCK_STREAM, 0);

		if (connect(fd, (struct sockaddr *)&a, sizeof(a)))
			return 1;
		linger(i);
		if (write(fd, ask, sizeof(ask) - 1) < 0 ||
		    recv(fd, buffer, sizeof(answer) - 1, MSG_WAITALL) != sizeof(answer) - 1)
			return 1;
		close(fd);
	}
	return 0;
}
