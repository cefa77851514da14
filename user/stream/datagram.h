/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets that carry datagrams: each datagram is a message, and whole. A socket may ask (which
 * makes it a client), answer (a server), or both, and talk to many. datagram.c   the sockets: which
 * protocol, which are ignored question.c   questions with answers
 */
#ifndef DATAGRAM_H
#define DATAGRAM_H

#include <stdbool.h>
#include <stdint.h>
#include "proto/proto.h"
#include "stream/exchange.h"
#include "util/list.h"
#include "util/map.h"

enum {
	QUESTIONS_MAX = 16384,	 /* outstanding, of all sockets; the oldest goes */
	QUESTIONS_ALIKE_MAX = 64 /* of one socket and id; no more are taken */
};

/* So long an answer is waited for. */
#define QUESTION_WAIT_NS (15 * 1000 * 1000 * 1000ULL)
/* Of another thread an answer can be read before the send of its question is over. */
#define ANSWER_EARLY_NS (20 * 1000 * 1000ULL)

struct conns;

struct dsock {
	struct list used;	   /* by last activity */
	struct list asked;	   /* its questions outstanding */
	const struct proto *proto; /* NULL until decided */
	void *state;		   /* of the protocol; owned */
	uint64_t cookie;
	uint64_t undecided_bytes;
	uint32_t slot;
	uint8_t tries; /* datagrams that were nothing we know */
	bool is_ignored;
	bool has_asked[2]; /* by role - 1 */
};

/* What waits: a question for its answer (req), or an answer for its question (resp). */
struct question {
	struct list age;	/* oldest first */
	struct list of_socket;	/* questions only */
	struct question *alike; /* of the same key, newer first */
	struct request *req;	/* owned, or NULL */
	struct response *resp;	/* owned, or NULL */
	const struct proto *proto;
	uint64_t key;
	uint64_t text; /* hash of what is asked; 0: an answer that does not repeat it */
	uint64_t cookie;
	uint64_t netns;
	uint64_t seen_ns;
	struct sonde_addr local;
	struct sonde_addr peer; /* port 0: not known */
	uint32_t tid;
	uint8_t role;
	uint8_t family;
};

struct datagrams {
	struct map by_cookie;
	struct list used; /* sockets, least recently used first */
	size_t n;
	struct map by_key;
	struct list asked, early;
	size_t n_asked;
	uint64_t lost_ns; /* when records were last found lost */
};

void datagrams_init(struct datagrams *ds);
void datagrams_free(struct conns *cs);
void datagram_take(struct conns *cs, const struct sonde_ev_datagram *ev);
bool datagram_gone(struct conns *cs, uint64_t cookie); /* was it one of these sockets? */
size_t datagram_cookies(const struct conns *cs, uint64_t *out, size_t max);

/* `ev` brought a question or an answer. */
void question_ask(struct conns *cs, struct dsock *s, const struct sonde_ev_datagram *ev,
		  const struct msg *msg);
void question_answer(struct conns *cs, struct dsock *s, const struct sonde_ev_datagram *ev,
		     const struct msg *msg);
/* The socket was told that its peer refuses what it sends, or cannot be reached. */
void questions_refuse(struct conns *cs, struct dsock *s, const struct sonde_ev_datagram *ev);
void questions_tick(struct conns *cs, uint64_t now_ns);
void questions_free(struct conns *cs);

#endif
