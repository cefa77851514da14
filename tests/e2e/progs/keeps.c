/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keeps PORT CERT KEY: a server of HTTP within TLS that does not send each record within the call
 * that made it, as Apache does not: what is less than 8,000 bytes is kept until the call has ended.
 * /small is answered by one write, anything else by some of which all but the last leave at once.
 */
#include <openssl/ssl.h>
#include "net.h"

enum { AT_ONCE = 8000, FIRST = 8192, REST = 68, BODY = 3 * AT_ONCE + REST, HEAD_MAX = 4096 };

struct end {
	int fd;
	size_t n_kept;
	char kept[4 * AT_ONCE];
	SSL *ssl;
};

static void send_kept(struct end *e)
{
	if (e->n_kept)
		send(e->fd, e->kept, e->n_kept, MSG_NOSIGNAL);
	e->n_kept = 0;
}

static int end_write(BIO *bio, const char *buf, int n)
{
	struct end *e = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	memcpy(e->kept + e->n_kept, buf, (size_t)n);
	e->n_kept += (size_t)n;
	if (e->n_kept >= AT_ONCE)
		send_kept(e);
	return n;
}

static int end_read(BIO *bio, char *buf, int n)
{
	struct end *e = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	return (int)recv(e->fd, buf, (size_t)n, 0);
}

static long end_ctrl(BIO *bio, int what, long num, void *ptr)
{
	(void)num, (void)ptr;
	if (what == BIO_CTRL_FLUSH)
		send_kept(BIO_get_data(bio));
	return what == BIO_CTRL_FLUSH;
}

static int end_create(BIO *bio)
{
	BIO_set_init(bio, 1);
	return 1;
}

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

static void serve(struct end *e)
{
	static char out[HEAD_MAX + BODY], in[HEAD_MAX];

	while (read_head(e, in)) {
		int body = strncmp(in, "GET /small", 10) ? BODY : 3;
		int n = sprintf(out, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", body);

		memset(out + n, 'x', (size_t)body);
		for (int at = 0, end = n + body; at < end;) {
			int part = at ? AT_ONCE : FIRST;

			if (part > end - at)
				part = end - at;
			SSL_write(e->ssl, out + at, part);
			at += part;
		}
		/* what was written stands where it was no longer than the call */
		memset(out, 0, sizeof(out));
		send_kept(e);
	}
	SSL_free(e->ssl);
	close(e->fd);
}

int main(int argc, char **argv)
{
	BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "end");
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	static struct end e;

	if (argc < 4 || SSL_CTX_use_certificate_file(ctx, argv[2], SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_use_PrivateKey_file(ctx, argv[3], SSL_FILETYPE_PEM) != 1)
		return 2;
	BIO_meth_set_write(method, end_write);
	BIO_meth_set_read(method, end_read);
	BIO_meth_set_ctrl(method, end_ctrl);
	BIO_meth_set_create(method, end_create);
	for (int listener = net_listen(argv[1]); (e.fd = net_accept(listener)) >= 0;) {
		BIO *bio = BIO_new(method);

		e.n_kept = 0;
		e.ssl = SSL_new(ctx);
		BIO_set_data(bio, &e);
		SSL_set_bio(e.ssl, bio, bio);
		if (SSL_accept(e.ssl) == 1)
			serve(&e);
	}
	return 0;
}
