/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/out.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>
#include "util/clock.h"
#include "util/log.h"

enum { WAIT_MS = 100 };

#define END_NS (NS_PER_S / 2)

void out_init(struct out *o, int fd)
{
	signal(SIGPIPE, SIG_IGN);
	o->fd = fd;
	o->is_closed = false;
	o->until_ns = 0;
	o->n = 0;
}

/* Signals are blocked while observing and read by the loop, which is not turning now. */
static bool is_end_asked(void)
{
	sigset_t pending;

	return sigpending(&pending) == 0 &&
	       (sigismember(&pending, SIGINT) == 1 || sigismember(&pending, SIGTERM) == 1);
}

static void give_up(struct out *o, int error)
{
	o->is_closed = true;
	o->n = 0;
	if (error != EPIPE)
		log_error("cannot write to stdout: %s", strerror(error));
}

/* Known only by writing otherwise, which nothing may come to. */
static bool is_reader_gone(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	return poll(&p, 1, 0) == 1 && p.revents & (POLLERR | POLLNVAL);
}

/* At most PIPE_BUF bytes at a time: what a pipe that polls writable takes without blocking. */
static size_t put(struct out *o, const char *s, size_t n)
{
	struct pollfd p = { .fd = o->fd, .events = POLLOUT };
	ssize_t done;

	if (poll(&p, 1, WAIT_MS) <= 0)
		return 0;
	done = write(o->fd, s, n < PIPE_BUF ? n : PIPE_BUF);
	if (done < 0 && errno != EINTR && errno != EAGAIN)
		give_up(o, errno);
	return done < 0 ? 0 : (size_t)done;
}

void out_end(struct out *o)
{
	o->until_ns = clock_mono_ns() + END_NS;
}

void out_flush(struct out *o)
{
	size_t at = 0;

	if (!o->n && is_reader_gone(o->fd))
		give_up(o, EPIPE);
	while (at < o->n) {
		size_t done = put(o, o->buf + at, o->n - at);

		if (o->is_closed)
			return;
		if (!done && (is_end_asked() || (o->until_ns && clock_mono_ns() > o->until_ns))) {
			log_warn("stdout is not read: its last lines are dropped");
			give_up(o, EPIPE);
			return;
		}
		at += done;
	}
	o->n = 0;
}

void out_write(struct out *o, const char *bytes, size_t n)
{
	while (n && !o->is_closed) {
		size_t part = sizeof(o->buf) - o->n;

		part = part < n ? part : n;
		memcpy(o->buf + o->n, bytes, part);
		o->n += part;
		bytes += part;
		n -= part;
		if (o->n == sizeof(o->buf))
			out_flush(o);
	}
}

void out_line(struct out *o, const char *line, size_t n)
{
	/* a line is written whole where it can be */
	if (n + 1 > sizeof(o->buf) - o->n)
		out_flush(o);
	out_write(o, line, n);
	out_write(o, "\n", 1);
}
