/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The interface of a protocol. Protocols are pure: bytes in, messages out, no clock, no
 * allocation, no knowledge of sockets, processes or metrics. Their bytes are hostile.
 *
 * A connection is two byte streams with holes. For each direction the stream layer calls parse()
 * with the contiguous bytes at the current position, again and again while it makes progress, and
 * obeys what comes back. Both directions share one state, zeroed at the start and owned by the
 * connection, so that a response can be framed by what its request was (HEAD, CONNECT).
 */
#ifndef PROTO_H
#define PROTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>
#include "proto/context.h"
#include "util/slice.h"

enum proto_id {
	PROTO_UNKNOWN,
#define PROTO(ID, symbol, name) PROTO_##ID,
#include "proto/protos.def"
#undef PROTO
	PROTO_MAX
};

/* What a transaction of a protocol is described by, and which metrics it goes into. */
enum proto_kind { KIND_WEB, KIND_DATABASE, KIND_NAMES, KIND_RPC };

/* Which way bytes go: not which end we watch. */
enum proto_dir { PROTO_REQUEST, PROTO_RESPONSE };

enum { MSG_SKIP_TO_END = -1 };

/*
 * What parse() found. `flags` says which edges of a message lie in the consumed bytes; a head with
 * MSG_BEGIN fills the description. Slices point into `in` and are valid until the next call.
 */
enum {
	MSG_BEGIN = 1 << 0,	/* the consumed bytes begin a message and describe it */
	MSG_END = 1 << 1,	/* the message ends with the consumed bytes and `skip` */
	MSG_INTERIM = 1 << 2,	/* answers nothing by itself (HTTP 1xx): not matched */
	MSG_NO_REPLY = 1 << 3,	/* a request that nothing will answer: it is done when it ends */
	MSG_UPGRADE = 1 << 4,	/* after this message both directions are no longer this protocol */
	MSG_STREAM = 1 << 5,	/* an endless body: timed to its first byte (server-sent events) */
	MSG_ERROR = 1 << 6,	/* status is an error whichever end looks */
	MSG_LAST = 1 << 7,	/* no further message follows in this direction */
	MSG_CUT = 1 << 8,	/* framing was lost: the message ends where the next one begins */
	MSG_DESCRIBES = 1 << 9, /* a later part of a request: its texts that are not empty replace
				   those that were given before */
	MSG_ROWS = 1 << 10,	/* rows is known */
	MSG_WEBSOCKET = 1 << 11, /* with MSG_UPGRADE: to WebSocket */
	MSG_QUIET = 1 << 12,	 /* a request that silence may answer, its status_text then: see
				    `silent` */
	MSG_VOID = 1 << 13,	 /* responses: this and its request turn out to be no exchange */
	MSG_RESET = 1 << 14, /* MATCH_MULTIPLEXED: the exchange is broken off here, by the end that
				sends this way. In the way of requests without MSG_ERROR: who
				asked gave up. */
	/* The protocol's own bytes end here, in both directions. What follows is ... */
	MSG_TLS = 1 << 15,	  /* TLS, from its handshake on */
	MSG_ENCRYPTED = 1 << 16,  /* encrypted in another way */
	MSG_COMPRESSED = 1 << 17, /* compressed */
	MSG_ASKS = 1 << 18, /* a request that asks whether to send its body, which is `skip`: where
			       it was answered first, the next request may be there instead */
	MSG_HIDES = MSG_TLS | MSG_ENCRYPTED | MSG_COMPRESSED,
};

/*
 * Edges that a hole hid: MSG_BEGIN while a message of the same direction is still open says that
 * the open one ended in the hole before. After MSG_CUT parse() fails until resync() has found the
 * next message. Consumed bytes with flags 0 and no message open belong to no message.
 *
 * What a response turns out to be only at its end (an error, a number of rows) may come with any of
 * its parts: MSG_ERROR, MSG_ROWS and status_text count whenever they are given, the last one wins.
 */

enum { MSG_ROOM = 3072 };

struct msg {
	uint32_t flags;
	int status;  /* responses: the protocol's status, 0 none */
	uint64_t id; /* MATCH_BY_ID; MATCH_MULTIPLEXED: of the message that any part belongs to, 0
			none */
	/* MATCH_FIFO, responses: so many of the oldest requests outstanding, all of them MSG_QUIET,
	 * are answered by the silence before this one. */
	uint32_t silent;
	/* MATCH_FIFO: so many of the oldest requests outstanding, after the one that is answered
	 * here, turn out to be no exchanges: nothing will answer them. */
	uint32_t withdrawn;
	/* MATCH_MULTIPLEXED, responses: requests of this id and above are refused, those
	 * outstanding and those to come: nothing answers them. 0: none are. */
	uint64_t refused_from;
	/* Bytes after the consumed ones that belong to this message and need not be seen.
	 * UINT64_MAX: until the direction ends. They may lie in a hole; framing goes on behind. */
	uint64_t skip;
	uint64_t body_bytes; /* of the consumed and skipped bytes, those that are body */
	uint64_t timeout_ns; /* requests: whoever sent it waits no longer; 0 not known */
	uint32_t messages;   /* RPC: that begin in the consumed and skipped bytes */
	enum proto_id next;  /* responses, interim: the request is answered in this protocol, which
				both directions speak from here on */
	enum proto_id proto; /* whose exchange it is, where the connection carries several's;
				PROTO_UNKNOWN: the connection's own */
	struct slice version;
	struct slice method;
	struct slice target;
	struct slice host;
	struct slice request_id;
	struct slice traceparent;
	struct slice tracestate;
	struct context context; /* requests: read already; else traceparent says it */
	/* Databases. These may also point into the state, at constants, or into `room`. */
	struct slice system; /* db.system.name */
	struct slice operation;
	struct slice collection;
	struct slice name_space;
	struct slice query;	  /* literals are removed already, and every other secret */
	struct slice summary;	  /* db.query.summary */
	struct slice status_text; /* responses: SQLSTATE, error number or prefix, hit or miss */
	struct slice late_text;	  /* with MSG_RESET: status_text, once the timeout has passed */
	uint64_t rows;		  /* responses, with MSG_ROWS: returned or affected */
	char room[MSG_ROOM];	  /* for texts that do not stand in the bytes as they are told */
};

/* All but the room, which nobody reads without having written to it. */
static inline void msg_clear(struct msg *m)
{
	memset(m, 0, offsetof(struct msg, room));
}

struct proto {
	const char *name;
	enum proto_id id;
	enum proto_kind kind;
	/* MATCH_MULTIPLEXED: by id, and messages of one direction interleave: no part of one lies
	 * open when the next begins, every part names its id. */
	enum { MATCH_FIFO, MATCH_BY_ID, MATCH_MULTIPLEXED } match;
	size_t state_size;

	/* Does a stream that begins with these bytes speak it? 1 yes, 0 not to be told yet (more
	 * bytes may), -1 no. `first` may be as short as one byte. */
	int (*detect)(struct slice first, enum proto_dir dir);

	/* > 0: bytes consumed, *out filled, which comes cleared (flags may be 0: framing only).
	 * Never more than in.n. 0: need more than `in`: call again with a longer run of the same
	 * bytes, or with the same ones when the other direction has moved (bytes behind an upgrade
	 * that is not yet answered wait for the answer). < 0: -errno, the stream is not at a
	 * message: the caller resyncs with the same bytes; resync() never gives back the place that
	 * failed. */
	ssize_t (*parse)(void *state, enum proto_dir dir, struct slice in, struct msg *out);

	/* The same for one datagram of `len` bytes, which is one message; `in` is what of it was
	 * copied. Consumes that, or says -EBADMSG: also to the question whether it is one, so that
	 * the first of a socket must leave no doubt. The state is the socket's. Responses repeat
	 * target and method of what they answer, where they carry it. NULL: the protocol has
	 * none. */
	ssize_t (*datagram)(void *state, enum proto_dir dir, struct slice in, size_t len,
			    struct msg *out);

	/* A hole of `len` bytes lies at the current position and no skip covers it. 0: framing
	 * can go on behind it (parse() is called next, with the bytes behind the hole only); < 0:
	 * it is lost, resync() is called next, with those bytes. 1: the head that the hole cuts is
	 * known in part: parse() is called once with the bytes before the hole, consumes them all
	 * and gives MSG_BEGIN | MSG_CUT (or an error); then as for < 0, except after MSG_UPGRADE. */
	int (*gap)(void *state, enum proto_dir dir, uint64_t len);

	/* Where in `in` the next message plausibly begins, after framing was lost. Offset, or
	 * in.n when nowhere (the caller keeps the last `resync_keep` bytes and tries again with
	 * more). When it finds one it resets its state for `dir`. */
	size_t (*resync)(void *state, enum proto_dir dir, struct slice in);
	size_t resync_keep;

	/* The direction ended in order (FIN) inside or between messages. True: a message that was
	 * open is thereby complete (HTTP/1 body until close). */
	bool (*end)(void *state, enum proto_dir dir);

	/* Responses: is no request outstanding as far as parse() has seen? The stream layer then
	 * holds response bytes back for a moment, since a response can be seen before its
	 * request. NULL: never hold. */
	bool (*awaits_request)(const void *state);

	/* The connection was joined in the middle: what only its beginning tells (a user, a
	 * database) is not known. Called once, before the first parse(). NULL: nothing is. */
	void (*joined)(void *state);

	/* The connection spoke another protocol until now, and its request is still to be answered:
	 * as which one, id and version say. NULL: nothing leads here. */
	void (*upgraded)(void *state, struct msg *out);

	/* What a refusal makes of an exchange of protocol `id`, as a part with MSG_RESET would say
	 * it. NULL: nothing is ever refused. */
	void (*refuse)(enum proto_id id, struct msg *out);

	/* Frees what the state owns, not the state. NULL: it owns nothing. */
	void (*close)(void *state);

	/* What parse() remembers of outstanding requests is out of step with the responses: the
	 * `n` oldest will not be answered by what comes next, because their responses lay in a hole
	 * or were parsed before them. Forget them. NULL: nothing is remembered. */
	void (*drop_requests)(void *state, uint32_t n);

	/* The next response to be parsed answers a request that was never seen, though later ones
	 * are outstanding: said again behind bytes that belong to no message. NULL: nothing is
	 * remembered. */
	void (*miss_request)(void *state);
};

const struct proto *proto_get(enum proto_id id); /* NULL for PROTO_UNKNOWN */
const struct proto *proto_by_name(struct slice name);

#endif
