// SPDX-License-Identifier: Apache-2.0
#include "capture/propagate_try.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include "sonde_abi.h"

enum { BODY = 40 << 10, ROOM = BODY + 4096, WAIT_S = 2 };

#define FIRST  "POST /propagate HTTP/1.1\r\n"
#define REST   "Host: sonde\r\nContent-Length: "
#define TRACED "GET / HTTP/1.1\r\nTraceParent: x\r\n\r\n"
#define ANSWER "HTTP/1.1 204 No Content\r\n\r\n"

struct pair {
	int client, server;
};

static void pair_close(struct pair *p)
{
	if (p->client >= 0)
		close(p->client);
	if (p->server >= 0)
		close(p->server);
}

static int pair_connect(struct pair *p, int listener, struct probe *probe, bool is_brief)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval wait = { .tv_sec = WAIT_S };
	socklen_t size = sizeof(at);

	if (bind(listener, (struct sockaddr *)&at, size) || listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&at, &size))
		return -errno;
	probe_set_trial(probe, ntohs(at.sin_port), is_brief);
	if (connect(p->client, (struct sockaddr *)&at, size))
		return -errno;
	p->server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (p->server < 0)
		return -errno;
	setsockopt(p->client, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	setsockopt(p->client, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
	setsockopt(p->server, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	return 0;
}

static int pair_open(struct pair *p, struct probe *probe, bool is_brief)
{
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), err = -errno;

	p->client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	p->server = -1;
	if (listener >= 0 && p->client >= 0)
		err = pair_connect(p, listener, probe, is_brief);
	if (listener >= 0)
		close(listener);
	return err;
}

/* Does the server get what is sent: the first `at` bytes, `ours`, the rest? */
static bool arrives(const struct pair *p, const char *sent, size_t n, size_t at, size_t ours)
{
	static const char line[] = "traceparent: 00-";
	char *got = malloc(ROOM);
	size_t have = 0;
	bool is_right = false;
	ssize_t r;

	if (send(p->client, sent, n, MSG_NOSIGNAL) != (ssize_t)n) {
		free(got);
		return false;
	}
	while (got && have < n + ours) {
		r = recv(p->server, got + have, ROOM - have, 0);
		if (r <= 0)
			break;
		have += (size_t)r;
	}
	if (got && have == n + ours)
		is_right = memcmp(got, sent, at) == 0 &&
			   memcmp(got + at + ours, sent + at, n - at) == 0 &&
			   (!ours || (memcmp(got + at, line, sizeof(line) - 1) == 0 &&
				      memcmp(got + at + ours - 2, "\r\n", 2) == 0));
	free(got);
	return is_right;
}

/* What was sent to the client can be waited for, counted and read. */
static bool is_readable(const struct pair *p)
{
	size_t n = sizeof(ANSWER) - 1;
	char got[64];
	int ready = 0;

	if (send(p->server, ANSWER, n, MSG_NOSIGNAL) != (ssize_t)n ||
	    recv(p->client, got, 1, MSG_PEEK) != 1 || ioctl(p->client, FIONREAD, &ready))
		return false;
	return recv(p->client, got, sizeof(got), 0) == (ssize_t)n && ready == (int)n &&
	       memcmp(got, ANSWER, n) == 0;
}

/* A request without a body, one with it, one that says its trace itself, and what is none. */
static const char *first_wrong(struct pair *p, bool is_brief, int *err)
{
	size_t at = sizeof(FIRST) - 1, ours = SONDE_INJECTED_LEN, n;
	size_t later = is_brief ? 0 : ours, traced = sizeof(TRACED) - 1;
	const char *wrong = NULL;
	char *request = malloc(ROOM);

	*err = -ENOTSUP;
	if (!request)
		return "out of memory";
	n = (size_t)snprintf(request, ROOM, FIRST REST "%d\r\n\r\n", BODY);
	for (size_t i = 0; i < BODY; i++)
		request[n + i] = (char)(i * 31 >> 3);
	if (!arrives(p, request, n + BODY, at, ours)) {
		wrong = "a request does not arrive as it must";
	} else if (!is_readable(p)) {
		wrong = "FIONREAD does not say what there is to read";
		*err = is_brief ? -ENOTSUP : -EAGAIN;
	} else if (!arrives(p, request, n + BODY, at, later) || !is_readable(p)) {
		wrong = "a second request does not arrive as it must";
	} else if (!arrives(p, TRACED, traced, traced, 0) || !is_readable(p)) {
		wrong = "a request that says its trace itself is not left alone";
	} else if (!arrives(p, request + n, BODY, BODY, 0) || !is_readable(p)) {
		wrong = "what is no request is not left alone";
	}
	free(request);
	return wrong;
}

int propagate_try(struct probe *probe, bool is_brief, char *why, size_t size)
{
	const char *wrong;
	struct pair p;
	int err = pair_open(&p, probe, is_brief);

	if (err) {
		snprintf(why, size, "no connection over loopback to try it on: %s", strerror(-err));
	} else {
		wrong = first_wrong(&p, is_brief, &err);
		if (wrong)
			snprintf(why, size, "tried on a connection of its own, %s", wrong);
		else
			err = 0;
	}
	pair_close(&p);
	return err;
}
