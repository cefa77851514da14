/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Input: what a client sends to our HTTP server. It goes over a real socket, so it passes
 * through the library as well. The server answers in HTTP or hangs up, and lives.
 */
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include "export/server.h"
#include "metrics/catalogue.h"
#include "replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TURNS_MAX = 2000 };

static bool is_ready(void *ctx)
{
	return true;
}

static struct series_store *metrics(void *ctx)
{
	return ctx;
}

static char *object(void *ctx)
{
	return strdup("{}");
}

static char *named(void *ctx, const char *name)
{
	return name[0] == 'a' ? strdup(name) : NULL;
}

static char *chosen(void *ctx, const struct server_query *q)
{
	must(q->max > 0);
	return strdup(q->service ? q->service : "{}");
}

static struct server *start(void)
{
	struct status_source source = {
		.ctx = series_store_new(0),
		.is_ready = is_ready,
		.metrics = metrics,
		.services = chosen,
		.service = named,
		.requests = chosen,
		.map = object,
		.trace = named,
		.status = object,
	};
	struct server *s = NULL;
	char err[512];

	must(server_open(&s, "127.0.0.1", 0, &source, NULL, err, sizeof(err)) == 0);
	return s;
}

/* A socket pair rather than a connection: no port, nothing of the host's is in it. */
static int client(struct server *s)
{
	int ends[2];

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
	must(server_adopt(s, ends[1]) == 0);
	return ends[0];
}

/* As our loop does. False: the server waits for more. */
static bool turn(struct server *s)
{
	struct pollfd fd = { server_epoll_fd(s), POLLIN, 0 };
	bool is_busy = server_timeout_ms(s) == 0 || poll(&fd, 1, 0) > 0;

	server_run(s);
	return is_busy;
}

/* Reads what comes. False: that was all. */
static bool drain(int fd, char *head, size_t *n)
{
	char more[16384];
	ssize_t got = recv(fd, more, sizeof(more), MSG_DONTWAIT);

	if (got < 0 && errno == EAGAIN)
		return true;
	if (got <= 0)
		return false;
	for (ssize_t i = 0; i < got && *n < 7; i++)
		head[(*n)++] = more[i];
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct server *s;
	char head[8] = "";
	size_t n = 0;
	int fd, turns = 0;

	if (!s)
		s = start();
	fd = client(s);
	must(send(fd, data, size, MSG_NOSIGNAL) == (ssize_t)size);
	while (turn(s) && drain(fd, head, &n))
		must(++turns < TURNS_MAX);
	must(n == 0 || strncmp(head, "HTTP/1.", n) == 0);
	close(fd);
	while (turn(s))
		must(++turns < TURNS_MAX);
	return 0;
}
