/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unseen serve PORT CERT KEY | unseen ask PORT REQUESTS: an end of HTTP within TLS, one thread, of
 * whose records one in seven leaves by asynchronous I/O: no system call bears its bytes. Says of
 * which messages that was the first record: "TARGET".
 */
#include <linux/aio_abi.h>
#include <openssl/ssl.h>
#include <stdint.h>
#include <sys/syscall.h>
#include "net.h"

enum { EVERY = 7, BIG = 100000, HEAD_MAX = 4096 };

/* One end of a connection. */
struct end {
	int fd;
	int records; /* of data, so far */
	int in_message;
	int is_established;
	char target[64];
	SSL *ssl;
};

static int write_aside(int fd, const void *buf, int n)
{
	struct iocb cb = { .aio_lio_opcode = IOCB_CMD_PWRITE,
			   .aio_fildes = (uint32_t)fd,
			   .aio_buf = (uintptr_t)buf,
			   .aio_nbytes = (uint64_t)n };
	struct iocb *cbs[] = { &cb };
	struct io_event done = { 0 };
	aio_context_t ctx = 0;

	if (syscall(SYS_io_setup, 1, &ctx) || syscall(SYS_io_submit, ctx, 1, cbs) != 1 ||
	    syscall(SYS_io_getevents, ctx, 1, 1, &done, NULL) != 1)
		perror("aside");
	syscall(SYS_io_destroy, ctx);
	return (int)done.res;
}

static int end_write(BIO *bio, const char *buf, int n)
{
	struct end *e = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	if (!e->is_established || e->records++ % EVERY != EVERY - 2) {
		e->in_message++;
		return (int)send(e->fd, buf, (size_t)n, MSG_NOSIGNAL);
	}
	if (e->is_established && !e->in_message++)
		puts(e->target);
	return write_aside(e->fd, buf, n);
}

static int end_read(BIO *bio, char *buf, int n)
{
	struct end *e = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	return (int)recv(e->fd, buf, (size_t)n, 0);
}

static long end_ctrl(BIO *bio, int what, long num, void *ptr)
{
	(void)bio, (void)num, (void)ptr;
	return what == BIO_CTRL_FLUSH;
}

static int end_create(BIO *bio)
{
	BIO_set_init(bio, 1);
	return 1;
}

static void end_begin(struct end *e, SSL_CTX *ctx, const BIO_METHOD *method, int fd)
{
	BIO *bio = BIO_new(method);

	*e = (struct end){ .fd = fd, .ssl = SSL_new(ctx) };
	BIO_set_data(bio, e);
	SSL_set_bio(e->ssl, bio, bio);
}

static void end_close(struct end *e)
{
	e->is_established = 0;
	SSL_shutdown(e->ssl);
	SSL_free(e->ssl);
	close(e->fd);
}

/* A head, and none of what follows it. */
static int read_head(struct end *e, char *buf)
{
	int n = 0, got;

	do {
		got = SSL_read(e->ssl, buf + n, HEAD_MAX - 1 - n);
		if (got <= 0)
			return 0;
		n += got;
		buf[n] = '\0';
	} while (!strstr(buf, "\r\n\r\n"));
	return n;
}

/* A status of its own for each request; every fourth answer is of several records. */
static void serve(struct end *e)
{
	static const int statuses[] = { 200, 404, 201, 403, 202, 500, 203 };
	static char out[HEAD_MAX + BIG], in[HEAD_MAX];

	while (read_head(e, in)) {
		int number = 0, n, body;

		if (sscanf(in, "GET %63s", e->target) != 1 ||
		    sscanf(e->target, "/n%d", &number) != 1)
			break;
		body = number % 4 == 3 ? BIG : 3;
		n = sprintf(out, "HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n",
			    statuses[number % 7], body);
		memset(out + n, 'x', (size_t)body);
		e->in_message = 0;
		if (SSL_write(e->ssl, out, n + body) != n + body)
			break;
	}
	end_close(e);
}

static int ask(struct end *e, int requests)
{
	char buf[HEAD_MAX];

	for (int i = 0; i < requests; i++) {
		int n = sprintf(e->target, "/%s?n%d", i % 7 ? "ok" : "none", i);

		n = sprintf(buf, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", e->target);
		e->in_message = 0;
		if (SSL_write(e->ssl, buf, n) != n || !read_head(e, buf))
			return 1;
	}
	end_close(e);
	return 0;
}

int main(int argc, char **argv)
{
	BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "end");
	int is_server = argc > 4 && !strcmp(argv[1], "serve"), fd;
	SSL_CTX *ctx = SSL_CTX_new(is_server ? TLS_server_method() : TLS_client_method());
	struct end e;

	if (argc < 4)
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	BIO_meth_set_write(method, end_write);
	BIO_meth_set_read(method, end_read);
	BIO_meth_set_ctrl(method, end_ctrl);
	BIO_meth_set_create(method, end_create);
	if (!is_server) {
		struct sockaddr_in to = net_loopback(argv[2]);

		fd = socket(AF_INET, SOCK_STREAM, 0);
		end_begin(&e, ctx, method, fd);
		if (connect(fd, (struct sockaddr *)&to, sizeof(to)) || SSL_connect(e.ssl) != 1)
			return 1;
		e.is_established = 1;
		return ask(&e, atoi(argv[3]));
	}
	if (SSL_CTX_use_certificate_file(ctx, argv[3], SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_use_PrivateKey_file(ctx, argv[4], SSL_FILETYPE_PEM) != 1)
		return 1;
	for (int listener = net_listen(argv[2]); (fd = net_accept(listener)) >= 0;) {
		end_begin(&e, ctx, method, fd);
		if (SSL_accept(e.ssl) == 1) {
			e.is_established = 1;
			serve(&e);
		}
	}
	return 0;
}
