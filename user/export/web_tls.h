/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How TLS is spoken, by the words of the Prometheus exporters' file (which are those of Go's
 * crypto/tls): its versions, cipher suites and curves as GnuTLS takes them, and whose certificate
 * lets a client in.
 */
#ifndef WEB_TLS_H
#define WEB_TLS_H

#include <gnutls/gnutls.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WEB_NAMES_MAX = 64, WEB_PRIORITIES_LEN = 1024 };

enum web_client_auth {
	WEB_CLIENT_NONE,     /* no certificate is asked for */
	WEB_CLIENT_IF_GIVEN, /* one that is shown has to be right */
	WEB_CLIENT_REQUIRED,
};

/* All zero: TLS 1.2 and 1.3, what GnuTLS takes for normal, and every client. */
struct web_tls {
	char *certificate, *key, *client_ca; /* PEM, owned; NULL: none */
	enum web_client_auth client_auth;
	bool is_client_auth_said;     /* by client_auth_type */
	int min_version, max_version; /* 12, 13; 0: not said */
	bool prefers_own;	      /* order of cipher suites */
	uint32_t suites, curves;      /* bits: places in the tables; 0: not said */
	char *sans[WEB_NAMES_MAX]; /* owned: of a client's certificate, one of these; none: any */
	size_t n_sans;
};

void web_tls_free(struct web_tls *t); /* leaves it zeroed; of keys nothing stays in memory */

/* Take the words of a key. False: it is none of those. */
bool web_tls_version(const char *word, int *version);
bool web_tls_client_auth(const char *word, enum web_client_auth *auth);
bool web_tls_suite(const char *word, uint32_t *suites);
bool web_tls_curve(const char *word, uint32_t *curves);

/* What cannot be had as it stands there; NULL: nothing. Static, or in room. */
const char *web_tls_wrong(const struct web_tls *t, char *room, size_t size);

/* As gnutls_priority_init(3) takes it. */
void web_tls_priorities(const struct web_tls *t, char out[WEB_PRIORITIES_LEN]);

/* Has the client shown a certificate that lets it in? True where none is needed. */
bool web_tls_admits(const struct web_tls *t, gnutls_session_t session);

#endif
