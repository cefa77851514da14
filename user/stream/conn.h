/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections: the table, their two streams, detection, eviction. Takes checked records, gives
 * transactions. Deterministic: the same records give the same transactions, whatever the wall
 * clock says; time passes only through conns_tick().
 */
#ifndef CONN_H
#define CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "capture/decode.h"
#include "capture/loss.h"
#include "txn.h"

struct conns;

/* A request whose head has just been read or sent, as far as its head tells. Lives for the call. */
struct conn_request {
	uint64_t cookie;
	uint64_t goroutine;
	uint64_t start_ns;
	uint64_t question;    /* hash of what a datagram asks, alike at both ends; 0: none */
	uint32_t request_seq; /* of its first byte */
	uint32_t after_seq;   /* where its answer will begin, if it was not sent ahead */
	uint32_t tgid, tid;
	enum sonde_role role;
	enum sonde_family family;
	bool is_tcp;
	bool is_datagram;
	bool is_by_id;	  /* several at once on a connection */
	bool is_go;	  /* its process is: not known to the stream */
	bool is_late;	  /* further operations have been seen since its head's last */
	bool is_injected; /* its context is ours: the program gave it none */
	bool is_past;	  /* it is told of after it is over: from start_ns to now */
	struct slice request_id;
	const struct context *context;
	const struct service *service; /* as is_go; NULL: not known */
	const struct sonde_addr *local, *peer;
};

struct conns_opts {
	size_t max; /* connections held (0: 65,536), and as many sockets without; at the cap the
		       least recently used goes */
	size_t max_buffer; /* bytes one stream may hold back, waiting for the rest of a head (0: 128
			      KiB) */
	uint32_t protocols; /* bit mask by enum proto_id; 0: all */
	/* A transaction ended. `t` lives for the call. t->service, t->comm and t->route are not
	 * filled yet. */
	void (*on_txn)(void *ctx, struct txn *t);
	/* A stream ended; as on_txn, s->service is not filled yet. NULL: not interested. */
	void (*on_stream)(void *ctx, struct txn_stream *s);
	/* Of each request, before its transaction: what is returned goes with it, in txn.unit, and
	 * is given back when nothing more will come of it. NULL: not interested. */
	struct unit *(*on_request)(void *ctx, const struct conn_request *r);
	void (*on_request_gone)(void *ctx, struct unit *u); /* u is not NULL */
	void (*on_gone)(void *ctx, uint64_t cookie);	    /* of the connection */
	void (*on_opaque)(void *ctx, uint32_t tgid); /* it serves what cannot be understood */
	/* What is wanted of a connection from now on; NULL: nobody to tell (replay). */
	void (*on_verdict)(void *ctx, uint32_t slot, const struct sonde_verdict *v);
	/* A TLS handshake ended; h->service and h->library are not filled yet. NULL: as above. */
	void (*on_handshake)(void *ctx, struct txn_handshake *h);
	/* A client was answered by a datagram of `len` bytes, these of them: what protocols say in
	 * answers that no transaction holds. NULL: not interested. */
	void (*on_answer)(void *ctx, enum proto_id proto, struct slice bytes, size_t len,
			  uint64_t ts_ns);
	/* A process was seen to speak TLS. NULL: not interested. */
	void (*on_encrypted)(void *ctx, uint32_t tgid);
	/* Since when the TLS library of a process is watched; 0: it is not, or not known. NULL:
	 * nobody knows (replay). */
	uint64_t (*tls_since)(void *ctx, uint32_t tgid);
	void *ctx;
};

/* Coverage and state, for the exporters; totals since start. */
struct conns_stats {
	struct losses losses;		      /* the user-space reasons only */
	uint64_t bytes_observed[PROTO_MAX];   /* by protocol decided so far; [0]: undecided and
						 unknown */
	uint64_t bytes_attributed[PROTO_MAX]; /* of those, in a message that was parsed */
	uint64_t transactions[PROTO_MAX][2];  /* [role - 1] */
	uint64_t connects_failed;
	uint64_t lost_datagrams; /* records lost of datagrams, as records tell */
	uint64_t lost_requests;	 /* records lost of the direction requests take, as records tell */
	uint32_t parsed, undecided, unknown, encrypted; /* open connections by state */
	uint32_t open;
	uint64_t evicted;
	uint64_t shed; /* no longer observed, to observe the rest in time */
	uint32_t keep; /* connections observed, of every SONDE_KEEP_ALL */
};

/* A request that has no complete response yet. */
struct conn_inflight {
	uint32_t tgid;
	enum proto_id proto;
	enum sonde_role role;
	uint64_t start_ns;
	char method[TXN_METHOD_LEN];
	char system[TXN_SYSTEM_LEN]; /* databases */
	bool is_tls;
};

struct conns *conns_new(const struct conns_opts *opts); /* NULL: out of memory */
void conns_free(struct conns *cs);

void conns_open(struct conns *cs, const struct sonde_ev_open *ev);
void conns_data(struct conns *cs, const struct sonde_ev_data *ev);
void conns_close(struct conns *cs, const struct sonde_ev_close *ev);
void conns_connect(struct conns *cs, const struct sonde_ev_connect *ev);
void conns_sweep(struct conns *cs,
		 const struct sonde_ev_sweep *ev); /* found gone: unix, lost closes */
/* Observes a part of the connections only, open ones and those to come; what was shed stays so
 * until it ends. Both ends of a TCP connection are kept or shed alike. */
void conns_shed(struct conns *cs, const struct sonde_ev_shed *ev);
void conns_datagram(struct conns *cs, const struct sonde_ev_datagram *ev);
void conns_lost(struct conns *cs, const struct sonde_ev_lost *ev);
void conns_tick(struct conns *cs, uint64_t now_ns);
/* No record comes any more: what waits for one that is late is told without it. What is in flight
 * stays so. */
void conns_finish(struct conns *cs);

const struct conns_stats *conns_stats(const struct conns *cs);
void conns_each_inflight(const struct conns *cs,
			 void (*fn)(void *ctx, const struct conn_inflight *r), void *ctx);

enum { CONNS_OLDEST_MAX = 256 };

/*
 * The requests in flight that began first, oldest first, at most max of them and never more than
 * CONNS_OLDEST_MAX: each as the transaction it is so far. end_ns is now_ns, so its duration is its
 * age; status and first_response_ns are 0 until a response has begun; there is no error_type, no
 * place in a trace but what its own head says, and no wait is known. t->service, t->comm and
 * t->route are not filled, t->unit is NULL. `t` lives for the call. Returns how many there were.
 */
size_t conns_each_oldest(const struct conns *cs, size_t max, uint64_t now_ns,
			 void (*fn)(void *ctx, struct txn *t), void *ctx);
/* A connection held, for the question whose connections yield no data. */
struct conn_view {
	uint64_t cookie;
	uint32_t tgid;
	enum sonde_role role;
	bool is_parsed, is_unknown, is_encrypted; /* none: undecided */
};

void conns_each(const struct conns *cs, void (*fn)(void *ctx, const struct conn_view *v),
		void *ctx); /* oldest activity first */
/* Cookies of the connections held, for the sweep: up to max, oldest activity first. */
size_t conns_cookies(const struct conns *cs, uint64_t *out, size_t max);

#endif
