/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One direction of a TCP connection in a capture: pieces of payload put into order. Of bytes that
 * were sent twice the first copy counts. What is missing is waited for until the receiver says that
 * it has it: then it is the capture that lacks it.
 *
 *      handed out          hole       held
 *   ----------------+              +---------+      +-----+
 *                   next           held->seq              sent
 */
#ifndef PCAP_HALF_H
#define PCAP_HALF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	PCAP_HALF_PIECES_MAX = 1024, /* held by one direction */
	PCAP_HALF_BYTES_MAX = 1 << 20,
	PCAP_HELD_BYTES_MAX = 64 << 20, /* held by all directions together */
};

struct pcap_piece {
	struct pcap_piece *next; /* of those held, by seq */
	const uint8_t *bytes;	 /* `copied` of them; borrowed, or behind a piece that is held */
	uint64_t ts_ns;		 /* of the packet it came in */
	uint32_t seq;
	uint32_t len;	 /* on the wire */
	uint32_t copied; /* that were captured of it, from its start */
	uint32_t ack;	 /* how far its sender had received the other direction */
};

struct pcap_half {
	struct pcap_piece *held; /* owned */
	uint32_t n_held;
	uint32_t held_bytes;
	uint32_t first; /* its first byte, where we came to know it */
	uint32_t next;	/* behind the last byte handed out */
	uint32_t acked; /* the receiver has all bytes before it */
	uint32_t sent;	/* behind the last byte seen */
	uint32_t fin;	/* where it ends, if is_fin */
	bool is_known;	/* the numbers above mean something */
	bool is_fin;
	bool is_ended; /* the end was handed out */
};

void pcap_half_begin(struct pcap_half *h, uint32_t seq);
void pcap_half_acked(struct pcap_half *h, uint32_t ack);
void pcap_half_fin(struct pcap_half *h, uint32_t seq); /* the first one counts */

/* Forgets the first n bytes of a piece. */
void pcap_piece_cut(struct pcap_piece *p, uint32_t n);

/* Could bytes at `seq` be part of the stream now? No window is larger than 2^30 (RFC 7323, 2.3). */
bool pcap_half_expects(const struct pcap_half *h, uint32_t seq);

/* Keeps copies of what is new in a piece. *total: bytes held by all. 0; -ENOBUFS when too much is
 * held already and -ENOMEM: some of it may be held then. */
int pcap_half_hold(struct pcap_half *h, struct pcap_piece *p, size_t *total);

/* The piece that is next, no longer held: the caller's, to free. NULL: none is. */
struct pcap_piece *pcap_half_take(struct pcap_half *h, size_t *total);

/* Is it sure that the bytes from next to *end will not come? */
bool pcap_half_is_torn(const struct pcap_half *h, uint32_t *end);

void pcap_half_free(struct pcap_half *h, size_t *total); /* what it holds */

#endif
