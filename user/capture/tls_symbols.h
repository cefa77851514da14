/* SPDX-License-Identifier: Apache-2.0 */
/* Which functions of TLS libraries a file has, and where in the file they begin. */
#ifndef TLS_SYMBOLS_H
#define TLS_SYMBOLS_H

#include <stdbool.h>
#include <stdint.h>

enum tls_function {
	TLS_FN_READ,
	TLS_FN_WRITE,
	TLS_FN_READ_EX, /* success is 1, and how much is put where the caller says */
	TLS_FN_WRITE_EX,
	TLS_FN_HANDSHAKE,
	TLS_FN_FREE,
	TLS_FN_MAX
};

enum tls_library { TLS_LIB_NONE, TLS_LIB_OPENSSL, TLS_LIB_GNUTLS };

struct tls_symbols {
	enum tls_library library; /* TLS_LIB_NONE: the file has no such functions */
	uint64_t at[TLS_FN_MAX];  /* offset in the file; 0: not there */
};

/* 0, or -errno when the file cannot be read as ELF. *out is written on success only. */
int tls_symbols_read(const char *path, struct tls_symbols *out);

/* By the name of a mapped file: may it be a library that we know? */
enum tls_library tls_library_of(const char *path);
const char *tls_library_name(enum tls_library l); /* "openssl", ... */

#endif
