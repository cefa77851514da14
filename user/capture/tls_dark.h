/* SPDX-License-Identifier: Apache-2.0 */
/* What encrypts for a process where nothing can be watched, and why it cannot. */
#ifndef TLS_DARK_H
#define TLS_DARK_H

#include <stdint.h>

struct tls_dark {
	const char *library; /* "java", "nss", "stripped-openssl", ... static */
	const char *why;     /* the end of a sentence that begins with "not read: "; static */
};

/* Of a process whose maps hold no library that is watched: by what else it maps, then by the text
 * in its program. NULL: not known. Static. */
const struct tls_dark *tls_dark_of(uint32_t tgid);

/* The same of one file, by the text in it. */
const struct tls_dark *tls_dark_in(const char *path);

#endif
