/* SPDX-License-Identifier: Apache-2.0 */
#include "export/web_tls.h"

#include <arpa/inet.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Those of Go that GnuTLS has too, as it puts them together. The last ones, without a key exchange,
 * are of TLS 1.3: RFC 8446, B.4. */
static const struct {
	const char *name, *exchange, *cipher, *mac;
} suites[] = {
	{ "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "ECDHE-ECDSA", "AES-128-GCM", "AEAD" },
	{ "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "ECDHE-ECDSA", "AES-256-GCM", "AEAD" },
	{ "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA", "CHACHA20-POLY1305",
	  "AEAD" },
	{ "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", "ECDHE-ECDSA", "AES-128-CBC", "SHA1" },
	{ "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", "ECDHE-ECDSA", "AES-256-CBC", "SHA1" },
	{ "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE-RSA", "AES-128-GCM", "AEAD" },
	{ "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "ECDHE-RSA", "AES-256-GCM", "AEAD" },
	{ "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-RSA", "CHACHA20-POLY1305", "AEAD" },
	{ "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", "ECDHE-RSA", "AES-128-CBC", "SHA1" },
	{ "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", "ECDHE-RSA", "AES-256-CBC", "SHA1" },
	{ "TLS_AES_128_GCM_SHA256", NULL, "AES-128-GCM", "AEAD" },
	{ "TLS_AES_256_GCM_SHA384", NULL, "AES-256-GCM", "AEAD" },
	{ "TLS_CHACHA20_POLY1305_SHA256", NULL, "CHACHA20-POLY1305", "AEAD" },
};

static const struct {
	const char *name, *group;
} curves[] = {
	{ "X25519", "X25519" },
	{ "CurveP256", "SECP256R1" },
	{ "CurveP384", "SECP384R1" },
	{ "CurveP521", "SECP521R1" },
};

static const struct {
	const char *name;
	enum web_client_auth auth;
} auths[] = {
	{ "NoClientCert", WEB_CLIENT_NONE },
	{ "VerifyClientCertIfGiven", WEB_CLIENT_IF_GIVEN },
	{ "RequireAndVerifyClientCert", WEB_CLIENT_REQUIRED },
};

enum {
	SUITES = sizeof(suites) / sizeof(suites[0]),
	CURVES = sizeof(curves) / sizeof(curves[0]),
	AUTHS = sizeof(auths) / sizeof(auths[0]),
};

static void free_secret(char *s)
{
	if (s)
		explicit_bzero(s, strlen(s));
	free(s);
}

void web_tls_free(struct web_tls *t)
{
	free(t->certificate);
	free_secret(t->key);
	free(t->client_ca);
	for (size_t i = 0; i < t->n_sans; i++)
		free(t->sans[i]);
	*t = (struct web_tls){ 0 };
}

/* --- words --- */

/* Older ones are not to be spoken any more: RFC 8996. */
bool web_tls_version(const char *word, int *version)
{
	if (strcmp(word, "TLS12") != 0 && strcmp(word, "TLS13") != 0)
		return false;
	*version = word[4] == '3' ? 13 : 12;
	return true;
}

bool web_tls_client_auth(const char *word, enum web_client_auth *auth)
{
	for (size_t i = 0; i < AUTHS; i++) {
		if (strcmp(auths[i].name, word) != 0)
			continue;
		*auth = auths[i].auth;
		return true;
	}
	return false;
}

bool web_tls_suite(const char *word, uint32_t *set)
{
	for (size_t i = 0; i < SUITES; i++) {
		if (strcmp(suites[i].name, word) != 0)
			continue;
		*set |= 1U << i;
		return true;
	}
	return false;
}

bool web_tls_curve(const char *word, uint32_t *set)
{
	for (size_t i = 0; i < CURVES; i++) {
		if (strcmp(curves[i].name, word) != 0)
			continue;
		*set |= 1U << i;
		return true;
	}
	return false;
}

/* --- as GnuTLS takes them --- */

/* Is there a suite in the set with this part? which: 0 exchange, 1 cipher, 2 mac. */
static bool has_part(uint32_t set, size_t with, int which)
{
	const char *const want[] = { suites[with].exchange, suites[with].cipher, suites[with].mac };

	for (size_t i = 0; i < SUITES; i++) {
		const char *const has[] = { suites[i].exchange, suites[i].cipher, suites[i].mac };

		if ((set >> i & 1) && want[which] && has[which] &&
		    strcmp(want[which], has[which]) == 0)
			return true;
	}
	return false;
}

/* GnuTLS is told key exchanges, ciphers and MACs by themselves: any of them go together. */
static const char *unwanted_suite(uint32_t set)
{
	for (size_t i = 0; i < SUITES; i++)
		if (suites[i].exchange && !(set >> i & 1) && has_part(set, i, 0) &&
		    has_part(set, i, 1) && has_part(set, i, 2))
			return suites[i].name;
	return NULL;
}

static gnutls_datum_t datum_of(const char *text)
{
	return (gnutls_datum_t){ (uint8_t *)(uintptr_t)text, (unsigned int)strlen(text) };
}

/* As the server will use them. 0, or what GnuTLS has against it. */
static int try_files(const struct web_tls *t, gnutls_certificate_credentials_t c)
{
	gnutls_datum_t certificate = datum_of(t->certificate), key = datum_of(t->key), ca;
	int res = gnutls_certificate_set_x509_key_mem(c, &certificate, &key, GNUTLS_X509_FMT_PEM);

	if (res < 0 || !t->client_ca)
		return res;
	ca = datum_of(t->client_ca);
	res = gnutls_certificate_set_x509_trust_mem(c, &ca, GNUTLS_X509_FMT_PEM);
	return res == 0 ? GNUTLS_E_NO_CERTIFICATE_FOUND : res;
}

static int try_priorities(const struct web_tls *t)
{
	char text[WEB_PRIORITIES_LEN];
	gnutls_priority_t p;
	int res;

	web_tls_priorities(t, text);
	res = gnutls_priority_init(&p, text, NULL);
	if (res >= 0)
		gnutls_priority_deinit(p);
	return res;
}

static const char *unusable(const struct web_tls *t, char *room, size_t size)
{
	gnutls_certificate_credentials_t c;
	int res = gnutls_certificate_allocate_credentials(&c);

	if (res < 0)
		return gnutls_strerror(res);
	res = try_files(t, c);
	if (res >= 0)
		res = try_priorities(t);
	gnutls_certificate_free_credentials(c);
	if (res >= 0)
		return NULL;
	snprintf(room, size, "no TLS with these files: %s", gnutls_strerror(res));
	return room;
}

const char *web_tls_wrong(const struct web_tls *t, char *room, size_t size)
{
	const char *unwanted = unwanted_suite(t->suites);

	if (!t->certificate != !t->key)
		return "cert_file and key_file belong together";
	if ((t->client_ca || t->client_auth || t->n_sans) && !t->certificate)
		return "clients' certificates need cert_file and key_file";
	if (t->client_auth && !t->client_ca)
		return "client_auth_type needs client_ca_file, to verify by";
	if (t->client_ca && !t->client_auth)
		return "client_ca_file needs client_auth_type: RequireAndVerifyClientCert or "
		       "VerifyClientCertIfGiven";
	if (t->n_sans && t->client_auth != WEB_CLIENT_REQUIRED)
		return "client_allowed_sans needs client_auth_type: RequireAndVerifyClientCert";
	if (t->max_version && t->max_version < t->min_version)
		return "max_version is before min_version";
	if (!unwanted)
		return t->certificate ? unusable(t, room, size) : NULL;
	snprintf(room, size,
		 "cipher_suites: with these there would be %s as well: name it too, or name fewer",
		 unwanted);
	return room;
}

static size_t put(char out[WEB_PRIORITIES_LEN], size_t n, const char *word)
{
	return n + (size_t)snprintf(out + n, WEB_PRIORITIES_LEN - n, ":%s", word);
}

/* Each part once, whatever number of suites have it. */
static size_t put_parts(char out[WEB_PRIORITIES_LEN], size_t n, uint32_t set)
{
	char word[32];

	for (size_t i = 0; i < SUITES; i++) {
		const char *const parts[] = { suites[i].exchange, suites[i].cipher, suites[i].mac };
		uint32_t earlier = set & ((1U << i) - 1);

		if (!(set >> i & 1))
			continue;
		for (int k = 0; k < 3; k++) {
			if (!parts[k] || has_part(earlier, i, k))
				continue;
			snprintf(word, sizeof(word), "+%s", parts[k]);
			n = put(out, n, word);
		}
	}
	return n;
}

void web_tls_priorities(const struct web_tls *t, char out[WEB_PRIORITIES_LEN])
{
	int max = t->max_version ? t->max_version : 13;
	char word[32];
	size_t n = (size_t)snprintf(out, WEB_PRIORITIES_LEN, "NORMAL:-VERS-ALL");

	if (max >= 13)
		n = put(out, n, "+VERS-TLS1.3");
	if (t->min_version < 13)
		n = put(out, n, "+VERS-TLS1.2");
	if (t->suites) {
		n = put(out, n, "-KX-ALL:-CIPHER-ALL:-MAC-ALL");
		n = put_parts(out, n, t->suites);
	}
	if (t->curves)
		n = put(out, n, "-GROUP-ALL");
	for (size_t i = 0; i < CURVES; i++) {
		if (!(t->curves >> i & 1))
			continue;
		snprintf(word, sizeof(word), "+GROUP-%s", curves[i].group);
		n = put(out, n, word);
	}
	if (t->prefers_own)
		put(out, n, "%SERVER_PRECEDENCE");
}

/* --- whose certificate it is --- */

/* As Go prints them: addresses in their usual form. */
static bool is_san(const struct web_tls *t, unsigned int type, const uint8_t *san, size_t n)
{
	char text[INET6_ADDRSTRLEN];

	if (type == GNUTLS_SAN_IPADDRESS) {
		if ((n != 4 && n != 16) ||
		    !inet_ntop(n == 4 ? AF_INET : AF_INET6, san, text, sizeof(text)))
			return false;
		san = (const uint8_t *)text;
		n = strlen(text);
	} else if (type != GNUTLS_SAN_DNSNAME && type != GNUTLS_SAN_RFC822NAME &&
		   type != GNUTLS_SAN_URI) {
		return false;
	}
	for (size_t i = 0; i < t->n_sans; i++)
		if (strlen(t->sans[i]) == n && memcmp(t->sans[i], san, n) == 0)
			return true;
	return false;
}

static bool has_san(const struct web_tls *t, const gnutls_datum_t *der)
{
	gnutls_x509_crt_t crt;
	uint8_t san[512];
	bool is_there = false;

	if (gnutls_x509_crt_init(&crt) < 0)
		return false;
	if (gnutls_x509_crt_import(crt, der, GNUTLS_X509_FMT_DER) < 0)
		goto out;
	for (unsigned int i = 0; !is_there; i++) {
		size_t n = sizeof(san);
		unsigned int type;
		int res = gnutls_x509_crt_get_subject_alt_name2(crt, i, san, &n, &type, NULL);

		if (res == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
			break;
		is_there = res >= 0 && is_san(t, type, san, n);
	}
out:
	gnutls_x509_crt_deinit(crt);
	return is_there;
}

bool web_tls_admits(const struct web_tls *t, gnutls_session_t session)
{
	/* that it is to be a client's is said in the certificate: RFC 5280, 4.2.1.12 */
	gnutls_typed_vdata_st client = { .type = GNUTLS_DT_KEY_PURPOSE_OID,
					 .data = (uint8_t *)(uintptr_t)GNUTLS_KP_TLS_WWW_CLIENT };
	const gnutls_datum_t *shown;
	unsigned int n = 0, status;

	if (!t->client_auth)
		return true;
	shown = session ? gnutls_certificate_get_peers(session, &n) : NULL;
	if (!shown || !n)
		return t->client_auth == WEB_CLIENT_IF_GIVEN;
	if (gnutls_certificate_verify_peers(session, &client, 1, &status) < 0 || status)
		return false;
	return !t->n_sans || has_san(t, &shown[0]);
}
