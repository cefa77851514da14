/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS and who may ask, in the file form of the Prometheus exporters:
 * https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md
 * Paths are relative to the file. What this server does not have (HTTP/2, TLS before 1.2,
 * certificates of clients that nobody verifies) is refused by name, never ignored.
 */
#ifndef WEB_CONFIG_H
#define WEB_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "export/web_tls.h"

enum { WEB_HEADERS_MAX = 5 };

struct web_config;

/* Reads the file, and what it names. NULL with one line in err. */
struct web_config *web_config_open(const char *path, char *err, size_t size);
void web_config_close(struct web_config *w); /* NULL accepted */

/* Is the file, or one that it names, another than the one that was read? */
bool web_config_is_changed(const struct web_config *w);

const struct web_tls *web_config_tls(const struct web_config *w); /* borrowed; NULL: no TLS */
const char *web_config_priorities(const struct web_config *w);	  /* as GnuTLS takes them */

/* Headers that every answer is to have: the i-th one's name; NULL: there is none. Borrowed. */
const char *web_config_header(const struct web_config *w, size_t i, const char **value);

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
