/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the files of match.h; nobody else includes it.
 *   match.c       requests and responses, as they come    match_gone.c     what will never be whole
 *   match_late.c  responses before their requests         match_streams.c  several open at once
 */
#ifndef MATCH_IMPL_H
#define MATCH_IMPL_H

#include "stream/conn_impl.h"
#include "stream/match.h"

/* match.c */
/* Emits what can be: a whole exchange, or the head of an endless one. */
void match_advance(struct conns *cs, struct conn *c, struct response *resp);
/* A response that answers nothing that was seen. */
void match_orphan(struct conns *cs, struct conn *c, const struct response *resp);
/* The oldest request outstanding, which there is, out of the list: the caller's. */
struct request *match_pop(struct match *m);
/* The same of another one in it. */
struct request *match_take(struct match *m, struct request *r);
/* The request that a response answers, out of the list; NULL: none that was seen so far. */
struct request *match_take_asked(struct conn *c, const struct response *resp);
/* The protocol need not remember the n oldest any longer. */
void match_forget_requests(struct conn *c, uint32_t n);
/* Requests that the response stream was still before `end_pos` for, and their answers, are lost.
 * Returns how many. */
uint32_t match_lose(struct conns *cs, struct conn *c, uint64_t end_pos, enum loss why);
/* Free what is over, which is in no list; a response with its request. */
void match_request_done(struct conns *cs, struct conn *c, struct request *r);
void match_response_done(struct conns *cs, struct conn *c, struct response *resp);

/* match_streams.c */
/* A request is in the list, behind all others, and found by its id from here on, where the protocol
 * gives it one; or no longer, which one that cannot be found may be told again. 0 or -ENOMEM. */
int match_put_id(struct conns *cs, struct conn *c, struct request *r);
void match_take_id(struct match *m, struct request *r);
/* The oldest request outstanding of an id, followed by the others of it (`same`). */
struct request *match_of_id(const struct match *m, uint64_t id);
/* A response has begun, and is the one in hand. At the cap the one that was not in hand for longest
 * is lost. 0, or -ENOMEM: it is not among them. */
int match_open(struct conns *cs, struct conn *c, struct response *resp);
/* It is open no longer: the caller's. */
void match_close(struct match *m, struct response *resp);

/* match_gone.c */
/* Ends those requests outstanding that were refused. */
void match_end_refused(struct conns *cs, struct conn *c);

/* match_late.c */
/* A whole response waits for its request. */
void match_keep_finished(struct conns *cs, struct conn *c, struct response *resp);

#endif
