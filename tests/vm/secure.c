// SPDX-License-Identifier: Apache-2.0
#include "secure.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>

static void *must(void *made, const char *what)
{
	if (made)
		return made;
	fprintf(stderr, "secure: %s\n", what);
	ERR_print_errors_fp(stderr);
	exit(1);
}

/* Signed by itself: the client does not ask who it talks to. */
static X509 *certificate(EVP_PKEY *key)
{
	X509 *cert = must(X509_new(), "certificate");
	X509_NAME *name = X509_get_subject_name(cert);

	X509_set_version(cert, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1,
				   -1, 0);
	X509_set_issuer_name(cert, name);
	X509_set_pubkey(cert, key);
	must(X509_sign(cert, key, EVP_sha256()) > 0 ? cert : NULL, "signature");
	return cert;
}

SSL_CTX *secure_server(void)
{
	SSL_CTX *ctx = must(SSL_CTX_new(TLS_server_method()), "server");
	EVP_PKEY *key = must(EVP_EC_gen("P-256"), "key");
	X509 *cert = certificate(key);

	must(SSL_CTX_use_certificate(ctx, cert) == 1 ? ctx : NULL, "its certificate");
	must(SSL_CTX_use_PrivateKey(ctx, key) == 1 ? ctx : NULL, "its key");
	X509_free(cert);
	EVP_PKEY_free(key);
	return ctx;
}

static SSL *on(SSL_CTX *ctx, int fd)
{
	SSL *ssl = must(SSL_new(ctx), "connection");

	must(SSL_set_fd(ssl, fd) == 1 ? ssl : NULL, "descriptor");
	return ssl;
}

SSL *secure_accept(SSL_CTX *ctx, int fd)
{
	SSL *ssl = on(ctx, fd);

	must(SSL_accept(ssl) == 1 ? ssl : NULL, "handshake of the server");
	return ssl;
}

SSL *secure_connect(int fd, int version)
{
	SSL_CTX *ctx = must(SSL_CTX_new(TLS_client_method()), "client");
	SSL *ssl;

	SSL_CTX_set_min_proto_version(ctx, version);
	SSL_CTX_set_max_proto_version(ctx, version);
	ssl = on(ctx, fd);
	SSL_CTX_free(ctx);
	must(SSL_connect(ssl) == 1 ? ssl : NULL, "handshake of the client");
	return ssl;
}

void secure_close(SSL *ssl)
{
	if (!ssl)
		return;
	SSL_shutdown(ssl);
	SSL_free(ssl);
}
