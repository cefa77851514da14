/* SPDX-License-Identifier: Apache-2.0 */
/* gRPC over HTTP/2: what tells a call, its messages, and its status. */
#ifndef GRPC_H
#define GRPC_H

#include <stdbool.h>
#include <stdint.h>
#include "util/slice.h"

/* One direction of a call: messages, each behind five bytes of flags and length. */
struct grpc_side {
	uint32_t left; /* bytes of the message at hand still to come */
	uint32_t size; /* as far as the prefix was read */
	uint8_t n;     /* bytes read of the prefix */
	bool is_none;  /* what should have been one was no message: nothing further is read */
};

/* Takes the bytes of a call that are there, counts the messages that begin in them. */
void grpc_walk(struct grpc_side *g, struct slice in, uint32_t *messages);

/* Is this, of which the first bytes are there, one message and nothing else? */
bool grpc_is_message(struct slice first, uint32_t len);
enum { GRPC_PREFIX = 5 };

bool grpc_is_type(struct slice content_type);	  /* application/grpc, +proto and the like */
bool grpc_is_web_type(struct slice content_type); /* application/grpc-web, -text and the like */
/* "100m" and the like in nanoseconds; 0: none. */
uint64_t grpc_timeout(struct slice value);
/* The number of a status; -1: this is none. */
int grpc_status(struct slice value);
/* "OK", "CANCELLED"...; of a number that has no name the number of UNKNOWN's. */
struct slice grpc_status_name(int status);
/* Of a call that has none: what the HTTP status stands for; `http` 0: not known. */
int grpc_status_of_http(int http);
/* What the error code of a stream that was reset stands for. */
int grpc_status_of_reset(uint32_t code);

#endif
