/* SPDX-License-Identifier: Apache-2.0 */
/* TLS for the guests' load, by OpenSSL: a certificate made on the spot, versions by choice. */
#ifndef SECURE_H
#define SECURE_H

#include <openssl/ssl.h>

/* Each ends the program where OpenSSL does not do as asked: nothing is to be counted then. */
SSL_CTX *secure_server(void);
SSL *secure_accept(SSL_CTX *ctx, int fd);
SSL *secure_connect(int fd, int version); /* TLS1_2_VERSION or TLS1_3_VERSION */
void secure_close(SSL *ssl);		  /* NULL accepted; the descriptor stays open */

#endif
