/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vectors PORT IN: a server that reads its requests by the way IN and sends each answer by the way
 * its target names: GET /writev, GET /sendfile ... One connection at a time; request bodies are
 * read in the same way as heads. Every way moves bytes through several buffers where it can.
 */
#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include "net.h"

enum { PIECES = 5 };

/* Cuts a buffer into pieces of uneven sizes: heads never lie in one buffer. */
static int cut(struct iovec *v, char *p, size_t n)
{
	static const size_t sizes[PIECES - 1] = { 3, 11, 1, 40 };
	int i = 0;

	for (; i < PIECES - 1 && n > sizes[i]; i++) {
		v[i] = (struct iovec){ p, sizes[i] };
		p += sizes[i];
		n -= sizes[i];
	}
	v[i] = (struct iovec){ p, n };
	return i + 1;
}

/* A socket's bytes through a pipe: the kernel tells no receive of this. */
static ssize_t in_splice(int fd, char *p, size_t n)
{
	int pipes[2];
	ssize_t got;

	if (pipe(pipes))
		return -1;
	got = splice(fd, NULL, pipes[1], NULL, n < 65536 ? n : 65536, 0);
	if (got > 0)
		got = read(pipes[0], p, got);
	close(pipes[0]);
	close(pipes[1]);
	return got;
}

static ssize_t receive(const char *way, int fd, char *p, size_t n)
{
	struct iovec v[PIECES];
	struct msghdr m = { .msg_iov = v, .msg_iovlen = cut(v, p, n) };
	struct mmsghdr mm = { .msg_hdr = m };

	if (!strcmp(way, "read"))
		return read(fd, p, n);
	if (!strcmp(way, "recv"))
		return recv(fd, p, n, 0);
	if (!strcmp(way, "readv"))
		return readv(fd, v, m.msg_iovlen);
	if (!strcmp(way, "recvmsg"))
		return recvmsg(fd, &m, 0);
	if (!strcmp(way, "recvmmsg"))
		return recvmmsg(fd, &mm, 1, 0, NULL) == 1 ? (ssize_t)mm.msg_len : 0;
	if (!strcmp(way, "peek")) {
		ssize_t seen = recv(fd, p, n, MSG_PEEK);

		if (seen > 0)
			seen = recv(fd, p, seen > 20 ? 20 : seen, MSG_PEEK);
		return seen > 0 ? recv(fd, p, n, 0) : seen;
	}
	if (!strcmp(way, "small"))
		return read(fd, p, n > 17 ? 17 : n);
	if (!strcmp(way, "splice"))
		return in_splice(fd, p, n);
	return -1;
}

static void write_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t w = write(fd, p, n);

		if (w <= 0)
			return;
		p += w;
		n -= w;
	}
}

/* The head by write(), the body from a file or through a pipe: lengths without bytes. */
static void out_file(int fd, char *p, size_t n, size_t head, int by_splice)
{
	char name[] = "/tmp/sonde-vectors-XXXXXX";
	int file = mkstemp(name);
	int pipes[2];
	off_t at = 0;

	unlink(name);
	write_all(file, p + head, n - head);
	write_all(fd, p, head);
	while (!by_splice && at < (off_t)(n - head))
		if (sendfile(fd, file, &at, n - head - at) <= 0)
			break;
	if (by_splice && !pipe(pipes)) {
		while (at < (off_t)(n - head)) {
			ssize_t got = splice(file, &at, pipes[1], NULL, 4096, 0);

			while (got > 0)
				got -= splice(pipes[0], NULL, fd, NULL, got, 0);
		}
		close(pipes[0]);
		close(pipes[1]);
	}
	close(file);
}

static void out_mmsg(int fd, char *p, size_t n)
{
	struct iovec v[3][PIECES];
	struct mmsghdr mm[3] = { 0 };
	size_t third = n / 3;

	for (int i = 0; i < 3; i++) {
		size_t len = i < 2 ? third : n - 2 * third;

		mm[i].msg_hdr.msg_iov = v[i];
		mm[i].msg_hdr.msg_iovlen = cut(v[i], p + i * third, len);
	}
	if (sendmmsg(fd, mm, 3, 0) != 3)
		shutdown(fd, SHUT_RDWR);
}

static void answer(const char *way, int fd, char *p, size_t n, size_t head)
{
	struct iovec v[PIECES];
	struct msghdr m = { .msg_iov = v, .msg_iovlen = cut(v, p, n) };

	if (!strcmp(way, "send"))
		send(fd, p, n, 0);
	else if (!strcmp(way, "writev"))
		writev(fd, v, m.msg_iovlen);
	else if (!strcmp(way, "sendmsg"))
		sendmsg(fd, &m, 0);
	else if (!strcmp(way, "sendmmsg"))
		out_mmsg(fd, p, n);
	else if (!strcmp(way, "more")) {
		send(fd, p, 10, MSG_MORE);
		send(fd, p + 10, n - 10, 0);
	} else if (!strcmp(way, "sendfile") || !strcmp(way, "splice"))
		out_file(fd, p, n, head, way[1] == 'p');
	else
		write_all(fd, p, n);
}

static void respond(int fd, const char *way)
{
	static char page[20000];
	int head = snprintf(page, sizeof(page),
			    "HTTP/1.1 200 OK\r\nServer: vectors\r\n"
			    "Content-Length: 9000\r\n\r\n");

	memset(page + head, 'v', 9000);
	answer(way, fd, page, head + 9000, head);
}

static void serve(int fd, const char *way)
{
	static char buffer[1 << 17];
	size_t used = 0;
	ssize_t n;

	while ((n = receive(way, fd, buffer + used, sizeof(buffer) - 1 - used)) > 0) {
		char *end, *length, target[32] = "";
		size_t need;

		used += n;
		buffer[used] = 0;
		end = strstr(buffer, "\r\n\r\n");
		if (!end)
			continue;
		length = strcasestr(buffer, "content-length:");
		need = end + 4 - buffer + (length ? atoi(length + 15) : 0);
		if (used < need)
			continue;
		sscanf(buffer, "%*s /%31s", target);
		respond(fd, target);
		memmove(buffer, buffer + need, used - need);
		used -= need;
	}
}

int main(int argc, char **argv)
{
	int listener = net_listen(argv[argc > 1]);

	for (;;) {
		int fd = net_accept(listener);

		serve(fd, argv[2]);
		close(fd);
	}
}
