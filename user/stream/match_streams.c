// SPDX-License-Identifier: Apache-2.0
/* Several messages open in one direction: the one that bytes belong to is taken in hand by its id,
 * and found at once, however many there are. */
#include "stream/match_impl.h"

#include <errno.h>

enum { KEPT_ROOM = 64 }; /* of the map, once it is empty */

static uint64_t match_key(enum proto_dir d, uint64_t id)
{
	return id << 1 | (d == PROTO_RESPONSE);
}

static int put(struct conns *cs, struct match *m, uint64_t key, void *value)
{
	if (!m->by_id.cap)
		m->by_id.seed = cs->seed; /* the peer chooses the ids */
	return map_put(&m->by_id, key, value);
}

static void forget(struct match *m, uint64_t key)
{
	map_del(&m->by_id, key);
	if (!m->by_id.n && m->by_id.cap > KEPT_ROOM)
		map_free(&m->by_id);
}

/* --- requests --- */

struct request *match_of_id(const struct match *m, uint64_t id)
{
	return map_get(&m->by_id, match_key(PROTO_REQUEST, id));
}

int match_put_id(struct conns *cs, struct conn *c, struct request *r)
{
	struct request *first;

	if (c->proto->match == MATCH_FIFO)
		return 0;
	first = match_of_id(&c->match, r->id);
	if (first) {
		first->same_last->same = r;
		first->same_last = r;
		return 0;
	}
	r->same_last = r;
	return put(cs, &c->match, match_key(PROTO_REQUEST, r->id), r);
}

void match_take_id(struct match *m, struct request *r)
{
	struct request *first = m->by_id.n ? match_of_id(m, r->id) : NULL, *before = first;

	if (first != r) {
		while (before && before->same != r)
			before = before->same;
		if (!before) /* it was asked under a protocol without ids */
			return;
		before->same = r->same;
		if (first->same_last == r)
			first->same_last = before;
	} else if (r->same) {
		r->same->same_last = r->same_last;
		map_put(&m->by_id, match_key(PROTO_REQUEST, r->id), r->same); /* replaces */
	} else {
		forget(m, match_key(PROTO_REQUEST, r->id));
	}
	r->same = r->same_last = NULL;
}

/* --- responses --- */

static struct response *open_of_id(const struct match *m, uint64_t id)
{
	return map_get(&m->by_id, match_key(PROTO_RESPONSE, id));
}

/* Out of hand, among the others. */
static void lay_down(struct match *m)
{
	struct response *resp = m->resp_open;

	if (!resp)
		return;
	resp->prev = NULL;
	resp->next = m->others;
	*(m->others ? &m->others->prev : &m->others_last) = resp;
	m->others = resp;
	m->n_others++;
	m->resp_open = NULL;
}

static void pick_up(struct match *m, struct response *resp)
{
	*(resp->prev ? &resp->prev->next : &m->others) = resp->next;
	*(resp->next ? &resp->next->prev : &m->others_last) = resp->prev;
	resp->next = resp->prev = NULL;
	m->n_others--;
}

static void lose_oldest(struct conns *cs, struct conn *c)
{
	struct response *resp = c->match.others_last;

	match_close(&c->match, resp);
	if (resp->req && !resp->is_emitted)
		conn_loss(cs, LOSS_PENDING_FULL, 1);
	else if (!resp->req && !resp->is_unmatched)
		match_orphan(cs, c, resp);
	match_response_done(cs, c, resp);
}

int match_open(struct conns *cs, struct conn *c, struct response *resp)
{
	struct match *m = &c->match;

	if (conn_is_multiplexed(c) && put(cs, m, match_key(PROTO_RESPONSE, resp->id), resp) < 0)
		return -ENOMEM;
	lay_down(m);
	m->resp_open = resp;
	if (m->n_others >= MATCH_OPEN_MAX)
		lose_oldest(cs, c);
	return 0;
}

void match_close(struct match *m, struct response *resp)
{
	if (m->by_id.n && open_of_id(m, resp->id) == resp)
		forget(m, match_key(PROTO_RESPONSE, resp->id));
	if (resp == m->resp_open)
		m->resp_open = NULL;
	else
		pick_up(m, resp);
}

/* --- one of them in hand --- */

static void select_request(struct match *m, uint64_t id)
{
	struct response *resp;

	if (m->req_open && m->req_open->id == id)
		return;
	resp = open_of_id(m, id);
	m->req_open = resp && resp->req ? resp->req : match_of_id(m, id);
	if (m->req_open && m->req_open->is_complete)
		m->req_open = NULL;
}

static void select_response(struct match *m, uint64_t id)
{
	struct response *resp;

	if (m->resp_open && m->resp_open->id == id)
		return;
	resp = open_of_id(m, id);
	lay_down(m);
	if (resp)
		pick_up(m, resp);
	m->resp_open = resp;
}

void match_select(struct conn *c, enum proto_dir d, uint64_t id)
{
	if (d == PROTO_REQUEST)
		select_request(&c->match, id);
	else
		select_response(&c->match, id);
}

int match_rename(struct conns *cs, struct conn *c, const struct msg *as)
{
	struct match *m = &c->match;
	struct request *r = m->head;

	if (!r)
		return 0;
	match_take_id(m, r);
	m->first_id = r->id = as->id;
	r->proto = (uint8_t)as->proto;
	slice_copy(r->version, sizeof(r->version), as->version);
	return match_put_id(cs, c, r);
}

struct response *match_next_open(const struct match *m, const struct response *r)
{
	if (!r)
		return m->resp_open ? m->resp_open : m->others;
	return r == m->resp_open ? m->others : r->next;
}
