/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/out.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "util/clock.h"
#include "util/log.h"

enum { WAIT_MS = 100 };

#define END_NS (NS_PER_S / 2)

/* A file has no reader to be slow, and large writes are several times cheaper; but those of 128 KiB
 * and more cost several times as much again where the kernel takes as large pieces for them: of
 * memory that was not in use before, while small ones are of what was just given back. A pipe that
 * polls writable takes PIPE_BUF bytes without blocking. */
void out_init(struct out *o, int fd)
{
	struct stat st;

	signal(SIGPIPE, SIG_IGN);
	o->fd = fd;
	o->part = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? OUT_PART : PIPE_BUF;
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

static size_t put(struct out *o, const char *s, size_t n)
{
	struct pollfd p = { .fd = o->fd, .events = POLLOUT };
	ssize_t done;

	if (poll(&p, 1, WAIT_MS) <= 0)
		return 0;
	done = write(o->fd, s, n < o->part ? n : o->part);
	if (done < 0 && errno != EINTR && errno != EAGAIN)
		give_up(o, errno);
	return done < 0 ? 0 : (size_t)done;
}

static void put_all(struct out *o, const char *s, size_t n)
{
	while (n && !o->is_closed) {
		size_t done = put(o, s, n);

		if (!done && !o->is_closed &&
		    (is_end_asked() || (o->until_ns && clock_mono_ns() > o->until_ns))) {
			log_warn("stdout is not read: its last lines are dropped");
			give_up(o, EPIPE);
		}
		s += done;
		n -= done;
	}
}

void out_end(struct out *o)
{
	o->until_ns = clock_mono_ns() + END_NS;
}

void out_flush(struct out *o)
{
	if (!o->n && is_reader_gone(o->fd))
		give_up(o, EPIPE);
	put_all(o, o->buf, o->n);
	o->n = 0;
}

static void keep(struct out *o, const char *bytes, size_t n)
{
	memcpy(o->buf + o->n, bytes, n);
	o->n += n;
}

/* Into a file each full buffer goes where one may begin, a multiple of its length: the kernel then
 * has a place of that length for it, and makes many small ones for what lies across. */
void out_write(struct out *o, const char *bytes, size_t n)
{
	size_t room = sizeof(o->buf) - o->n, whole;

	if (n > room) {
		keep(o, bytes, room);
		put_all(o, o->buf, sizeof(o->buf));
		o->n = 0;
		whole = (n - room) - (n - room) % sizeof(o->buf);
		put_all(o, bytes + room, whole);
		bytes += room + whole;
		n -= room + whole;
	}
	if (!o->is_closed)
		keep(o, bytes, n);
}

void out_line(struct out *o, const char *line, size_t n)
{
	/* a line is written whole where it can be */
	if (n + 1 > sizeof(o->buf) - o->n)
		out_flush(o);
	out_write(o, line, n);
	out_write(o, "\n", 1);
}
