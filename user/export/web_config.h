/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS and who may ask, in the file form of the Prometheus exporters:
 * https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md
 * Taken: tls_server_config with cert_file, key_file (paths relative to the file) and min_version;
 * basic_auth_users with hashes by bcrypt. Anything else is refused by name, never ignored.
 */
#ifndef WEB_CONFIG_H
#define WEB_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct web_config;

/* Reads the file, and what it names. NULL with one line in err. */
struct web_config *web_config_open(const char *path, char *err, size_t size);
void web_config_close(struct web_config *w); /* NULL accepted */

/* PEM texts, borrowed; NULL: no TLS. */
const char *web_config_certificate(const struct web_config *w);
const char *web_config_key(const struct web_config *w);
const char *web_config_priorities(const struct web_config *w); /* as GnuTLS takes them */

bool web_config_asks(const struct web_config *w); /* for a name and a password */

enum web_answer {
	WEB_YES,
	WEB_NO,
	WEB_LATER, /* too many wrong ones: bcrypt is slow by design, and the loop has other work */
};

/* name, password: NULL: none was sent. */
enum web_answer web_config_check(struct web_config *w, const char *name, const char *password,
				 uint64_t now_ns);

#endif
