// SPDX-License-Identifier: Apache-2.0
#include "stream/match_impl.h"

#include <errno.h>
#include <string.h>

void match_orphan(struct conns *cs, struct conn *c, const struct response *resp)
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

void match_advance(struct conns *cs, struct conn *c, struct response *resp)
{
	if (!resp->req || resp->is_emitted || (resp->flags & MSG_VOID))
		return;
	if (!resp->is_complete && !(resp->flags & MSG_STREAM))
		return;
	emit_exchange(cs, c, resp->req, resp, "", resp->end_ns);
	resp->is_emitted = true;
}

struct request *match_take(struct match *m, struct request *r)
{
	*(r->prev ? &r->prev->next : &m->head) = r->next;
	*(r->next ? &r->next->prev : &m->tail) = r->prev;
	r->next = r->prev = NULL;
	m->n_pending--;
	match_take_id(m, r);
	return r;
}

struct request *match_pop(struct match *m)
{
	return match_take(m, m->head);
}

struct request *match_take_asked(struct conn *c, const struct response *resp)
{
	struct match *m = &c->match;

	if (c->proto->match == MATCH_FIFO)
		return m->head ? match_pop(m) : NULL;
	for (struct request *r = match_of_id(m, resp->id); r; r = r->same)
		if (r->after_pos <= resp->begin_pos)
			return match_take(m, r);
	return NULL;
}

void match_forget_requests(struct conn *c, uint32_t n)
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

void match_request_done(struct conns *cs, struct conn *c, struct request *r)
{
	if (c->match.req_open == r)
		c->match.req_open = NULL;
	waits_leave(&cs->waits, &r->waits);
	request_over(cs, r);
}

void match_response_done(struct conns *cs, struct conn *c, struct response *resp)
{
	if (resp->req)
		match_request_done(cs, c, resp->req);
	response_free(&cs->pools, resp);
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

/* A request was made: unless requests are pipelined, a response whose framing was lost had ended by
 * then. */
static void end_cut_response(struct conns *cs, struct conn *c, uint64_t after_pos)
{
	struct stream *s = &c->s[conn_dir(c, PROTO_RESPONSE)];
	const struct response *resp = c->match.resp_open;
	uint64_t held_pos = s->next - stream_held(s);

	if (!resp || !s->is_cut || !s->is_resync || c->match.is_pipelined ||
	    resp->begin_pos >= after_pos || after_pos > s->next)
		return;
	s->is_open = s->is_cut = false;
	if (after_pos > held_pos) /* where the next one is not to be looked for */
		stream_unhold(s, after_pos - held_pos);
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
	if (match_put_id(cs, c, r) < 0) {
		request_over(cs, r);
		return -ENOMEM;
	}
	tell_request(cs, c, r, end);
	m->is_unsure = false;
	if (m->frontier < r->after_pos)
		m->frontier = r->after_pos;
	r->prev = m->tail;
	*(m->tail ? &m->tail->next : &m->head) = r;
	m->tail = r;
	m->n_pending++;
	m->req_open = r;
	waits_enter(&cs->waits, &r->waits, c->role, begin, end);
	return 0;
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
	match_request_done(cs, c, r);
}

/* The oldest ones were answered by silence: nobody sees when, but by now. */
static void hear_silence(struct conns *cs, struct conn *c, uint32_t n, uint64_t now_ns)
{
	struct match *m = &c->match;

	while (n-- && m->head && m->head->is_quiet && m->head->is_complete) {
		emit_silence(cs, c, m->head, now_ns);
		match_request_done(cs, c, match_pop(m));
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
	resp->hole_end = m->hole_end;
	resp->is_unmatched = m->is_missed;
	resp->is_first = !m->has_response;
	m->is_missed = false;
	m->has_response = true;
	if (match_open(cs, c, resp) < 0) {
		response_free(&cs->pools, resp);
		return -ENOMEM;
	}
	if (conn_dir(c, PROTO_RESPONSE) == SONDE_TX)
		resp->first_ns = begin->is_begin_known ? begin->begin_ns : begin->end_ns;
	else
		resp->first_ns = begin->end_ns;
	if (!resp->is_unmatched) {
		hear_silence(cs, c, msg->silent, resp->first_ns);
		resp->req = match_take_asked(c, resp);
	}
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
	match_advance(cs, c, resp);
}

void match_response_end(struct conns *cs, struct conn *c, uint64_t end_pos, uint64_t end_ns,
			uint64_t other_pos)
{
	struct match *m = &c->match;
	struct response *resp = m->resp_open;

	if (!resp)
		return;
	match_close(m, resp);
	resp->end_pos = end_pos;
	resp->end_ns = end_ns;
	resp->mark = emit_mark(cs, end_ns);
	resp->other_pos = other_pos;
	resp->is_complete = true;
	if (resp->flags & MSG_LAST)
		m->last_ns = end_ns;
	if (m->head && m->head->after_pos < end_pos)
		m->is_pipelined = true;
	if (resp->req && m->frontier < end_pos)
		m->frontier = end_pos;
	if (!resp->req && !resp->is_unmatched) {
		match_keep_finished(cs, c, resp);
		return;
	}
	if (resp->is_emitted && conn_is_multiplexed(c))
		emit_stream_of(cs, c, resp, end_ns);
	if (resp->req)
		match_advance(cs, c, resp);
	else
		match_orphan(cs, c, resp);
	match_response_done(cs, c, resp);
}
