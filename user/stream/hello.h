/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of a TLS handshake that is in the clear: who is asked for, what is spoken within, and
 * how long it took. In every version both ends say ChangeCipherSpec once before they send what is
 * encrypted (RFC 5246, 7.1; RFC 8446, D.4: as nearly all do): with the second the handshake is
 * over. Pure; bytes of each direction in order.
 */
#ifndef HELLO_H
#define HELLO_H

#include <stdbool.h>
#include <stdint.h>
#include "sonde_abi.h"
#include "util/slice.h"

enum { HELLO_BODY_MAX = 2048, HELLO_NAME_LEN = 256, HELLO_PROTOCOL_LEN = 32 };

struct hello_half {
	uint32_t next; /* sequence number of the next byte */
	uint32_t left; /* bytes of the open record */
	uint16_t n_body;
	uint8_t n_head;
	uint8_t head[5];
	bool is_known, is_over;
	bool has_body;		      /* its first record has ended */
	uint8_t body[HELLO_BODY_MAX]; /* of its first record, cut */
};

struct hello {
	struct hello_half half[2]; /* by enum sonde_dir */
	uint64_t start_ns;	   /* first byte of the first message; kept by the caller */
};

/* What the two messages say; empty: they do not. */
struct hello_words {
	char server_name[HELLO_NAME_LEN];	/* RFC 6066, 3 */
	char next_protocol[HELLO_PROTOCOL_LEN]; /* RFC 7301, as far as it is not encrypted */
};

/* Could this be the first operation of a handshake? */
bool hello_begins(struct slice first);

/* Takes an operation of `len` bytes, of which `in` was copied. 1: the handshake is over with it; 0:
 * go on; -1: this cannot be followed. */
int hello_take(struct hello *h, enum sonde_dir d, uint32_t seq, uint32_t len, struct slice in);

void hello_read(const struct hello *h, struct hello_words *out);

#endif
