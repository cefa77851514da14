// SPDX-License-Identifier: Apache-2.0
/*
 * crowd N: N connections one after another, each of which says what is no HTTP and ends; then one
 * that stays and says so again and again, until it is killed. Prints "ready" once it is there.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PORT = 8094, PAUSE_US = 100000 };

static const struct sockaddr_in at = {
	.sin_family = AF_INET,
	.sin_port = __builtin_bswap16(PORT),
	.sin_addr.s_addr = __builtin_bswap32(INADDR_LOOPBACK),
};

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static int server(void)
{
	int s = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(s, (const struct sockaddr *)&at, sizeof(at)) || listen(s, 1))
		fail("listen");
	return s;
}

/* Who never waits is looked at for longer than one request. */
static int begin(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	if (connect(fd, (const struct sockaddr *)&at, sizeof(at)) && errno != EINPROGRESS)
		fail("connect");
	poll(&p, 1, -1);
	return fd;
}

static void say(int fd)
{
	if (send(fd, "!", 1, MSG_NOSIGNAL) != 1)
		fail("send");
}

/* Both ends, at fds[0] and [1]; the client has spoken. */
static void speak(int s, int fds[2])
{
	fds[0] = begin();
	fds[1] = accept(s, NULL, NULL);
	say(fds[0]);
}

int main(int argc, char **argv)
{
	int s = server(), fds[2];

	for (int n = argc > 1 ? atoi(argv[1]) : 0; n > 0; n--) {
		speak(s, fds);
		close(fds[0]);
		close(fds[1]);
	}
	speak(s, fds);
	puts("ready");
	fflush(stdout);
	for (;;) {
		usleep(PAUSE_US);
		say(fds[0]);
	}
}
