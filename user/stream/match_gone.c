// SPDX-License-Identifier: Apache-2.0
/* Exchanges that end before they are whole: lost, broken off, taken back, forgotten. */
#include <string.h>

#include "stream/match_impl.h"

#define MATCH_SLACK_MIN_NS (10 * 1000 * 1000ULL)
#define MATCH_SLACK_MAX_NS (50 * 1000 * 1000ULL)

void match_response_lost(struct conns *cs, struct conn *c, enum loss why)
{
	struct match *m = &c->match;
	struct response *resp = m->resp_open ? m->resp_open : m->others;

	if (!resp)
		return;
	match_close(m, resp);
	if (resp->req && !resp->is_emitted && why != LOSS_MAX)
		conn_loss(cs, why, 1);
	match_response_done(cs, c, resp);
}

uint32_t match_lose(struct conns *cs, struct conn *c, uint64_t end_pos, enum loss why)
{
	struct match *m = &c->match;
	uint32_t n = 0;

	while (m->head && m->head->after_pos < end_pos) {
		match_request_done(cs, c, match_pop(m));
		n++;
	}
	conn_loss(cs, why, n);
	match_forget_requests(c, n);
	return n;
}

uint32_t match_hole(struct conns *cs, struct conn *c, uint64_t end_pos, enum loss why)
{
	c->match.hole_end = end_pos;
	c->match.hole_why = why;
	return match_lose(cs, c, end_pos, why);
}

/* A deadline is kept by a clock that was started before the request was sent, the earlier the busier
 * its program is: what comes shortly before its end, as seen from here, is taken to be it. */
static bool is_late(const struct request *r, const struct msg *msg, uint64_t ts_ns)
{
	uint64_t slack = r ? r->timeout_ns / 16 : 0;

	if (slack < MATCH_SLACK_MIN_NS)
		slack = MATCH_SLACK_MIN_NS;
	if (slack > MATCH_SLACK_MAX_NS)
		slack = MATCH_SLACK_MAX_NS;
	return r && r->timeout_ns && msg->late_text.n &&
	       ts_ns + slack >= r->start_ns + r->timeout_ns;
}

void match_reset(struct conns *cs, struct conn *c, enum proto_dir d, const struct msg *msg,
		 uint64_t ts_ns)
{
	bool gave_up = d == PROTO_REQUEST && !(msg->flags & MSG_ERROR);
	struct response *resp;

	match_select(c, PROTO_RESPONSE, msg->id);
	resp = c->match.resp_open;
	if (resp) {
		match_close(&c->match, resp);
	} else { /* there was none yet */
		resp = response_new(&cs->pools, msg);
		if (!resp)
			return;
		resp->begin_pos = UINT64_MAX;
		resp->req = match_take_asked(c, resp);
		resp->begin_pos = 0;
	}
	response_describe(resp, msg);
	if (is_late(resp->req, msg, ts_ns))
		slice_copy(resp->status_text, sizeof(resp->status_text), msg->late_text);
	if (resp->is_emitted)
		emit_stream_of(cs, c, resp, ts_ns);
	else if (resp->req)
		emit_exchange(cs, c, resp->req, resp,
			      gave_up && c->role == SONDE_ROLE_SERVER ? "client_closed" : "",
			      ts_ns);
	match_response_done(cs, c, resp);
}

/* A part of an answer there may be: who refuses it says no more of it. */
static void refuse(struct conns *cs, struct conn *c, const struct request *r, struct response *resp)
{
	const struct match *m = &c->match;
	uint64_t end_ns = r->start_ns > m->refused_ns ? r->start_ns : m->refused_ns;
	struct msg msg;

	msg_clear(&msg);
	c->proto->refuse(resp->proto ? resp->proto : r->proto, &msg);
	response_describe(resp, &msg);
	if (resp->is_emitted)
		emit_stream_of(cs, c, resp, end_ns);
	else
		emit_exchange(cs, c, r, resp, "", end_ns);
}

static void refuse_response(struct conns *cs, struct conn *c, struct response *resp)
{
	match_close(&c->match, resp);
	if (resp->req)
		refuse(cs, c, resp->req, resp);
	else
		match_orphan(cs, c, resp);
	match_response_done(cs, c, resp);
}

void match_end_refused(struct conns *cs, struct conn *c)
{
	struct match *m = &c->match;
	struct request *r = m->tail, *next;

	if (!m->refused_from || !r || r->id < m->refused_from)
		return;
	while (r->prev && r->prev->id >= m->refused_from) /* ids grow */
		r = r->prev;
	for (; r; r = next) {
		struct response none = { .id = r->id };

		next = r->next;
		refuse(cs, c, match_take(m, r), &none);
		match_request_done(cs, c, r);
	}
}

void match_refuse(struct conns *cs, struct conn *c, uint64_t from, uint64_t ts_ns)
{
	struct match *m = &c->match;
	struct response *resp = match_next_open(m, NULL), *next;

	m->refused_from = from;
	m->refused_ns = ts_ns;
	for (; resp; resp = next) {
		next = match_next_open(m, resp);
		if (resp->id >= from)
			refuse_response(cs, c, resp);
	}
	match_end_refused(cs, c);
}

void match_withdraw(struct conns *cs, struct conn *c, uint32_t n)
{
	for (; n && c->match.head; n--)
		match_request_done(cs, c, match_pop(&c->match));
}

void match_drop(struct conns *cs, struct conn *c, enum loss why)
{
	struct match *m = &c->match;

	while (c->match.resp_open || c->match.others)
		match_response_lost(cs, c, why);
	if (why != LOSS_MAX)
		conn_loss(cs, why, m->n_pending);
	if (m->req_open && m->req_open->is_no_reply)
		match_request_done(cs, c, m->req_open);
	while (m->head)
		match_request_done(cs, c, match_pop(m));
	while (m->finished) {
		struct response *resp = m->finished;

		m->finished = resp->next;
		match_response_done(cs, c, resp);
	}
	m->n_finished = 0;
	m->req_open = NULL;
	map_free(&m->by_id);
}
