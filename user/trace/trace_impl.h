/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of this room share.
 *   trace.c  the way in and out             unit.c  units, their places, what is held back
 *   work.c   who is at work on what         pair.c  the two ends of a connection
 *   made.c   threads made for a request    asked.c the two ends of a datagram
 */
#ifndef TRACE_IMPL_H
#define TRACE_IMPL_H

#include "trace/ids.h"
#include "trace/trace.h"
#include "util/list.h"
#include "util/map.h"

enum {
	TRACE_UNITS_MAX = 65536,
	TRACE_HELD_MAX = 1024,
	TRACE_PROCS_MAX = 65536,
	TRACE_ENDS_MAX = 131072,
	TRACE_LOCAL_MAX = 4096, /* addresses of this host */
	TRACE_MADE_MAX = 4096,	/* threads made for requests */
};

struct datagram_ends {
	struct sonde_addr local, peer;
};

/* A request, from its head on. Counted: by the stream until it is gone, by its connection, by each
 * child that waits for it, by the transaction that is held. */
struct unit {
	struct list open;    /* of its process, while it is a server's and unfinished */
	struct list at_work; /* of its worker, likewise; of made, a client's */
	struct list on_end;  /* of its end of the connection */
	struct list pending; /* ended, and its other end is still to come */
	struct list waiting; /* of its parent's children, while that has no place */
	struct list children;
	struct worker *worker;
	struct made *made;   /* a client's: its thread, while that may live on */
	struct asked *asked; /* of a datagram: in on_end; a client's that is gone: in open too */
	struct datagram_ends ends; /* of a datagram */
	uint64_t arrived_ns;	   /* a client's: at its server, before it was told of; 0: not */
	struct proc *proc;
	struct end *end;     /* where it is to be found by the other one; NULL: nowhere */
	struct unit *parent; /* while it has no place */
	struct held *held;
	uint64_t deadline_ns; /* in pending */
	uint64_t request_id;  /* hashed; 0: none */
	uint64_t cookie;
	uint64_t start_ns;
	const struct service *service, *other; /* whose it is, and at the other end */
	struct ids ids;
	struct context context; /* that the request carries */
	uint32_t refs;
	uint32_t request_seq;
	enum sonde_role role;
	enum txn_parent how; /* its parent is known */
	uint8_t trace_id[16], parent_span_id[8];
	bool is_sampled;
	bool is_placed;
	bool is_gone;	   /* the stream has done with it */
	bool is_pending;   /* its other end may still be seen */
	bool is_passed_on; /* a client's, and its parent is a request of its process */
	bool is_told;	   /* its trace is that of others, too: it stays */
	bool is_again;	   /* of a datagram: not the only one of its kind */
	bool is_answered; /* of a datagram: a client's has met its server, a server's waits for it */
	bool is_injected; /* a client's, and its request was told its own ids: they stay */
};

struct held {
	struct list all; /* oldest first */
	struct unit *unit;
	uint64_t deadline_ns;
	struct txn txn;
};

/* A thread or goroutine with unfinished requests. */
struct worker {
	struct worker *next; /* free */
	uint64_t key;
	uint64_t since_ns; /* with just these */
	struct list units;
	uint32_t n;
};

struct proc {
	struct list units;   /* unfinished requests to it */
	struct list made;    /* its threads made for requests */
	struct unit *origin; /* what the process was forked for; counted */
	uint64_t since_ns;   /* with just these */
	uint32_t tgid;
	uint32_t n;
	bool is_gone;
	bool has_served;
	bool is_offspring; /* of one that has */
	bool is_mixed;	   /* a thread of it has been at work on several requests at once */
	bool is_opaque;	   /* it gets requests that cannot be seen */
	bool has_lasting;  /* a thread of it that was made for a request called after its answer */
};

/* One end of a connection. */
struct end {
	struct end *peer;    /* the other one, if it is on this host too */
	struct list units;   /* unfinished, or still to be found by the other end */
	struct unit *handed; /* what its next request is for; counted */
	uint64_t cookie;
	uint64_t key; /* it waits for its other end under */
	uint32_t n;
	enum sonde_role role;
	bool is_waiting;
	bool is_apart; /* its other end did not come in time */
	bool is_gone;
};

struct trace {
	struct trace_opts opts;
	struct trace_stats stats;
	struct list held, pending;   /* oldest first */
	struct list mades;	     /* threads made for requests, oldest first */
	struct list ready;	     /* units that have just got their place; empty in between */
	struct unit *free_units;     /* through parent */
	struct held *free_held;	     /* through unit */
	struct worker *free_workers; /* through next */
	struct map ends;	     /* by cookie */
	struct map apart[2]; /* by [role - 1]: ends that wait for the other, by its numbers */
	struct map workers, procs, made;
	struct map asked;	/* questions by datagram */
	struct list asked_gone; /* of clients, that are over; oldest first */
	int asked_waiting;	/* of servers, that are answered */
	struct map local;	/* hashes of this host's addresses */
	uint64_t now_ns;
	uint64_t record_ns; /* of the record in hand: a tick before it may bear a later time */
	bool is_blind;	    /* connections are left out */
};

/* unit.c */
struct unit *unit_new(struct trace *tr); /* NULL: at the cap, or out of memory */
static inline struct unit *unit_get(struct unit *u)
{
	u->refs++;
	return u;
}
void unit_put(struct trace *tr, struct unit *u); /* NULL accepted */
void unit_free_all(struct trace *tr);
/* Decides the place of u, and of all that waits for it. */
void unit_begin_trace(struct trace *tr, struct unit *u, enum txn_parent how);
void unit_join(struct trace *tr, struct unit *u); /* the trace that its request names */
void unit_follow(struct trace *tr, struct unit *u, struct unit *parent, enum txn_parent how);
void unit_hold(struct trace *tr, struct unit *u, struct txn *t);
void unit_expire(struct trace *tr, uint64_t now_ns);
void unit_fill(const struct unit *u, struct txn *t);

/* work.c */
struct proc *work_proc(struct trace *tr, uint32_t tgid); /* NULL: there is none to speak of */
void work_begin(struct trace *tr, struct unit *u, const struct conn_request *r);
void work_end(struct trace *tr, struct unit *u);
/* Finds out for whom a call is made. `e` may be NULL. */
void work_call(struct trace *tr, struct unit *u, struct end *e, const struct conn_request *r);
void work_hand(struct trace *tr, uint32_t tgid, uint64_t goroutine, struct end *e);
void work_fork(struct trace *tr, uint32_t parent_tgid, uint32_t parent_tid, uint32_t tgid);
void work_thread(struct trace *tr, uint32_t tgid, uint32_t by_tid, uint32_t tid);
void work_exit(struct trace *tr, uint32_t tgid);
void work_free(struct trace *tr);

/* made.c */
/* The thread is made by one that is at work on origin. */
void made_begin(struct trace *tr, struct proc *p, uint32_t tid, struct unit *origin);
/* Does u wait until it is known whether the thread that calls lives on? */
bool made_call(struct trace *tr, const struct proc *p, struct unit *u, uint32_t tid);
void made_decided(struct trace *tr, struct unit *u); /* u has a place, if it waited or not */
void made_end(struct trace *tr, uint32_t tid);	     /* the thread ended by itself */
void made_serves(struct trace *tr, uint32_t tid);    /* it is none such */
void made_exit(struct trace *tr, struct proc *p);    /* its process ended */

/* pair.c */
struct end *pair_end(struct trace *tr, const struct conn_request *r); /* NULL: out of memory */
/* The client's end of a connection that may not have been used yet. */
struct end *pair_client(struct trace *tr, uint64_t cookie);
/* The unit of the same bytes at the other end; NULL: not (yet) seen. */
struct unit *pair_find(struct trace *tr, struct end *e, const struct conn_request *r);
/* u is to be found by its other end. */
void pair_stay(struct trace *tr, struct unit *u, struct end *e);
/* Who sent the request is on this host too, or may be. */
bool pair_is_local(const struct trace *tr, const struct end *e, const struct conn_request *r);
bool pair_is_here(const struct trace *tr, enum sonde_family family, const struct sonde_addr *local,
		  const struct sonde_addr *peer);
void pair_leave(struct trace *tr, struct unit *u); /* u needs not be found any more */
void pair_gone(struct trace *tr, struct end *e);
void pair_free(struct trace *tr);

/* asked.c */
/* Is u a datagram's, that its other end may be found for? */
bool asked_begin(struct trace *tr, struct unit *u, const struct conn_request *r);
/* A client's: the server's of the same datagram, if that is answered; NULL: not (yet) seen. */
struct unit *asked_server(struct unit *client);
/* A server's that is answered: the client's of the same datagram. NULL: not seen; u waits for it if
 * is_answered. */
struct unit *asked_client(struct trace *tr, struct unit *u, const struct txn *t);
void asked_leave(struct trace *tr, struct unit *u); /* u needs not be found any more */
void asked_gone(struct trace *tr, struct unit *u);  /* nor soon, if it is a client's */
void asked_expire(struct trace *tr, uint64_t now_ns);
void asked_free(struct trace *tr);

#endif
