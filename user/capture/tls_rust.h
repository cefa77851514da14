/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rustls within a program: which of its symbols are the functions that plaintext and records pass
 * in, and what their code says of a connection's state. Of rustls 0.20 and 0.21, in either form
 * that compilers give names; x86-64. What is missing, or there twice, leaves all of it off.
 */
#ifndef TLS_RUST_H
#define TLS_RUST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum tls_rust_fn {
	TLS_RUST_READ,	    /* Reader::read: plaintext is taken */
	TLS_RUST_GIVE,	    /* CommonState::send_some_plaintext */
	TLS_RUST_SEND,	    /* ChunkVecBuffer::write_to: records leave */
	TLS_RUST_WRITE_TLS, /* CommonState::write_tls, which calls that: not watched, but read */
	TLS_RUST_READ_BUF,  /* a second way to read, of unstable Rust: not known */
	TLS_RUST_PIECES,    /* CommonState::buffer_plaintext, of 0.23 and later: not known */
	TLS_RUST_FNS,
};

struct tls_rust {
	uint64_t at[TLS_RUST_FNS]; /* offsets in the file; 0: not there */
	bool is_there, has_several;
};

/* A function by its symbol; others than rustls's are left alone. */
void tls_rust_take(struct tls_rust *r, const char *name, uint64_t offset);

/* Why it cannot be read; NULL: it can be, or there is no rustls at all. `fd` is of the file.
 * *bits is what SONDE_TLS_RUST and its kin say of it in a cookie; written on success only, 0 where
 * there is no rustls. */
const char *tls_rust_read(const struct tls_rust *r, int fd, uint32_t *bits);

/* The code of CommonState::write_tls, which lies at `at`: it adds the place of what is to be sent
 * to the state, and goes on in write_to, which lies at `to`. The bits, or -1. Pure. */
int tls_rust_place(const uint8_t *code, size_t n, uint64_t at, uint64_t to);

#endif
