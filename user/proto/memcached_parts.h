/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the memcached parser share. doc/protocol.txt and doc/protocol-binary.txt of
 * memcached 1.6 are what it follows.
 *   memcached.c        framing and matching     memcached_text.c    requests, text and meta
 *   memcached_reply.c  replies, text and meta   memcached_binary.c  the binary protocol
 *   memcached_start.c  detection, and where the next message begins
 */
#ifndef MEMCACHED_PARTS_H
#define MEMCACHED_PARTS_H

#include "proto/proto.h"

enum {
	MC_OUTSTANDING =
		1024,	     /* requests that may be answered, as many as the stream layer holds */
	MC_LINE_MAX = 65536, /* a get of many keys; anything else is below 2,048 */
	MC_TOKENS = 8,	     /* of a line, that are looked at */
	MC_HEADER = 24,	     /* of the binary protocol */
	MC_KEY_MAX = 250,
};

/* What was asked, as far as its answer depends on it. */
enum mc_kind {
	MC_UNKNOWN,
	MC_OTHER,
	MC_GET,
	MC_WATCH,
	MC_MG,
	MC_MS,
	MC_MD,
	MC_MA,
	MC_ME,
	MC_MN,
	MC_BINARY,
};

/* Of a request outstanding: kind, whether silence may answer it, and a hash of what its answer will
 * repeat (opaque, key). Two that hash alike and are of one kind are alike in all that is told. */
struct mc_tag {
	uint16_t kind : 4, is_quiet : 1, hash : 11;
};

/* A request, read. */
struct mc_request {
	struct mc_tag tag;
	bool is_no_reply, is_last, is_known; /* is_known: well formed too */
	uint64_t data;			     /* bytes behind the line, its end included */
	struct slice operation, query, silence;
};

/* A reply's line or header, read. */
struct mc_reply {
	uint16_t kinds; /* 1 << enum mc_kind: quiet requests that it may answer */
	uint16_t hash;
	bool is_hash_known, is_error, is_value, is_end, is_number;
	bool is_of_list; /* of a reply of many lines, neither a value nor its end */
	uint64_t data;
	struct slice word;
};

enum mc_phase { MC_HEAD, MC_LOST, MC_FAILED };

struct mc_side {
	uint32_t scanned; /* so far there is no end of line */
	uint8_t phase;
	uint8_t kind; /* responses: what the open one answers */
	bool is_open; /* responses: a reply has begun and not ended */
	bool is_list; /* with lines that are no values */
	uint32_t values;
};

struct mc {
	struct mc_side side[2];
	uint32_t requests, responses; /* modulo 2^32, the difference outstanding */
	bool is_binary, is_text;      /* once it is known */
	bool is_missed;		      /* the oldest tag is of a request that was never seen */
	struct mc_tag tags[MC_OUTSTANDING];
};

/* The line at the front and how far it goes with its end: > 0; 0: there is no end. `*scanned` is
 * kept. */
size_t mc_line(struct slice in, uint32_t *scanned, struct slice *line);
struct slice mc_token(struct slice *line); /* the next one; empty: none */
bool mc_number(struct slice s, uint64_t *n);
uint16_t mc_hash(uint8_t what, struct slice s);

/* Reads a request's line; what it tells stands in `room` of MSG_ROOM bytes, or is constant. */
void mc_text_request(struct slice line, struct mc_request *r, char *room);
/* 0, or -EBADMSG: no reply begins or goes on like that. */
int mc_text_reply(struct slice line, struct mc_reply *r);
/* The status of a reply that ends with `r`, to a request of this kind. */
struct slice mc_text_status(const struct mc_side *s, const struct mc_reply *r);

/* 1, 0: more bytes are needed, -EBADMSG */
int mc_binary_request(struct slice in, struct mc_request *r);
int mc_binary_reply(struct slice in, struct mc_reply *r, uint8_t *opcode);
struct slice mc_binary_status(uint8_t opcode, uint16_t status, bool *is_error);
bool mc_binary_is_get(uint8_t opcode);

int mc_detect(struct slice first, enum proto_dir dir);
size_t mc_find_start(const struct mc *st, enum proto_dir dir, struct slice in, size_t least);

#endif
