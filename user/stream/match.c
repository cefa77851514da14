// SPDX-License-Identifier: Apache-2.0
#include "stream/match.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "stream/conn_impl.h"

#define MATCH_SLACK_MIN_NS (10 * 1000 * 1000ULL)
#define MATCH_SLACK_MAX_NS (50 * 1000 * 1000ULL)

static void orphan(struct conns *cs, struct conn *c, const struct response *resp)
{
	bool is_before;

	if (c->is_fresh)
		return;
	/* any other orphan's request was counted when it was lost */
	if (conn_is_multiplexed(c))
		is_before = !c->match.first_id || resp->id < c->match.first_id;
	else
		is_before = resp->is_first;
	if (is_before)
		conn_loss(cs, LOSS_JOINED_MIDDLE, 1);
}

/* Emits what can be: a whole exchange, or the head of an endless one. */
static void advance(struct conns *cs, struct conn *c, struct response *resp)
{
	if (!resp->req || resp->is_emitted || (resp->flags & MSG_VOID))
		return;
	if (!resp->is_complete && !(resp->flags & MSG_STREAM))
		return;
	emit_exchange(cs, c, resp->req, resp, "", resp->end_ns);
	resp->is_emitted = true;
}

/* Takes the request behind `prev` out of the list, or the first one. */
static struct request *take(struct match *m, struct request *prev)
{
	struct request *r = prev ? prev->next : m->head;

	*(prev ? &prev->next : &m->head) = r->next;
	if (!r->next)
		m->tail = prev;
	r->next = NULL;
	m->n_pending--;
	return r;
}

static struct request *pop(struct match *m)
{
	return take(m, NULL);
}

/* The request that a response answers, out of the list; NULL: none that was seen so far. */
static struct request *take_asked(struct conn *c, const struct response *resp)
{
	struct match *m = &c->match;
	struct request *prev = NULL;

	if (c->proto->match == MATCH_FIFO)
		return m->head ? pop(m) : NULL;
	for (struct request *r = m->head; r; prev = r, r = r->next)
		if (r->id == resp->id && r->after_pos <= resp->begin_pos)
			return take(m, prev);
	return NULL;
}

static void forget_requests(struct conn *c, uint32_t n)
{
	if (n && c->proto->drop_requests)
		c->proto->drop_requests(c->proto_state, n);
}

/* All that has a request ends here. */
static void request_over(struct conns *cs, struct request *r)
{
	if (r->unit)
		cs->opts.on_request_gone(cs->opts.ctx, r->unit);
	request_free(&cs->pools, r);
}

static void request_done(struct conns *cs, struct conn *c, struct request *r)
{
	if (c->match.req_open == r)
		c->match.req_open = NULL;
	waits_leave(&cs->waits, &r->waits);
	request_over(cs, r);
}

static void response_done(struct conns *cs, struct conn *c, struct response *resp)
{
	if (resp->req)
		request_done(cs, c, resp->req);
	response_free(&cs->pools, resp);
}

/* Gives the oldest request to a response that was parsed before it; false: cannot be its answer. */
static bool bind_late(struct conn *c, struct response *resp)
{
	if (resp->begin_pos < c->match.head->after_pos)
		return false;
	resp->req = pop(&c->match);
	forget_requests(c, 1);
	return true;
}

/* By id those behind the first may be meant. */
static void meet_by_id(struct conns *cs, struct conn *c)
{
	struct response **at = &c->match.finished, *resp;

	while ((resp = *at)) {
		resp->req = take_asked(c, resp);
		if (!resp->req) {
			at = &resp->next;
			continue;
		}
		*at = resp->next;
		c->match.n_finished--;
		advance(cs, c, resp);
		response_done(cs, c, resp);
	}
	resp = c->match.resp_open;
	if (resp && !resp->req && !resp->is_unmatched) {
		resp->req = take_asked(c, resp);
		advance(cs, c, resp);
	}
}

/* Are responses here already for requests that have come? */
static void meet_responses(struct conns *cs, struct conn *c)
{
	struct match *m = &c->match;

	if (c->proto->match != MATCH_FIFO) {
		meet_by_id(cs, c);
		return;
	}
	while (m->head && m->finished) {
		struct response *resp = m->finished;

		m->finished = resp->next;
		m->n_finished--;
		if (bind_late(c, resp))
			advance(cs, c, resp);
		else
			orphan(cs, c, resp);
		response_done(cs, c, resp);
	}
	if (m->head && m->resp_open && !m->resp_open->req && !m->resp_open->is_unmatched) {
		if (bind_late(c, m->resp_open))
			advance(cs, c, m->resp_open);
		else
			m->resp_open->is_unmatched = true;
	}
}

/*
 * Requests in a hole are as many as they are. Unless requests are pipelined each has been answered
 * before the next one was made, so between the last one seen and the next one there are answers.
 * Where there are none, those lost are still to be answered, and by what nobody can tell.
 */
static bool is_sure(const struct conn *c, const struct request *r)
{
	return !c->match.is_unsure || c->proto->match != MATCH_FIFO ||
	       (r->after_pos > c->match.frontier &&
		r->after_pos > c->s[conn_dir(c, PROTO_RESPONSE)].first);
}

/* Its answer lay in a hole that was found before it was. */
static void meet_hole(struct conns *cs, struct conn *c)
{
	struct match *m = &c->match;

	if (!m->head || m->head->after_pos >= m->hole_end)
		return;
	match_hole(cs, c, m->hole_end, m->hole_why);
	if (m->is_pipelined && c->proto->match == MATCH_FIFO)
		conn_give_up(cs, c, CONN_UNKNOWN, m->hole_why);
}

/* A request was made: unless requests are pipelined, a response whose framing was lost had ended by
 * then. */
static void end_cut_response(struct conns *cs, struct conn *c, uint64_t after_pos)
{
	struct stream *s = &c->s[conn_dir(c, PROTO_RESPONSE)];
	const struct response *resp = c->match.resp_open;

	if (!resp || !s->is_cut || !s->is_resync || c->match.is_pipelined ||
	    resp->begin_pos >= after_pos || after_pos > s->next)
		return;
	s->is_open = s->is_cut = false;
	match_response_end(cs, c, after_pos, s->last_end_ns, 0);
}

static void tell_request(struct conns *cs, const struct conn *c, struct request *r,
			 const struct op *end)
{
	struct conn_request told = {
		.cookie = c->cookie,
		.goroutine = r->goroutine,
		.start_ns = r->start_ns,
		.request_seq = (uint32_t)r->begin_pos,
		.after_seq = (uint32_t)r->after_pos,
		.tgid = r->tgid,
		.tid = r->tid,
		.role = c->role,
		.family = c->family,
		.is_tcp = c->family != SONDE_FAMILY_UNIX,
		.is_by_id = c->proto->match == MATCH_BY_ID,
		.is_late = end->ts_ns != cs->now_ns,
		.is_injected = c->role == SONDE_ROLE_CLIENT && r->context.is_known &&
			       c->s[SONDE_TX].injected_pos >= r->begin_pos,
		.request_id = request_text(r, REQUEST_ID),
		.context = &r->context,
		.local = &c->local,
		.peer = &c->peer,
	};

	if (cs->opts.on_request)
		r->unit = cs->opts.on_request(cs->opts.ctx, &told);
}

/* Several segments read at once: that of the message's own first byte says when it began. */
static uint64_t begun_at(const struct op *op, uint64_t pos)
{
	uint64_t ns = op->begin_ns;

	for (int i = 0; i < SONDE_LATE; i++)
		if (op->late[i].ns && pos >= op->late[i].pos)
			ns = op->late[i].ns;
	return ns;
}

int match_request(struct conns *cs, struct conn *c, const struct msg *msg, uint64_t begin_pos,
		  const struct op *begin, const struct op *end)
{
	struct match *m = &c->match;
	struct request *r;

	m->req_open = NULL;
	if (m->n_pending >= MATCH_PENDING_MAX) { /* the others waited before they were parsed */
		conn_loss(cs, LOSS_PENDING_FULL, 1);
		return 0;
	}
	r = request_new(&cs->pools, msg);
	if (!r)
		return -ENOMEM;
	if (!m->first_id)
		m->first_id = r->id;
	end_cut_response(cs, c, begin->other_pos);
	r->begin_pos = begin_pos;
	r->due_pos = UINT64_MAX;
	r->after_pos = begin->other_pos;
	r->start_ns = begun_at(begin, begin_pos);
	r->is_start_known = begin->is_begin_known;
	r->read_ns = begin->ts_ns;
	/* who completes the head is who works on it: Go's background reader may take its first
	 * byte and hand the rest to the goroutine that will answer */
	r->tgid = end->tgid;
	r->tid = end->tid;
	r->goroutine = end->goroutine;
	r->is_tls = begin->is_tls;
	if (r->is_no_reply) {
		tell_request(cs, c, r, end);
		m->req_open = r;
		waits_enter(&cs->waits, &r->waits, c->role, begin, end);
		return 0;
	}
	if (m->tail && m->tail->after_pos == r->after_pos)
		m->is_pipelined = true;
	if (!is_sure(c, r)) {
		request_over(cs, r);
		conn_loss(cs, LOSS_STREAM_GAP, 1);
		conn_give_up(cs, c, CONN_UNKNOWN, LOSS_STREAM_GAP);
		return 0;
	}
	tell_request(cs, c, r, end);
	m->is_unsure = false;
	if (m->frontier < r->after_pos)
		m->frontier = r->after_pos;
	if (m->tail)
		m->tail->next = r;
	else
		m->head = r;
	m->tail = r;
	m->n_pending++;
	m->req_open = r;
	waits_enter(&cs->waits, &r->waits, c->role, begin, end);
	return 0;
}

void match_meet(struct conns *cs, struct conn *c)
{
	meet_responses(cs, c);
	meet_hole(cs, c);
}

void match_request_end(struct conns *cs, struct conn *c, uint64_t end_pos, uint64_t end_ns)
{
	struct request *r = c->match.req_open;

	if (!r)
		return;
	if (!conn_is_multiplexed(c))
		r->bytes = end_pos - r->begin_pos;
	r->is_complete = true;
	c->match.req_open = NULL;
	if (!r->is_no_reply)
		return;
	if (end_ns)
		emit_exchange(cs, c, r, NULL, "", end_ns);
	request_done(cs, c, r);
}

/* The oldest ones were answered by silence: nobody sees when, but by now. */
static void hear_silence(struct conns *cs, struct conn *c, uint32_t n, uint64_t now_ns)
{
	struct match *m = &c->match;

	while (n-- && m->head && m->head->is_quiet && m->head->is_complete) {
		emit_silence(cs, c, m->head, now_ns);
		request_done(cs, c, pop(m));
	}
}

bool match_is_orphan(const struct conn *c, uint64_t pos)
{
	return c->match.head && pos < c->match.head->after_pos;
}

int match_response(struct conns *cs, struct conn *c, const struct msg *msg, uint64_t begin_pos,
		   const struct op *begin)
{
	struct match *m = &c->match;
	struct response *resp = response_new(&cs->pools, msg);

	if (!resp)
		return -ENOMEM;
	resp->begin_pos = begin_pos;
	resp->other_pos = begin->other_pos;
	resp->is_unmatched = m->is_missed;
	resp->is_first = !m->has_response;
	m->is_missed = false;
	m->has_response = true;
	if (m->resp_open) {
		m->resp_open->next = m->others;
		m->others = m->resp_open;
	}
	if (conn_dir(c, PROTO_RESPONSE) == SONDE_TX)
		resp->first_ns = begin->is_begin_known ? begin->begin_ns : begin->end_ns;
	else
		resp->first_ns = begin->end_ns;
	if (!resp->is_unmatched) {
		hear_silence(cs, c, msg->silent, resp->first_ns);
		resp->req = take_asked(c, resp);
	}
	m->resp_open = resp;
	return 0;
}

void match_response_head(struct conns *cs, struct conn *c, uint64_t end_pos, uint64_t end_ns)
{
	struct response *resp = c->match.resp_open;

	if (!resp)
		return;
	resp->end_pos = end_pos;
	resp->end_ns = end_ns;
	resp->mark = emit_mark(cs, end_ns);
	advance(cs, c, resp);
}

static void keep_finished(struct conns *cs, struct conn *c, struct response *resp)
{
	struct match *m = &c->match;
	struct response **at = &m->finished;

	if (m->n_finished == MATCH_FINISHED_MAX) {
		struct response *oldest = m->finished;

		m->finished = oldest->next;
		m->n_finished--;
		orphan(cs, c, oldest);
		response_done(cs, c, oldest);
	}
	while (*at)
		at = &(*at)->next;
	*at = resp;
	m->n_finished++;
	conn_wait(cs, c);
}

void match_response_end(struct conns *cs, struct conn *c, uint64_t end_pos, uint64_t end_ns,
			uint64_t other_pos)
{
	struct match *m = &c->match;
	struct response *resp = m->resp_open;

	if (!resp)
		return;
	m->resp_open = NULL;
	resp->end_pos = end_pos;
	resp->end_ns = end_ns;
	resp->mark = emit_mark(cs, end_ns);
	resp->other_pos = other_pos;
	resp->is_complete = true;
	if (m->head && m->head->after_pos < end_pos)
		m->is_pipelined = true;
	if (resp->req && m->frontier < end_pos)
		m->frontier = end_pos;
	if (!resp->req && !resp->is_unmatched) {
		keep_finished(cs, c, resp);
		return;
	}
	if (resp->is_emitted && conn_is_multiplexed(c))
		emit_stream_of(cs, c, resp, end_ns);
	if (resp->req)
		advance(cs, c, resp);
	else
		orphan(cs, c, resp);
	response_done(cs, c, resp);
}

void match_response_lost(struct conns *cs, struct conn *c, enum loss why)
{
	struct match *m = &c->match;
	struct response *resp = m->resp_open ? m->resp_open : m->others;

	if (!resp)
		return;
	if (resp == m->resp_open)
		m->resp_open = NULL;
	else
		m->others = resp->next;
	if (resp->req && !resp->is_emitted && why != LOSS_MAX)
		conn_loss(cs, why, 1);
	response_done(cs, c, resp);
}

uint32_t match_hole(struct conns *cs, struct conn *c, uint64_t end_pos, enum loss why)
{
	struct match *m = &c->match;
	uint32_t n = 0;

	m->hole_end = end_pos;
	m->hole_why = why;
	while (m->head && m->head->after_pos < end_pos) {
		request_done(cs, c, pop(m));
		n++;
	}
	conn_loss(cs, why, n);
	forget_requests(c, n);
	return n;
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
	c->match.resp_open = NULL;
	if (!resp) { /* there was none yet */
		resp = response_new(&cs->pools, msg);
		if (!resp)
			return;
		resp->begin_pos = UINT64_MAX;
		resp->req = take_asked(c, resp);
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
	response_done(cs, c, resp);
}

void match_withdraw(struct conns *cs, struct conn *c, uint32_t n)
{
	for (; n && c->match.head; n--)
		request_done(cs, c, pop(&c->match));
}

void match_tick(struct conns *cs, struct conn *c, uint64_t now_ns)
{
	struct match *m = &c->match;

	while (m->finished && m->finished->end_ns + MATCH_FINISHED_NS <= now_ns) {
		struct response *resp = m->finished;

		m->finished = resp->next;
		m->n_finished--;
		orphan(cs, c, resp);
		response_done(cs, c, resp);
	}
}

void match_drop(struct conns *cs, struct conn *c, enum loss why)
{
	struct match *m = &c->match;

	while (c->match.resp_open || c->match.others)
		match_response_lost(cs, c, why);
	if (why != LOSS_MAX)
		conn_loss(cs, why, m->n_pending);
	if (m->req_open && m->req_open->is_no_reply)
		request_done(cs, c, m->req_open);
	while (m->head)
		request_done(cs, c, pop(m));
	while (m->finished) {
		struct response *resp = m->finished;

		m->finished = resp->next;
		response_done(cs, c, resp);
	}
	m->n_finished = 0;
	m->req_open = NULL;
}
