/* SPDX-License-Identifier: Apache-2.0 */
/* The file of TLS and users: what is taken, what is refused and where, and which suites GnuTLS
 * makes of it. That a client's certificate lets it in is a test of the whole (tests/e2e, api). */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "export/web_config.h"

static char dir[64], path[96];

static void write_file(const char *name, const char *text)
{
	char at[128];
	FILE *f;

	snprintf(at, sizeof(at), "%s/%s", dir, name);
	f = fopen(at, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

/* web.crt and web.key: self-signed. */
static void make_certificate(void)
{
	gnutls_x509_privkey_t key;
	gnutls_x509_crt_t crt;
	char pem[4096];
	size_t n = sizeof(pem);

	gnutls_x509_privkey_init(&key);
	gnutls_x509_crt_init(&crt);
	gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
				     GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
	gnutls_x509_crt_set_key(crt, key);
	gnutls_x509_crt_set_version(crt, 3);
	gnutls_x509_crt_set_serial(crt, "\1", 1);
	gnutls_x509_crt_set_activation_time(crt, 0);
	gnutls_x509_crt_set_expiration_time(crt, 4102444800);
	gnutls_x509_crt_set_dn(crt, "CN=localhost", NULL);
	assert_int_equal(gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0), 0);
	assert_int_equal(gnutls_x509_crt_export(crt, GNUTLS_X509_FMT_PEM, pem, &n), 0);
	write_file("web.crt", pem);
	n = sizeof(pem);
	assert_int_equal(gnutls_x509_privkey_export(key, GNUTLS_X509_FMT_PEM, pem, &n), 0);
	write_file("web.key", pem);
	gnutls_x509_crt_deinit(crt);
	gnutls_x509_privkey_deinit(key);
}

static int setup(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/sonde-test-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/web.yml", dir);
	make_certificate();
	return 0;
}

static int teardown(void **state)
{
	static const char *const names[] = { "web.yml", "web.crt", "web.key" };
	char at[128];

	for (size_t i = 0; i < 3; i++) {
		snprintf(at, sizeof(at), "%s/%s", dir, names[i]);
		unlink(at);
	}
	return rmdir(dir);
}

#define FILES "cert_file: web.crt, key_file: web.key"

static struct web_config *open_text(const char *text)
{
	struct web_config *w;
	char err[512] = "";

	write_file("web.yml", text);
	w = web_config_open(path, err, sizeof(err));
	if (!w)
		fail_msg("%s", err);
	return w;
}

static void assert_refused(const char *text, const char *why)
{
	char err[512] = "";

	write_file("web.yml", text);
	assert_null(web_config_open(path, err, sizeof(err)));
	if (!strstr(err, why) || !strstr(err, "web.yml:"))
		fail_msg("'%s' is not in: %s", why, err);
}

static void test_refused_by_name_and_line(void **state)
{
	assert_refused("tls_server_config:\n  certt: x\n", "web.yml:2: certt: not known here");
	assert_refused("tls_server_config: {cert_file: web.crt}", "belong together");
	assert_refused("tls_server_config: {cert_file: web.yml, key_file: web.key}",
		       "no TLS with these files");
	assert_refused("tls_server_config: {cert_file: none}", "cannot read");
	assert_refused("tls_server_config: {min_version: TLS11}", "expected TLS12 or TLS13");
	assert_refused("tls_server_config: {min_version: TLS13, max_version: TLS12}",
		       "max_version is before");
	assert_refused("tls_server_config: {client_auth_type: RequireAnyClientCert}",
		       "nobody verifies");
	assert_refused("tls_server_config: {" FILES
		       ", client_auth_type: RequireAndVerifyClientCert}",
		       "needs client_ca_file");
	assert_refused("tls_server_config: {" FILES ", client_ca_file: web.crt}",
		       "needs client_auth_type");
	assert_refused("tls_server_config: {" FILES ", client_ca_file: web.key, "
		       "client_auth_type: RequireAndVerifyClientCert}",
		       "no TLS with these files");
	assert_refused("tls_server_config: {client_auth_type: RequireAndVerifyClientCert}",
		       "need cert_file");
	assert_refused("tls_server_config: {" FILES ", client_ca_file: web.crt, "
		       "client_auth_type: VerifyClientCertIfGiven, client_allowed_sans: [a]}",
		       "client_allowed_sans needs");
	assert_refused("tls_server_config: {cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]}",
		       "'TLS_RSA_WITH_RC4_128_SHA' is not known");
	assert_refused("tls_server_config: {cipher_suites: TLS_AES_128_GCM_SHA256}",
		       "expected a list");
	assert_refused("tls_server_config: {curve_preferences: [P256]}", "CurveP256");
	assert_refused("tls_server_config: {prefer_server_cipher_suites: yes}", "true or false");
	assert_refused("http_server_config: {http2: true}", "speaks HTTP/1.1");
	assert_refused("http_server_config: {headers: {Server: x}}", "Server is not one");
	assert_refused("http_server_config: {headers: {X-Frame-Options: \"a\\r\\nb: c\"}}",
		       "one line");
	assert_refused("basic_auth_users: {ann: secret}", "bcrypt");
	assert_refused("rate_limit: {}", "rate_limit: not known here");
}

static void test_files_and_headers(void **state)
{
	struct web_config *w = open_text("tls_server_config: {" FILES ", client_ca_file: web.crt, "
					 "client_auth_type: RequireAndVerifyClientCert, "
					 "client_allowed_sans: [a.b, 10.0.0.1]}\n"
					 "http_server_config: {http2: false, headers: "
					 "{X-Frame-Options: deny}}\n");
	const struct web_tls *t = web_config_tls(w);
	const char *value;

	assert_non_null(strstr(t->certificate, "BEGIN CERTIFICATE"));
	assert_non_null(strstr(t->key, "PRIVATE KEY"));
	assert_string_equal(t->client_ca, t->certificate);
	assert_int_equal(t->client_auth, WEB_CLIENT_REQUIRED);
	assert_int_equal(t->n_sans, 2);
	assert_string_equal(web_config_header(w, 0, &value), "X-Frame-Options");
	assert_string_equal(value, "deny");
	assert_null(web_config_header(w, 1, &value));
	/* nobody has shown anything */
	assert_false(web_tls_admits(t, NULL));
	web_config_close(w);
	w = open_text("http_server_config: {http2: false}");
	assert_null(web_config_tls(w));
	web_config_close(w);
}

static void test_changes_are_seen(void **state)
{
	struct web_config *w = open_text("tls_server_config: {" FILES "}");
	struct stat was, now;
	char at[128];

	assert_false(web_config_is_changed(w));
	/* also of the same size and within a tick of the file system's clock */
	snprintf(at, sizeof(at), "%s/web.crt", dir);
	assert_int_equal(stat(at, &was), 0);
	do {
		make_certificate();
		assert_int_equal(stat(at, &now), 0);
	} while (memcmp(&was.st_mtim, &now.st_mtim, sizeof(was.st_mtim)) == 0);
	assert_true(web_config_is_changed(w));
	web_config_close(w);
	w = open_text("tls_server_config: {" FILES "}");
	assert_false(web_config_is_changed(w));
	unlink(at);
	assert_true(web_config_is_changed(w));
	web_config_close(w);
}

/* The suites GnuTLS makes of it, by its names, in its order. */
static void suites_of(const char *tls, char *out, size_t size)
{
	char text[512];
	struct web_config *w;
	gnutls_priority_t p;
	unsigned int at;
	size_t n = 0;

	snprintf(text, sizeof(text), "tls_server_config: {" FILES ", %s}", tls);
	w = open_text(text);
	assert_int_equal(gnutls_priority_init(&p, web_config_priorities(w), NULL), 0);
	*out = '\0';
	for (unsigned int i = 0;; i++) {
		gnutls_protocol_t version;
		int res = gnutls_priority_get_cipher_suite_index(p, i, &at);

		if (res == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
			break;
		if (res == 0)
			n += (size_t)snprintf(
				out + n, n < size ? size - n : 0, " %s",
				gnutls_cipher_suite_info(at, NULL, NULL, NULL, NULL, &version));
	}
	gnutls_priority_deinit(p);
	web_config_close(w);
}

static void test_suites_are_those_named(void **state)
{
	char got[4096];

	suites_of("max_version: TLS12, cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]",
		  got, sizeof(got));
	assert_string_equal(got, " TLS_ECDHE_ECDSA_AES_256_GCM_SHA384");
	suites_of("max_version: TLS12, cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, "
		  "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256]",
		  got, sizeof(got));
	assert_string_equal(got, " TLS_ECDHE_RSA_CHACHA20_POLY1305"
				 " TLS_ECDHE_RSA_AES_128_CBC_SHA1");
	suites_of("min_version: TLS13, cipher_suites: [TLS_CHACHA20_POLY1305_SHA256]", got,
		  sizeof(got));
	assert_string_equal(got, " TLS_CHACHA20_POLY1305_SHA256");
	suites_of("min_version: TLS13", got, sizeof(got));
	assert_non_null(strstr(got, " TLS_AES_256_GCM_SHA384"));
	assert_null(strstr(got, "ECDHE"));
	suites_of("max_version: TLS12", got, sizeof(got));
	assert_non_null(strstr(got, "ECDHE"));
	assert_null(strstr(got, " TLS_AES_"));
	/* none that was not named, whatever goes together in GnuTLS */
	assert_refused("tls_server_config: {" FILES
		       ", cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, "
		       "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]}",
		       "there would be TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256");
}

static void test_curves_are_those_named(void **state)
{
	struct web_config *w =
		open_text("tls_server_config: {" FILES
			  ", curve_preferences: [CurveP384], prefer_server_cipher_suites: true}");
	const unsigned int *list;
	gnutls_priority_t p;

	assert_int_equal(gnutls_priority_init(&p, web_config_priorities(w), NULL), 0);
	assert_int_equal(gnutls_priority_group_list(p, &list), 1);
	assert_int_equal(list[0], GNUTLS_GROUP_SECP384R1);
	assert_non_null(strstr(web_config_priorities(w), "%SERVER_PRECEDENCE"));
	gnutls_priority_deinit(p);
	web_config_close(w);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_refused_by_name_and_line), TEST(test_files_and_headers),
		TEST(test_changes_are_seen),	     TEST(test_suites_are_those_named),
		TEST(test_curves_are_those_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
