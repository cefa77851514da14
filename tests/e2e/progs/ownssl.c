// SPDX-License-Identifier: Apache-2.0
/*
 * ownssl PORT REQUESTS SECONDS: a client with OpenSSL linked into it asks over one connection, then
 * says "done" and holds the connection.
 */
#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int ask(SSL *ssl)
{
	static const char get[] = "GET /ok HTTP/1.1\r\nHost: localhost\r\n\r\n";
	char answer[4096];
	int n = 0, got;

	if (SSL_write(ssl, get, sizeof(get) - 1) <= 0)
		return -1;
	do {
		got = SSL_read(ssl, answer + n, (int)sizeof(answer) - 1 - n);
		if (got <= 0)
			return -1;
		n += got;
		answer[n] = '\0';
	} while (!strstr(answer, "\r\n\r\nok\n"));
	return 0;
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	SSL *ssl = SSL_new(SSL_CTX_new(TLS_client_method()));

	if (argc < 4)
		return 2;
	to.sin_port = htons((uint16_t)atoi(argv[1]));
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 || !SSL_set_fd(ssl, fd) ||
	    SSL_connect(ssl) != 1)
		return 1;
	for (int i = 0; i < atoi(argv[2]); i++)
		if (ask(ssl))
			return 1;
	puts("done");
	fflush(stdout);
	sleep((unsigned int)atoi(argv[3]));
	return 0;
}
