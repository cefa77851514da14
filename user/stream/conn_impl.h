/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of this room share: a connection and the table it lives in.
 *   conn.c    the table, records in, eviction      stream.c  bytes of one direction, in order
 *   flow.c, flow_message.c, flow_hole.c  bytes and holes into messages
 *   detect.c  which protocol, which role
 *   match.c, match_late.c, match_gone.c, match_streams.c  requests with responses
 *   settle.c  what the end of a connection ends
 *   emit.c    a finished exchange into struct txn  steer.c   verdicts
 *   waits.c   where its time went                inflight.c  what has no answer yet
 *   record.c  one data record into bytes, holes and ends
 *   handshake.c, hello.c  TLS handshakes, as far as they are in the clear
 *   shed.c    which connections are left out when all are too many
 *   datagram.c, question.c  sockets without streams: see datagram.h
 */
#ifndef CONN_IMPL_H
#define CONN_IMPL_H

#include "proto/proto.h"
#include "stream/conn.h"
#include "stream/datagram.h"
#include "stream/match.h"
#include "stream/stream.h"
#include "stream/waits.h"
#include "util/map.h"

enum {
	CONN_MAX = 65536,
	CONN_BUFFER_MAX = 128 * 1024,
	CONN_DETECT_BYTES = 8192, /* undecided after as many: unknown */
	CONN_DETECT_TRIES = 16,	  /* operations, where we joined in the middle */
	CONN_ENDED = 64,	  /* connections that ended last: what comes late is theirs */
};

#define CONN_HOLD_NS (1000 * 1000 * 1000ULL) /* longest wait of a response for its request */

enum conn_state {
	CONN_UNDECIDED,
	CONN_PARSED,
	CONN_UNKNOWN,
	CONN_ENCRYPTED,
	CONN_STATES,
};

struct conn {
	struct conn *newer, *older;	    /* by last activity */
	struct conn *wait_next, *wait_prev; /* among those that a tick may move on */
	const struct proto *proto;	    /* NULL until decided */
	void *proto_state;		    /* owned */
	struct stream s[2];		    /* by enum sonde_dir */
	struct match match;
	char *unix_path; /* owned, unix_path_len bytes */
	struct sonde_addr local, peer;
	struct hello *hello;		/* owned; a TLS handshake under way */
	struct sonde_ev_close *leaving; /* owned; how it ended, while its last records are missing */
	uint64_t cookie;
	uint64_t undecided_bytes; /* not yet counted under a protocol */
	uint64_t hold_since_ns;	  /* when response bytes began to wait; 0: none do */
	uint64_t last_ns;	  /* last operation */
	uint64_t local_ns;	  /* when this end closed, the peer's FIN came; 0: not */
	uint64_t peer_ns;
	struct sonde_verdict told; /* the verdict last told */
	uint64_t fresh_ns;	   /* when it was first told of, from its first byte; 0: was not */
	uint64_t stream_start_ns;  /* of the request whose response has become a stream */
	uint32_t stream_tgid;
	uint32_t slot;
	uint32_t tgid;
	uint32_t unix_path_len;
	uint32_t head_max; /* longest response head seen */
	uint8_t family;
	uint8_t role;
	uint8_t state;
	uint8_t tries;
	uint8_t stream_kind; /* enum txn_stream_kind: what is going on */
	bool is_fresh;	     /* both streams known from their first byte */
	bool is_raw;	     /* bytes are no longer looked at */
	bool is_waiting;     /* in the list of those that a tick may move on */
	bool is_impatient;   /* responses are no longer held back for their requests */
	bool is_eof;	     /* we read the peer's end */
	bool is_shed;	     /* observed no longer; raw */
	bool is_tls;	     /* the streams are of its plaintext */
	bool wants_all;	     /* responses of this connection cannot be understood by their heads */
	bool was_truncated[2]; /* by enum proto_dir: framing lay in what was not copied */
};

struct conns {
	struct conns_opts opts;
	struct map by_cookie;
	struct conn *newest, *oldest;
	struct conn *waiting;	    /* last in, first out */
	uint64_t ended[CONN_ENDED]; /* cookies, a ring */
	uint32_t n_ended;
	struct datagrams datagrams;
	struct pools pools;
	struct waits waits;
	const struct op *in_hand; /* the operation whose bytes are being looked at; NULL: none */
	struct conns_stats stats;
	uint64_t now_ns; /* of the record or tick in hand */
	uint64_t seed;	 /* of what peers number */
};

static inline enum sonde_dir conn_dir(const struct conn *c, enum proto_dir d)
{
	return (c->role == SONDE_ROLE_SERVER) == (d == PROTO_REQUEST) ? SONDE_RX : SONDE_TX;
}

static inline enum proto_dir conn_proto_dir(const struct conn *c, enum sonde_dir d)
{
	return (c->role == SONDE_ROLE_SERVER) == (d == SONDE_RX) ? PROTO_REQUEST : PROTO_RESPONSE;
}

static inline bool conn_is_multiplexed(const struct conn *c)
{
	return c->proto->match == MATCH_MULTIPLEXED;
}

static inline void conn_loss(struct conns *cs, enum loss why, uint64_t n)
{
	cs->stats.losses.n[why] += n;
}

/* conn.c */
void conn_set_state(struct conns *cs, struct conn *c, enum conn_state state);
void conn_free_state(struct conn *c);		  /* the protocol's */
void conn_wait(struct conns *cs, struct conn *c); /* let the next tick look at it */
/* From now on bytes are only counted. Requests outstanding are lost for reason `why`; LOSS_MAX:
 * they are not lost. */
void conn_give_up(struct conns *cs, struct conn *c, enum conn_state state, enum loss why);

/* flow.c: what a record says, in order */
void flow_bytes(struct conns *cs, struct conn *c, enum sonde_dir d, const struct op *op,
		struct slice in);
/* `why`: what to count should it have been needed. `end`: the operation that the hole's last byte
 * belongs to; NULL: not known. */
void flow_hole(struct conns *cs, struct conn *c, enum sonde_dir d, uint64_t len, enum loss why,
	       const struct op *end);
void flow_end(struct conns *cs, struct conn *c, enum sonde_dir d, bool in_order, uint64_t end_ns);
/* Parses what is held back for something that may never come. */
void flow_hurry(struct conns *cs, struct conn *c, enum sonde_dir d);

/* handshake.c: ciphertext, as long as its handshake is followed */
void handshake_take(struct conns *cs, struct conn *c, const struct sonde_ev_data *ev);
void handshake_drop(struct conn *c);

/* record.c: one data record into bytes, holes and ends */
void record_take(struct conns *cs, struct conn *c, const struct sonde_ev_data *ev);
void record_expire(struct conns *cs, struct conn *c, uint64_t now_ns); /* what waited too long */

/* detect.c */
/* Is a transaction of this protocol asked for? */
bool detect_wants(const struct conns *cs, enum proto_id id);
/* From here on another protocol is spoken; the oldest request is answered in it. */
void detect_switch(struct conns *cs, struct conn *c, enum proto_id id);
/* The protocol said so: from here on nothing can be read (MSG_HIDES). */
void detect_hidden(struct conns *cs, struct conn *c, uint32_t flags);
/* 1 decided, the message begins at *at; 0 not yet; -1 these bytes are nothing we know. On
 * entry *at is where the newest operation begins. */
int detect_run(struct conns *cs, struct conn *c, enum sonde_dir d, struct slice in, size_t *at);

/* settle.c */
/* A receive that returned 0. */
void settle_eof(struct conns *cs, struct conn *c, enum sonde_dir d, uint64_t ts_ns);
/* True: the connection is over, to be freed. */
bool settle_close(struct conns *cs, struct conn *c, const struct sonde_ev_close *ev);
/* The same for one that waits for its last records: has what was missing come, or is it too late
 * for it? now_ns 0: too early to say. */
bool settle_again(struct conns *cs, struct conn *c, uint64_t now_ns);
void settle_gone(struct conns *cs, struct conn *c); /* found gone by the sweep */

/* emit.c */
/* Who did the operation that ended at `end_ns`, if it is the one in hand. */
struct waits_mark emit_mark(const struct conns *cs, uint64_t end_ns);
void emit_exchange(struct conns *cs, struct conn *c, const struct request *req,
		   const struct response *resp, const char *error_type, uint64_t end_ns);
/* A request that silence answered. */
void emit_silence(struct conns *cs, struct conn *c, const struct request *req, uint64_t end_ns);
/* A question that was asked by datagram; resp NULL: nothing answered it. */
void emit_question(struct conns *cs, const struct question *q, const struct response *resp,
		   const char *error_type, uint64_t end_ns);
/* The same of one that is not over by t->end_ns; t is zeroed but for that. resp: what has begun to
 * answer it, or NULL. */
void emit_exchange_so_far(const struct conn *c, const struct request *req,
			  const struct response *resp, struct txn *t);
void emit_question_so_far(const struct question *q, struct txn *t);
void emit_connect(struct conns *cs, const struct sonde_ev_connect *ev);
/* What became of the stream that a response opened, if one did. */
void emit_stream(struct conns *cs, struct conn *c, uint64_t end_ns);
/* The same where each response may be one. */
void emit_stream_of(struct conns *cs, const struct conn *c, const struct response *resp,
		    uint64_t end_ns);

/* shed.c: of a connection whose addresses are known */
void shed_decide(struct conns *cs, struct conn *c);

/* steer.c */
void steer(struct conns *cs, struct conn *c);

#endif
