/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of the HTTP/1 parser, for themselves alone: start (where does a message begin), head
 * (what does it say), chunked (bodies of unknown length); http1.c frames messages with them.
 */
#ifndef HTTP1_PARTS_H
#define HTTP1_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "proto/proto.h"

enum {
	HTTP1_HEAD_MAX = 128 * 1024,
	HTTP1_CHUNK_LINE_MAX = 16 * 1024,
	HTTP1_METHOD_MAX = 64,	  /* longer ones are taken for garbage */
	HTTP1_OUTSTANDING = 1024, /* requests whose response is framed right */
	HTTP1_LINE_TOLD = 512,	  /* a known method and so much of a path is HTTP */
	HTTP1_LINE_MAX = 4096,	  /* detection waits for the version no longer */
};

enum http1_phase {
	HTTP1_HEAD,	  /* at or in the head of a message */
	HTTP1_CHUNK,	  /* at a chunk-size line */
	HTTP1_CHUNK_DATA, /* at the CRLF that ends a chunk's data */
	HTTP1_TRAILERS,
	HTTP1_ADRIFT,	/* somewhere in a chunked body, after a hole */
	HTTP1_TO_CLOSE, /* in a body that only the connection's end ends */
	HTTP1_CUT,	/* a hole behind a head in progress: to be reported as far as known */
	HTTP1_LOST,	/* not at a message: to be resynced */
	HTTP1_FAILED,	/* the same, and where we are is known to be none */
	HTTP1_UPGRADED, /* no longer HTTP/1 */
};

struct http1_side {
	uint32_t scanned;     /* bytes of the head, line or trailers at hand already searched */
	uint8_t phase;	      /* enum http1_phase */
	bool is_line_checked; /* the start line is complete and right */
	bool is_behind_hole;  /* HTTP1_ADRIFT: nothing was looked at since the hole */
	uint8_t crlf_seen;    /* HTTP1_CHUNK_DATA: bytes of the CRLF that went by in a hole */
	bool may_refrain;     /* HTTP1_CHUNK: the first one, which may not come */
};

/* What a head says. Slices point into it. */
struct http1_head {
	struct slice version, method, target, host;
	struct slice request_id, traceparent, tracestate;
	struct context_b3 b3;
	struct slice connection, transfer_encoding;
	uint64_t content_length;
	int status;
	struct slice grpc_status;
	uint8_t request_id_rank;
	bool has_length, is_length_bad;
	bool is_upgrade, is_websocket, is_h2c, is_grpc_web, is_event_stream, has_two_parents;
	bool asks_first; /* whether to send its body */
};

/* start */
bool http1_is_token(uint8_t c);
int http1_detect(struct slice first, enum proto_dir dir);
/* Could a start line that is not complete yet begin with these bytes? */
bool http1_may_begin(struct slice in, enum proto_dir dir);
/* Offset, at least `least`, of a start line in `in`; in.n when there is none. */
size_t http1_find_start(struct slice in, enum proto_dir dir, size_t least);

/* head */

/* 0 or -EBADMSG; `line` is without its line end. */
int http1_start_line(struct slice line, enum proto_dir dir, struct http1_head *h);
/* Reads field lines from `pos` on into *h. Offset behind the empty line that ends them, or 0 when
 * it is not there; what was read until then counts. */
size_t http1_fields(struct slice in, size_t pos, struct http1_head *h);
/* The line at `pos` without its end; *next is behind it. False when its end is not there. */
bool http1_line(struct slice in, size_t pos, struct slice *line, size_t *next);
/* Offset behind the first empty line, or 0. Only bytes from *scanned on are searched; *scanned is
 * set so that a later call with a longer `in` goes on there. */
size_t http1_empty_line(struct slice in, uint32_t *scanned);
bool http1_list_has(struct slice list, struct slice word);
/* Length of the empty lines at the start: a server skips them (RFC 9112 2.2). */
size_t http1_leading_lines(struct slice in);
enum http1_coding { HTTP1_IDENTITY, HTTP1_CHUNKED, HTTP1_OTHER_CODING };
enum http1_coding http1_last_coding(struct slice transfer_encoding);

/* chunked: parse() and gap() in the phases from HTTP1_CHUNK to HTTP1_ADRIFT. The phase becomes
 * HTTP1_HEAD at the end of the body, and also, with nothing consumed, where the next message turns
 * out to begin while adrift. */
ssize_t http1_chunked(struct http1_side *s, enum proto_dir dir, struct slice in, struct msg *out);
int http1_chunked_gap(struct http1_side *s, uint64_t len);

#endif
