// SPDX-License-Identifier: Apache-2.0
/*
 * load server | load client: a small HTTP server on a TCP port of IPv4 and IPv6 and on a unix
 * socket, and a client that asks it things known beforehand and prints what it got: a line
 * "METHOD PATH STATUS" for each answer. Linked statically, for guests that have nothing else.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>
#include <signal.h>

enum { PORT = 8080, REFUSED = 8099, BUF = 1 << 16, BIG = 300000, UPLOAD = 100000, TURNS = 5 };
enum place { IP4, IP6, UNIX, PLACES };

static char junk[BIG];

union address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct sockaddr_un un;
};

static socklen_t address_of(enum place place, union address *a)
{
	memset(a, 0, sizeof(*a));
	switch (place) {
	case IP4:
		a->in.sin_family = AF_INET;
		a->in.sin_port = htons(PORT);
		a->in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		return sizeof(a->in);
	case IP6:
		a->in6.sin6_family = AF_INET6;
		a->in6.sin6_port = htons(PORT);
		a->in6.sin6_addr = in6addr_loopback;
		return sizeof(a->in6);
	default:
		a->un.sun_family = AF_UNIX;
		strcpy(a->un.sun_path, "/tmp/load.sock");
		return sizeof(a->un);
	}
}

/* Reads on until the buffer holds a whole head. Its length, 0 at the end of the stream. */
static size_t read_head(int fd, char *buf, size_t *have)
{
	char *end;

	for (;;) {
		ssize_t n;

		buf[*have] = '\0';
		end = strstr(buf, "\r\n\r\n");
		if (end)
			return (size_t)(end + 4 - buf);
		n = read(fd, buf + *have, BUF - 1 - *have);
		if (n <= 0)
			return 0;
		*have += (size_t)n;
	}
}

/* Takes head and body out of the buffer, reading what is not there yet. */
static int take_message(int fd, char *buf, size_t *have, size_t head, int has_body)
{
	const char *field = has_body ? strcasestr(buf, "content-length:") : NULL;
	size_t body = field && field < buf + head ? strtoul(field + 15, NULL, 10) : 0;
	size_t there = *have - head < body ? *have - head : body;

	memmove(buf, buf + head + there, *have - head - there);
	*have -= head + there;
	for (body -= there; body > 0;) {
		static char sink[BUF];
		ssize_t n = recv(fd, sink, body < BUF ? body : BUF, 0);

		if (n <= 0)
			return -1;
		body -= (size_t)n;
	}
	return 0;
}

static void answer(int fd, const char *method, const char *path)
{
	size_t body = !strcmp(path, "/big") ? BIG : 3;
	int status = !strcmp(path, "/missing") ? 404 : !strcmp(path, "/items") ? 201 : 200;
	char head[256];
	struct iovec iov[2] = { { .iov_base = head }, { .iov_base = junk, .iov_len = body } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = strcmp(method, "HEAD") ? 2 : 1 };

	iov[0].iov_len = (size_t)snprintf(
		head, sizeof(head), "HTTP/1.1 %d X\r\nContent-Length: %zu\r\n\r\n", status, body);
	/* one vector, so that the head and the body's start are one operation */
	for (ssize_t n = sendmsg(fd, &msg, 0); n > 0; n = sendmsg(fd, &msg, 0)) {
		size_t used = (size_t)n;

		while (msg.msg_iovlen && used >= msg.msg_iov->iov_len) {
			used -= msg.msg_iov->iov_len;
			msg.msg_iov++;
			msg.msg_iovlen--;
		}
		if (!msg.msg_iovlen)
			return;
		msg.msg_iov->iov_base = (char *)msg.msg_iov->iov_base + used;
		msg.msg_iov->iov_len -= used;
	}
}

static void serve(int fd)
{
	static char buf[BUF];
	char method[16], path[64];
	size_t have = 0, head;

	while ((head = read_head(fd, buf, &have))) {
		if (sscanf(buf, "%15s %63s", method, path) != 2)
			break;
		if (take_message(fd, buf, &have, head, 1))
			break;
		answer(fd, method, path);
	}
	close(fd);
}

static void listen_at(enum place place)
{
	union address a;
	socklen_t n = address_of(place, &a);
	int s = socket(a.any.sa_family, SOCK_STREAM, 0), one = 1;

	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(s, &a.any, n) || listen(s, 64)) {
		perror("listen");
		exit(1);
	}
	if (fork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;) {
			int fd = accept(s, NULL, NULL);

			setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
			serve(fd);
		}
	}
	close(s);
}

static int server(void)
{
	for (enum place p = IP4; p < PLACES; p++)
		listen_at(p);
	puts("ready");
	fflush(stdout);
	pause();
	return 0;
}

struct client {
	int fd;
	const char *transport;
	size_t have;
	char buf[BUF];
};

static void expect(struct client *c, const char *method, const char *path)
{
	size_t head = read_head(c->fd, c->buf, &c->have);
	int status = head ? atoi(c->buf + 9) : 0;

	if (!head || take_message(c->fd, c->buf, &c->have, head, strcmp(method, "HEAD"))) {
		fprintf(stderr, "no answer to %s %s\n", method, path);
		exit(1);
	}
	printf("%s %s %s %d\n", c->transport, method, path, status);
}

static void ask(struct client *c, const char *method, const char *path, size_t body)
{
	char head[256];
	int n = snprintf(head, sizeof(head),
			 "%s %s HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", method, path,
			 body);

	if (write(c->fd, head, (size_t)n) != n ||
	    (body && write(c->fd, junk, body) != (ssize_t)body))
		exit(1);
	expect(c, method, path);
}

static void pipelined(struct client *c)
{
	static const char one[] = "GET /next HTTP/1.1\r\nHost: x\r\n\r\n";
	struct iovec iov[TURNS];

	for (int i = 0; i < TURNS; i++)
		iov[i] = (struct iovec){ (char *)one, sizeof(one) - 1 };
	if (writev(c->fd, iov, TURNS) != (ssize_t)(TURNS * (sizeof(one) - 1)))
		exit(1);
	for (int i = 0; i < TURNS; i++)
		expect(c, "GET", "/next");
}

static void dribbled(struct client *c)
{
	static const char one[] = "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n";

	for (size_t i = 0; i < sizeof(one) - 1; i++)
		if (send(c->fd, one + i, 1, 0) != 1)
			exit(1);
	expect(c, "GET", "/slow");
}

static void use(enum place place)
{
	static struct client c;
	union address a;
	socklen_t n = address_of(place, &a);

	c.have = 0;
	c.transport = place == UNIX ? "unix" : "tcp";
	c.fd = socket(a.any.sa_family, SOCK_STREAM, 0);
	if (connect(c.fd, &a.any, n)) {
		perror("connect");
		exit(1);
	}
	for (int i = 0; i < TURNS; i++) {
		ask(&c, "GET", "/ok", 0);
		ask(&c, "GET", "/missing", 0);
		ask(&c, "HEAD", "/ok", 0);
		ask(&c, "POST", "/items", UPLOAD);
		ask(&c, "GET", "/big", 0);
	}
	pipelined(&c);
	dribbled(&c);
	close(c.fd);
}

/* A handful over the network, which may be slow. */
static void use_little(void)
{
	static struct client c = { .transport = "tcp" };
	union address a;
	socklen_t n = address_of(IP4, &a);

	c.fd = socket(a.any.sa_family, SOCK_STREAM, 0);
	if (connect(c.fd, &a.any, n)) {
		perror("connect");
		exit(1);
	}
	for (int i = 0; i < TURNS; i++) {
		ask(&c, "GET", "/ok", 0);
		ask(&c, "POST", "/items", UPLOAD);
	}
	pipelined(&c);
	close(c.fd);
}

int main(int argc, char **argv)
{
	memset(junk, 'x', sizeof(junk));
	signal(SIGPIPE, SIG_IGN);
	if (argc > 1 && !strcmp(argv[1], "server"))
		return server();
	if (argc > 1 && !strcmp(argv[1], "few")) {
		use_little();
		return 0;
	}
	for (int i = 0; i < TURNS; i++)
		for (enum place p = IP4; p < PLACES; p++)
			use(p);
	return 0;
}
