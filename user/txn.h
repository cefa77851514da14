/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One finished exchange: the currency of everything after match. Passed by pointer for the length
 * of one call; the caller's stack owns it and every string is inline and bounded, so whoever wants
 * to keep one copies it. Strings are NUL terminated; an empty one means "does not apply".
 * Times are CLOCK_MONOTONIC nanoseconds; exporters convert.
 */
#ifndef TXN_H
#define TXN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "sonde_abi.h"
#include "proto/proto.h"

enum {
	TXN_TARGET_LEN = 1025,
	TXN_ROUTE_LEN = 256,
	TXN_METHOD_LEN = 32,
	TXN_ADDR_LEN = 116, /* "unix:" and a path, or "[ipv6]:port" */
	TXN_HOST_LEN = 256,
	TXN_SERVER_NAME_LEN = 256,
	TXN_SERVER_SPACE_LEN = 64,
	TXN_ID_LEN = 129,
	TXN_SYSTEM_LEN = 24,
	TXN_OPERATION_LEN = 64,
	TXN_COLLECTION_LEN = 128,
	TXN_NAME_SPACE_LEN = 128,
	TXN_QUERY_LEN = 1025,
	TXN_SUMMARY_LEN = 256, /* the 255 characters of the convention */
	TXN_STATUS_LEN = 32,
	TXN_TRACE_STATE_LEN = 513, /* W3C Trace Context 3.3.1.5: at least 512 characters */
};

#define TXN_WAIT_UNKNOWN UINT64_MAX /* a part that applies and is not known: null in JSON */

/* What of txn_waits.blocked_ns it waited for; the rest for other things. */
struct txn_blocked_on {
	bool is_known;
	uint64_t disk_ns;
	uint64_t lock_ns;    /* another thread */
	uint64_t network_ns; /* a socket */
	uint64_t fault_ns;   /* a page */
	uint64_t retransmit_ns;
};

enum txn_wait {
	WAIT_RECEIVE_QUEUE,
	WAIT_RUNQUEUE,
	WAIT_CPU,
	WAIT_BLOCKED,
	WAIT_THROTTLED,
	WAIT_DOWNSTREAM,
	WAIT_UNKNOWN,
	WAIT_MAX,
};

/* The word for it in every output: "receive_queue". */
static inline const char *txn_wait_name(enum txn_wait w)
{
	static const char *const names[WAIT_MAX] = {
		[WAIT_RECEIVE_QUEUE] = "receive_queue",
		[WAIT_RUNQUEUE] = "runqueue",
		[WAIT_CPU] = "cpu",
		[WAIT_BLOCKED] = "blocked",
		[WAIT_THROTTLED] = "throttled",
		[WAIT_DOWNSTREAM] = "downstream",
		[WAIT_UNKNOWN] = "unknown",
	};

	return names[w];
}

/* Where the time went. Known parts and `unknown` add up to the duration. */
struct txn_waits {
	union {
		uint64_t ns[WAIT_MAX]; /* by enum txn_wait */
		struct {
			uint64_t receive_queue_ns;
			uint64_t runqueue_ns;
			uint64_t cpu_ns;
			uint64_t blocked_ns;
			uint64_t throttled_ns;
			uint64_t downstream_ns;
			uint64_t unknown_ns;
		};
	};
	struct txn_blocked_on blocked_on;
	bool shared; /* the thread served several requests at once */
};

enum txn_parent {
	TXN_PARENT_UNKNOWN,
	TXN_PARENT_NONE,
	TXN_PARENT_HEADER,
	TXN_PARENT_CONNECTION,
	TXN_PARENT_THREAD,
	TXN_PARENT_GOROUTINE,
	TXN_PARENT_HANDOVER,
	TXN_PARENT_PROXY,
	TXN_PARENT_MAX,
};

static inline const char *txn_parent_name(enum txn_parent how)
{
	static const char *const names[TXN_PARENT_MAX] = {
		[TXN_PARENT_UNKNOWN] = "unknown",   [TXN_PARENT_NONE] = "none",
		[TXN_PARENT_HEADER] = "header",	    [TXN_PARENT_CONNECTION] = "connection",
		[TXN_PARENT_THREAD] = "thread",	    [TXN_PARENT_GOROUTINE] = "goroutine",
		[TXN_PARENT_HANDOVER] = "handover", [TXN_PARENT_PROXY] = "proxy",
	};

	return names[how];
}

/* The place of a transaction's span in its trace. All zero: nobody has given it one. */
struct txn_trace {
	uint8_t trace_id[16];
	uint8_t span_id[8];
	uint8_t parent_span_id[8]; /* zero: the trace begins here, or the parent is not known */
	bool is_sampled;	   /* its span is to be exported */
	bool is_deferred;	   /* whoever made the request left open whether it is */
	enum txn_parent parent;	   /* how the parent is known */
	char state[TXN_TRACE_STATE_LEN]; /* tracestate as it came, whole entries only; last */
};

struct service;
struct unit; /* of trace: a request whose place is being found out */

/* A response that goes on after its transaction: server-sent events, or what a connection became. */
struct txn_stream {
	enum txn_stream_kind { TXN_STREAM_NONE, TXN_STREAM_SSE, TXN_STREAM_WEBSOCKET } kind;
	enum sonde_role role;
	uint32_t tgid;
	uint64_t start_ns;	       /* of the request */
	uint64_t end_ns;	       /* its last byte, or the end of the connection */
	const struct service *service; /* borrowed from identity, valid for the call */
};

/* A TLS handshake that ended well, on a connection known from its first byte. */
struct txn_handshake {
	enum sonde_role role; /* never SONDE_ROLE_UNKNOWN */
	enum sonde_family family;
	uint32_t tgid;
	uint64_t start_ns; /* first byte of the client's first message */
	uint64_t end_ns;   /* of the operation that ended it */
	struct sonde_addr local, peer;
	char server_name[256];	/* that the client asked for, else what its address is called */
	char next_protocol[32]; /* agreed on, where that is in the clear; empty: not known */
	const char *library;	/* "openssl", ..., static; NULL: not known */
	const struct service *service; /* borrowed from identity, valid for the call */
};

struct txn {
	uint64_t start_ns; /* server: first byte arrived in the socket; client: first byte sent */
	uint64_t end_ns;   /* server: last response byte sent; client: last byte received */
	uint64_t first_response_ns; /* first byte of the response, same clock and end */
	uint64_t cookie;
	uint64_t goroutine;
	uint64_t request_bytes; /* whole messages on the wire, heads and framing included */
	uint64_t response_bytes;
	uint64_t request_body_bytes; /* bodies alone, framing left out */
	uint64_t response_body_bytes;
	uint32_t request_seq; /* of the first byte, for pairing the two ends of a connection */
	uint32_t response_seq;
	uint32_t tgid;
	uint32_t tid;
	int status;	      /* 0: none was seen */
	enum proto_id proto;  /* PROTO_UNKNOWN for a connect that failed: "tcp" */
	enum sonde_role role; /* never SONDE_ROLE_UNKNOWN */
	enum sonde_family family;
	bool is_tls;
	bool is_upgrade;      /* the connection became something else (WebSocket, CONNECT) */
	bool is_stream;	      /* text/event-stream or upgraded: duration is to the first byte */
	bool is_start_known;  /* false: start_ns is the first sight, not the true start */
	bool is_status_error; /* the protocol's own idea of an error status for this role */
	struct unit *unit;    /* for trace alone; NULL: none */
	const struct service *other; /* at the other end, where that was seen here; else NULL */
	struct txn_waits waits;
	const struct service *service; /* borrowed from identity, valid for the call */
	char comm[SONDE_COMM_LEN];
	char version[8];		   /* "1.0", "1.1", "2" */
	char method[TXN_METHOD_LEN];	   /* as sent; see http_method_known() for the label */
	char operation[TXN_OPERATION_LEN]; /* what is no HTTP method: "connect", "SELECT", ... */
	uint16_t host_port;		   /* of the Host header; 0 none */
	char request_id[TXN_ID_LEN];
	char error_type[TXN_STATUS_LEN]; /* empty: no error */
	/* KIND_DATABASE. KIND_NAMES has the question in target, its type in method and the rcode in
	 * status_text. */
	char system[TXN_SYSTEM_LEN]; /* db.system.name */
	char collection[TXN_COLLECTION_LEN];
	char name_space[TXN_NAME_SPACE_LEN];
	char status_text[TXN_STATUS_LEN]; /* empty: none was sent */
	uint64_t rows;
	/* KIND_RPC: system, target "/package.Service/Method" and status_text are its; and so many
	 * messages went each way. */
	uint32_t request_messages, response_messages;
	bool is_rows_known;
	struct sonde_addr local;
	struct sonde_addr peer;
	char unix_path[SONDE_UNIX_PATH_LEN + 1];
	uint32_t unix_path_len;
	/* From its state on these are long texts: of an empty one the first byte alone is set. */
	struct txn_trace trace;
	char route[TXN_ROUTE_LEN];   /* templated; empty when templating is off */
	char target[TXN_TARGET_LEN]; /* as sent, cut, secret-looking query values masked */
	char host[TXN_HOST_LEN];     /* Host header without the port; absent: empty */
	/* What the server's address is called, and in which namespace, where the client asked for
	 * no other name; empty: not known. */
	char server_name[TXN_SERVER_NAME_LEN], server_space[TXN_SERVER_SPACE_LEN];
	char query[TXN_QUERY_LEN]; /* without literals; empty: not known */
	char summary[TXN_SUMMARY_LEN];
};

static inline void txn_clear(struct txn *t)
{
	memset(t, 0, offsetof(struct txn, trace.state));
	t->trace.state[0] = t->route[0] = t->target[0] = '\0';
	t->host[0] = t->server_name[0] = t->server_space[0] = t->query[0] = t->summary[0] = '\0';
}

/* What of it is known to have gone there; 0 where that is not known. */
static inline uint64_t txn_waits_known(const struct txn_waits *w, enum txn_wait which)
{
	return w->ns[which] == TXN_WAIT_UNKNOWN ? 0 : w->ns[which];
}

static inline uint64_t txn_duration_ns(const struct txn *t)
{
	return t->end_ns > t->start_ns ? t->end_ns - t->start_ns : 0;
}

#endif
