/* SPDX-License-Identifier: Apache-2.0 */
/* Which functions of TLS libraries a file has, and where in the file they begin. */
#ifndef TLS_SYMBOLS_H
#define TLS_SYMBOLS_H

#include <stdbool.h>
#include <stdint.h>
#include "sonde_abi.h"

enum tls_library {
	TLS_LIB_NONE,
	TLS_LIB_OPENSSL,
	TLS_LIB_GNUTLS,
	TLS_LIB_NSS,	/* by the functions of NSPR, which serve all files and sockets */
	TLS_LIB_RUSTLS, /* see tls_rust.h */
};

struct tls_symbols {
	enum tls_library library;      /* TLS_LIB_NONE: the file has no such functions */
	uint64_t at[SONDE_TLS_FN_MAX]; /* by enum sonde_tls_fn: offset in the file; 0: not there */
	uint32_t cookie_bits;	       /* beside that of the function */
	const char *rustls_off;	       /* of none: why the rustls in it is not read; or NULL */
};

/* 0, or -errno when the file cannot be read as ELF. *out is written on success only. */
int tls_symbols_read(const char *path, struct tls_symbols *out);

/* By the name of a mapped file: may it be a library that we know? */
enum tls_library tls_library_of(const char *path);
const char *tls_library_name(enum tls_library l); /* "openssl", ... */

#endif
