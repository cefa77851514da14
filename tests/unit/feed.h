/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Drives a struct proto as the stream layer does — bytes arrive in pieces and with holes, skips are
 * obeyed, framing is found again — and writes down what comes out, one word per message.
 */
#ifndef FEED_H
#define FEED_H

#include "guard.h"
#include "proto/proto.h"

enum { FEED_LOG_MAX = 65536, FEED_BYTES_MAX = 256 * 1024, FEED_OTHERS = 64 };

struct feed_message {
	uint64_t id;
	bool is_open, is_error;
	char head[4096];
	char status[64], rows[32]; /* what its later parts say of it */
	uint64_t wire, body;
	uint32_t messages;
};

struct feed_side {
	uint8_t *bytes; /* not consumed yet */
	size_t n;
	uint64_t skip;
	bool is_lost, is_over;
	struct feed_message m;	     /* in hand */
	struct feed_message *others; /* multiplexed: those that are open too */
	char *log;
	size_t log_n;
};

struct feed {
	const struct proto *proto;
	void *state;
	struct guard guard;
	struct feed_side side[2];
	unsigned errors, calls;
	bool is_upgraded;
};

struct feed *feed_new(const struct proto *proto);
void feed_reset(struct feed *f);
void feed_free(struct feed *f);
void feed_bytes(struct feed *f, enum proto_dir dir, struct slice s);
void feed_hole(struct feed *f, enum proto_dir dir, uint64_t len);
void feed_end(struct feed *f, enum proto_dir dir);
/* Messages that ended, in order; "?..." is appended for the one that is open. */
const char *feed_log(struct feed *f, enum proto_dir dir);

#endif
