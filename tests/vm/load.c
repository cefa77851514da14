// SPDX-License-Identifier: Apache-2.0
/*
 * load server | client | few | secure | both | late: a small HTTP server on a TCP port of IPv4 and
 * IPv6, on a unix socket and within TLS, and clients that ask it things known beforehand (few: a
 * handful; both: within TLS as well; late: seconds after they began) and print what they got: a
 * line "TRANSPORT METHOD PATH STATUS NS" for each answer, the time by the client's own clock.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include "secure.h"

enum {
	PORT = 8080,
	TLS_PORT = 8443,
	BUF = 1 << 16,
	BIG = 300000,
	UPLOAD = 100000,
	TURNS = 5,
	LATE_S = 5
};
enum place { IP4, IP6, UNIX, TLS, PLACES };

static char junk[BIG];

/* One end of a connection; ssl is NULL in the clear. */
struct end {
	int fd;
	SSL *ssl;
};

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
	case TLS:
		a->in.sin_family = AF_INET;
		a->in.sin_port = htons(place == TLS ? TLS_PORT : PORT);
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

static ssize_t end_read(const struct end *e, char *buf, size_t n)
{
	return e->ssl ? SSL_read(e->ssl, buf, (int)n) : read(e->fd, buf, n);
}

static ssize_t end_recv(const struct end *e, char *buf, size_t n)
{
	return e->ssl ? SSL_read(e->ssl, buf, (int)n) : recv(e->fd, buf, n, 0);
}

static ssize_t end_write(const struct end *e, const char *buf, size_t n)
{
	return e->ssl ? SSL_write(e->ssl, buf, (int)n) : write(e->fd, buf, n);
}

static void end_close(struct end *e)
{
	secure_close(e->ssl);
	close(e->fd);
}

/* Reads on until the buffer holds a whole head. Its length, 0 at the end of the stream. */
static size_t read_head(const struct end *e, char *buf, size_t *have)
{
	char *end;

	for (;;) {
		ssize_t n;

		buf[*have] = '\0';
		end = strstr(buf, "\r\n\r\n");
		if (end)
			return (size_t)(end + 4 - buf);
		n = end_read(e, buf + *have, BUF - 1 - *have);
		if (n <= 0)
			return 0;
		*have += (size_t)n;
	}
}

/* Takes head and body out of the buffer, reading what is not there yet. */
static int take_message(const struct end *e, char *buf, size_t *have, size_t head, int has_body)
{
	const char *field = has_body ? strcasestr(buf, "content-length:") : NULL;
	size_t body = field && field < buf + head ? strtoul(field + 15, NULL, 10) : 0;
	size_t there = *have - head < body ? *have - head : body;

	memmove(buf, buf + head + there, *have - head - there);
	*have -= head + there;
	for (body -= there; body > 0;) {
		static char sink[BUF];
		ssize_t n = end_recv(e, sink, body < BUF ? body : BUF);

		if (n <= 0)
			return -1;
		body -= (size_t)n;
	}
	return 0;
}

/* One vector, so that the head and the body's start are one operation. */
static void send_both(int fd, struct iovec *iov, size_t n_iov)
{
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = n_iov };

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

static void answer(const struct end *e, const char *method, const char *path)
{
	static char whole[256 + BIG];
	size_t body = !strcmp(path, "/big") ? BIG : 3;
	int status = !strcmp(path, "/missing") ? 404 : !strcmp(path, "/items") ? 201 : 200;
	size_t n_iov = strcmp(method, "HEAD") ? 2 : 1;
	struct iovec iov[2] = { { .iov_base = whole }, { .iov_base = junk, .iov_len = body } };

	iov[0].iov_len = (size_t)snprintf(
		whole, 256, "HTTP/1.1 %d X\r\nContent-Length: %zu\r\n\r\n", status, body);
	if (!e->ssl) {
		send_both(e->fd, iov, n_iov);
		return;
	}
	/* one write too, of many records */
	memcpy(whole + iov[0].iov_len, junk, body);
	end_write(e, whole, iov[0].iov_len + (n_iov > 1 ? body : 0));
}

static void serve(struct end *e)
{
	static char buf[BUF];
	char method[16], path[64];
	size_t have = 0, head;

	while ((head = read_head(e, buf, &have))) {
		if (sscanf(buf, "%15s %63s", method, path) != 2)
			break;
		if (take_message(e, buf, &have, head, 1))
			break;
		answer(e, method, path);
	}
	end_close(e);
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
		SSL_CTX *ctx = place == TLS ? secure_server() : NULL;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;) {
			struct end e = { .fd = accept(s, NULL, NULL) };

			setsockopt(e.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
			e.ssl = ctx ? secure_accept(ctx, e.fd) : NULL;
			serve(&e);
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
	struct end end;
	const char *transport;
	uint64_t asked_ns;
	size_t have;
	char buf[BUF];
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void expect(struct client *c, const char *method, const char *path)
{
	size_t head = read_head(&c->end, c->buf, &c->have);
	int status = head ? atoi(c->buf + 9) : 0;

	if (!head || take_message(&c->end, c->buf, &c->have, head, strcmp(method, "HEAD"))) {
		fprintf(stderr, "no answer to %s %s\n", method, path);
		exit(1);
	}
	printf("%s %s %s %d %llu\n", c->transport, method, path, status,
	       (unsigned long long)(now_ns() - c->asked_ns));
}

static void ask(struct client *c, const char *method, const char *path, size_t body)
{
	char head[256];
	int n = snprintf(head, sizeof(head),
			 "%s %s HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", method, path,
			 body);

	c->asked_ns = now_ns();
	if (end_write(&c->end, head, (size_t)n) != n ||
	    (body && end_write(&c->end, junk, body) != (ssize_t)body))
		exit(1);
	expect(c, method, path);
}

static void pipelined(struct client *c)
{
	static const char one[] = "GET /next HTTP/1.1\r\nHost: x\r\n\r\n";
	struct iovec iov[TURNS];

	for (int i = 0; i < TURNS; i++)
		iov[i] = (struct iovec){ (char *)one, sizeof(one) - 1 };
	c->asked_ns = now_ns();
	if (writev(c->end.fd, iov, TURNS) != (ssize_t)(TURNS * (sizeof(one) - 1)))
		exit(1);
	for (int i = 0; i < TURNS; i++)
		expect(c, "GET", "/next");
}

static void dribbled(struct client *c)
{
	static const char one[] = "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n";

	c->asked_ns = now_ns();
	for (size_t i = 0; i < sizeof(one) - 1; i++)
		if (send(c->end.fd, one + i, 1, 0) != 1)
			exit(1);
	expect(c, "GET", "/slow");
}

static void begin(struct client *c, enum place place)
{
	static const char *const transports[PLACES] = { "tcp", "tcp", "unix", "tls" };
	union address a;
	socklen_t n = address_of(place, &a);

	c->have = 0;
	c->transport = transports[place];
	c->end = (struct end){ .fd = socket(a.any.sa_family, SOCK_STREAM, 0) };
	if (connect(c->end.fd, &a.any, n)) {
		perror("connect");
		exit(1);
	}
}

static void ask_all(struct client *c)
{
	for (int i = 0; i < TURNS; i++) {
		ask(c, "GET", "/ok", 0);
		ask(c, "GET", "/missing", 0);
		ask(c, "HEAD", "/ok", 0);
		ask(c, "POST", "/items", UPLOAD);
		ask(c, "GET", "/big", 0);
	}
}

static void use(enum place place)
{
	static struct client c;

	begin(&c, place);
	ask_all(&c);
	pipelined(&c);
	dribbled(&c);
	end_close(&c.end);
}

/* A handful over the network, which may be slow. */
static void use_little(void)
{
	static struct client c;

	begin(&c, IP4);
	for (int i = 0; i < TURNS; i++) {
		ask(&c, "GET", "/ok", 0);
		ask(&c, "POST", "/items", UPLOAD);
	}
	pipelined(&c);
	end_close(&c.end);
}

static void use_secure(int version)
{
	static struct client c;

	begin(&c, TLS);
	c.end.ssl = secure_connect(c.end.fd, version);
	ask_all(&c);
	end_close(&c.end);
}

static void use_all(void)
{
	for (int i = 0; i < TURNS; i++)
		for (enum place p = IP4; p < TLS; p++)
			use(p);
}

static void use_versions(void)
{
	for (int i = 0; i < TURNS; i++) {
		use_secure(TLS1_2_VERSION);
		use_secure(TLS1_3_VERSION);
	}
}

static void use_both(void)
{
	use_little();
	use_secure(TLS1_3_VERSION);
}

/* Its library is found meanwhile. */
static void use_late(void)
{
	sleep(LATE_S);
	use_secure(TLS1_3_VERSION);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *kind;
		void (*use)(void);
	} clients[] = { { "client", use_all },
			{ "few", use_little },
			{ "secure", use_versions },
			{ "both", use_both },
			{ "late", use_late } };
	const char *kind = argc > 1 ? argv[1] : "client";

	memset(junk, 'x', sizeof(junk));
	signal(SIGPIPE, SIG_IGN);
	if (!strcmp(kind, "server"))
		return server();
	for (size_t i = 0; i < sizeof(clients) / sizeof(clients[0]); i++)
		if (!strcmp(kind, clients[i].kind))
			clients[i].use();
	return 0;
}
