/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of the HTTP/2 parser, for themselves alone: frame (where does one begin, is it one),
 * head (what a block of fields says), hpack (the tables that blocks are compressed with), streams
 * (which are open); http2.c makes messages of them.
 */
#ifndef HTTP2_PARTS_H
#define HTTP2_PARTS_H

#include <nghttp2/nghttp2.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "proto/grpc.h"
#include "proto/proto.h"
#include "util/list.h"
#include "util/map.h"

enum {
	HTTP2_FRAME_HEAD = 9,
	HTTP2_FRAME_MAX = 16384,     /* until SETTINGS say otherwise, RFC 9113 6.5.2 */
	HTTP2_LENGTH_MAX = 0xffffff, /* that a frame can have at all */
	HTTP2_BLOCK_MAX = 64 * 1024, /* of the fields of one message, as they are sent */
	HTTP2_TABLE_MAX = 64 * 1024, /* of a dynamic table */
	HTTP2_TABLE_FIRST = 4096,    /* its size until the encoder says otherwise */
	HTTP2_STREAMS_MAX = 2048,    /* open on a connection */
	HTTP2_REFUSALS_MAX = 16,     /* steps that a server goes away in */
	HTTP2_RESYNC_KEEP = 1024,    /* frames of heads are shorter */
	HTTP2_BULK = 4096,	     /* DATA that is large */
	HTTP2_ID_MASK = 0x7fffffff,
};

#define HTTP2_PREFACE SLICE("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")

struct http2_frame {
	uint32_t len, id;
	uint8_t type, flags; /* NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM ... */
};

/* One direction's dynamic table. */
struct http2_hpack {
	nghttp2_hd_inflater *inflater; /* owned; NULL until the first block */
	uint32_t assumed;	       /* size of the table whose contents are not known; 0: all is
					  known */
};

enum http2_phase {
	HTTP2_START,  /* the client's preface may come */
	HTTP2_FRAMES, /* at a frame */
	HTTP2_DATA,   /* within a DATA frame whose messages are counted */
	HTTP2_LOST,   /* not at a frame: to be resynced */
	HTTP2_FAILED, /* the same, and where we are is known to be none */
};

struct http2_side {
	struct http2_hpack hpack;
	uint32_t frame_max;
	uint32_t walked;    /* frames of the block at hand that were found whole: bytes */
	uint32_t seen;	    /* bytes that were there when the block at hand was not */
	uint32_t data_left; /* HTTP2_DATA: bytes, without the padding */
	uint32_t data_id;
	uint8_t pad;
	uint8_t phase; /* enum http2_phase */
	bool ends;     /* HTTP2_DATA: its stream ends with it */
	bool is_cut;   /* a hole lies behind the part of the block at hand */
};

struct http2_stream {
	struct list age;
	uint32_t id;
	uint16_t status;  /* of the response; 0 none yet, or not known */
	bool is_asked;	  /* the request was seen */
	bool is_answered; /* the response has begun */
	bool ended[2];	  /* by enum proto_dir */
	bool is_grpc;
	bool is_vague; /* fields are not known, the content's type among them perhaps */
	bool is_connect, is_websocket;
	struct grpc_side grpc[2];
};

struct http2_streams {
	struct map map;		    /* owned, and what it holds */
	struct list age;	    /* oldest first; zeroed: none yet */
	uint32_t first_id, last_id; /* of requests seen; 0 none */
	uint32_t refused_from;	    /* this one and all above; 0 none */
	uint8_t n_refusals;	    /* that named ever lower ones */
};

struct http2 {
	struct http2_side side[2];
	struct http2_streams streams;
};

/* What a block of fields says. Texts lie in the msg's room. */
struct http2_head {
	struct msg *out;
	size_t room_used;
	struct slice host;
	struct context_b3 b3;
	int status;
	int grpc_status; /* -1: none */
	uint8_t request_id_rank;
	bool has_two_parents, has_unknown;
	bool has_type, is_grpc, is_event_stream, is_websocket;
};

/* frame */
void http2_frame_read(const uint8_t *p, struct http2_frame *f);
/* Could this be one, that goes this way? */
bool http2_frame_may_be(const struct http2_frame *f, enum proto_dir dir, uint32_t frame_max);
int http2_detect(struct slice first, enum proto_dir dir);
/* Offset, at least `least`, where frames follow each other; in.n when nowhere. */
size_t http2_find_frame(struct slice in, enum proto_dir dir, uint32_t frame_max, size_t least);
/* The stream of which large DATA begins here, whose rest the kernel may have left out; 0: none.
 * Where frames were lost and the stream is open it is one: 9 bytes agree. */
uint32_t http2_bulk_of(struct slice in, enum proto_dir dir, uint32_t frame_max);

/* hpack */
/* Decompresses a fragment of a block, `is_last` or not, into h. 0; -EBADMSG: the rest of the block
 * is not to be understood, and the table's contents are no longer known; -ENOMEM. */
int http2_hpack_inflate(struct http2_hpack *hp, struct slice in, bool is_last,
			struct http2_head *h);
/* What the table holds is not known from here on: references into it give fields without a name. */
void http2_hpack_forget(struct http2_hpack *hp);
void http2_hpack_free(struct http2_hpack *hp);

/* head */
void http2_field(struct http2_head *h, struct slice name, struct slice value);

/* streams */
/* What GOAWAY refused is over, whatever may still come of it. */
bool http2_is_refused(const struct http2_streams *ss, uint32_t id);
struct http2_stream *http2_stream_get(struct http2_streams *ss, uint32_t id);
struct http2_stream *http2_stream_add(struct http2_streams *ss, uint32_t id); /* NULL: no memory */
void http2_stream_del(struct http2_streams *ss, uint32_t id);
void http2_streams_free(struct http2_streams *ss);

#endif
