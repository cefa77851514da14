/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests with responses. Requests wait in the order they came, and are answered in that order or,
 * where the protocol gives them ids, the oldest of an id. What a response may answer follows from
 * positions: a request knows where the response stream was when it was sent or read, and no byte
 * before that can be its answer. A request that nothing answers is done when it ends; one that
 * silence may answer, when a later one is answered.
 */
#ifndef MATCH_H
#define MATCH_H

#include <stdbool.h>
#include <stdint.h>
#include "capture/loss.h"
#include "proto/proto.h"
#include "stream/exchange.h"
#include "stream/op.h"
#include "util/map.h"

enum {
	MATCH_PENDING_MAX = 1024, /* requests outstanding on a connection */
	MATCH_FINISHED_MAX = 64,  /* responses that wait for their request */
	MATCH_OPEN_MAX = 2048,	  /* responses being received on a connection */
};

#define MATCH_FINISHED_NS (10 * 1000 * 1000 * 1000ULL) /* and for how long */

/* Of one connection. */
struct match {
	struct request *head, *tail; /* outstanding, oldest first */
	struct request *req_open;    /* still being received; in the list or bound, or owned here
					if nothing will answer it; NULL: gone */
	struct response *resp_open;  /* still being received */
	struct response *others;     /* MATCH_MULTIPLEXED: so are these, last in hand first;
					req_open and resp_open are those in hand */
	struct response *others_last;
	struct map by_id;	   /* by match_key(): the oldest request outstanding of an id, not
				      MATCH_FIFO; the newest open response, MATCH_MULTIPLEXED */
	struct response *finished; /* complete before their request was seen, oldest first */
	uint64_t frontier; /* where the last request seen, or the last answer to one, puts responses
			    */
	uint64_t hole_end; /* of the last hole in the response stream, and why it is there */
	enum loss hole_why;
	uint64_t first_id;     /* MATCH_MULTIPLEXED: of the first request seen; 0 none yet */
	uint64_t refused_from; /* MATCH_MULTIPLEXED: requests of this id and above; 0 none */
	uint64_t refused_ns;   /* since when */
	uint64_t last_ns; /* a whole response said that none follows it: its end; 0: none did */
	uint16_t n_pending, n_finished, n_others;
	bool is_pipelined; /* a request was sent before the last one was answered */
	bool is_unsure;	   /* requests were lost, and maybe not all of them answered by now */
	bool is_missed;	   /* the protocol was told that the next response has no request */
	bool has_response; /* at least one response has begun */
};

struct conns;
struct conn;

/* A request's head was parsed; `begin` and `end` are the operations of its first and last byte.
 * 0 or -ENOMEM. */
int match_request(struct conns *cs, struct conn *c, const struct msg *msg, uint64_t begin_pos,
		  const struct op *begin, const struct op *end);
/* What its head says of it is known: is its response here already? */
void match_meet(struct conns *cs, struct conn *c);
/* `end_ns`: when its last byte was sent or read; 0 not known. */
void match_request_end(struct conns *cs, struct conn *c, uint64_t end_pos, uint64_t end_ns);

/* Does the response that begins at `pos` answer none of the requests outstanding? */
bool match_is_orphan(const struct conn *c, uint64_t pos);
int match_response(struct conns *cs, struct conn *c, const struct msg *msg, uint64_t begin_pos,
		   const struct op *begin);
/* Its head was parsed and ends here: a stream's transaction is made now. */
void match_response_head(struct conns *cs, struct conn *c, uint64_t end_pos, uint64_t end_ns);
/* `other_pos`: where the request stream was when the last operation began. */
void match_response_end(struct conns *cs, struct conn *c, uint64_t end_pos, uint64_t end_ns,
			uint64_t other_pos);
/* The response being received will never be whole. LOSS_MAX: that is no loss. */
void match_response_lost(struct conns *cs, struct conn *c, enum loss why);

/* A hole in the response stream before `end_pos`: requests that may have been answered in it are
 * lost. Returns how many. */
uint32_t match_hole(struct conns *cs, struct conn *c, uint64_t end_pos, enum loss why);

/* MATCH_MULTIPLEXED: takes the open message of `id` in hand, or none where there is none. */
void match_select(struct conn *c, enum proto_dir d, uint64_t id);
/* The oldest request is answered as another one: id, version, protocol. 0 or -ENOMEM. */
int match_rename(struct conns *cs, struct conn *c, const struct msg *as);
/* The exchange that a part with MSG_RESET breaks off at `ts_ns`. */
void match_reset(struct conns *cs, struct conn *c, enum proto_dir d, const struct msg *msg,
		 uint64_t ts_ns);
/* Requests of id `from` and above are refused at `ts_ns`; those that have yet to be seen are as
 * they come. */
void match_refuse(struct conns *cs, struct conn *c, uint64_t from, uint64_t ts_ns);
/* All responses being received: the one behind r, or the first. NULL: no more. */
struct response *match_next_open(const struct match *m, const struct response *r);

/* The n oldest requests turn out to be no exchanges. */
void match_withdraw(struct conns *cs, struct conn *c, uint32_t n);
void match_tick(struct conns *cs, struct conn *c, uint64_t now_ns); /* ages out */
/* Forgets everything. Requests outstanding are counted as `why` unless it is LOSS_MAX. */
void match_drop(struct conns *cs, struct conn *c, enum loss why);

#endif
