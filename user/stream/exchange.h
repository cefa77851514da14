/* SPDX-License-Identifier: Apache-2.0 */
/* The two halves of an exchange, kept small while they wait for each other. */
#ifndef EXCHANGE_H
#define EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>
#include "proto/proto.h"
#include "stream/waits.h"
#include "txn.h"

/* The texts that a request brings to its transaction: one table in exchange.c says what is what. */
enum request_text {
	REQUEST_TARGET,
	REQUEST_HOST,
	REQUEST_ID,
	REQUEST_TRACE_STATE,
	REQUEST_SYSTEM,
	REQUEST_OPERATION,
	REQUEST_COLLECTION,
	REQUEST_NAME_SPACE,
	REQUEST_QUERY,
	REQUEST_SUMMARY,
	REQUEST_TEXTS,
};

enum { REQUEST_ROOM = 256 }; /* texts within a request; longer ones are allocated apart */

struct request {
	struct request *next, *prev;
	struct request *same, *same_last; /* of one id, oldest first: the next one; of the first
					     of them also the last one */
	struct unit *unit;		  /* what conns_opts.on_request gave; NULL: none */
	uint64_t begin_pos;
	uint64_t id;	    /* MATCH_BY_ID */
	uint64_t bytes;	    /* on the wire; valid when complete, multiplexed: so far */
	uint64_t due_pos;   /* where it will end as far as its framing says; UINT64_MAX not known */
	uint64_t after_pos; /* its response begins here or later, in the other stream */
	uint64_t start_ns;
	uint64_t read_ns; /* completion of the operation that brought its first byte */
	uint64_t goroutine;
	uint64_t body_bytes;
	uint64_t timeout_ns;	/* 0: not known */
	uint32_t messages;	/* RPC */
	struct context context; /* the trace that it says it belongs to */
	uint32_t tgid, tid;
	uint16_t text_len[REQUEST_TEXTS]; /* in text, one behind the other */
	uint16_t host_port;
	uint8_t n_texts; /* behind the last of them that is not empty */
	uint8_t proto;	 /* enum proto_id; PROTO_UNKNOWN: the connection's */
	struct waits_open waits;
	bool is_start_known;
	bool is_complete;
	bool is_tls;
	bool is_quiet;	  /* silence may answer it */
	bool is_no_reply; /* nothing will: it is never in the list */
	char *text;	  /* room, or allocated: owned */
	char version[8];
	char method[TXN_METHOD_LEN];
	char silence[16]; /* the status that silence says; empty: it says none */
	char room[REQUEST_ROOM];
};

struct response {
	struct response *next, *prev;
	struct request *req; /* owned; NULL: none bound (yet) */
	uint64_t id;	     /* MATCH_BY_ID */
	uint64_t begin_pos, end_pos;
	uint64_t bytes;	   /* multiplexed: on the wire, so far */
	uint64_t first_ns; /* first byte, on the clock of end_ns */
	uint64_t end_ns;
	struct waits_mark mark; /* who moved its last byte */
	uint64_t other_pos;	/* where the request stream was at the last operation */
	uint64_t hole_end;	/* of the last hole before it; 0: none */
	uint64_t body_bytes;
	int status;
	uint32_t messages; /* RPC */
	uint32_t flags;	   /* MSG_*, of the head */
	uint8_t proto;	   /* as in a request */
	bool is_complete;
	bool is_emitted;   /* its transaction is out (streams) */
	bool is_unmatched; /* answers a request that was never seen */
	bool is_first;	   /* of its connection */
	bool is_rows_known;
	uint64_t rows;
	char version[8];
	char request_id[TXN_ID_LEN];
	char status_text[TXN_STATUS_LEN];
};

/* Freed ones, for the next. */
struct pools {
	struct request *requests;
	struct response *responses;
};

struct request *request_new(struct pools *p, const struct msg *msg); /* NULL: out of memory */
/* Texts of `msg` that are not empty replace what the request had. 0 or -ENOMEM: it keeps it. */
int request_describe(struct request *r, const struct msg *msg);
void request_texts(const struct request *r, struct txn *t); /* whose texts are empty */
struct slice request_text(const struct request *r, enum request_text which);

struct response *response_new(struct pools *p, const struct msg *msg);
/* What any part of a response says of the whole. */
void response_describe(struct response *r, const struct msg *msg);
void request_free(struct pools *p, struct request *r);
void response_free(struct pools *p, struct response *r); /* not its request */
void pools_free(struct pools *p);

#endif
