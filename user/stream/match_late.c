// SPDX-License-Identifier: Apache-2.0
/* Responses that were parsed before their requests: their records entered the ring first. */
#include "stream/match_impl.h"

/* Requests whose answers were in a hole before that response. False: several were under way, and
 * nobody can tell any more which answer is whose. */
static bool lose_behind(struct conns *cs, struct conn *c, const struct response *resp)
{
	struct match *m = &c->match;

	if (!match_lose(cs, c, resp->hole_end, m->hole_why) || !m->is_pipelined)
		return true;
	conn_give_up(cs, c, CONN_UNKNOWN, m->hole_why);
	return false;
}

/* Gives the oldest request to a response that was parsed before it; false: cannot be its answer. */
static bool bind_late(struct conn *c, struct response *resp)
{
	if (resp->begin_pos < c->match.head->after_pos)
		return false;
	resp->req = match_pop(&c->match);
	match_forget_requests(c, 1);
	return true;
}

/* By id those behind the first may be meant. */
static void meet_by_id(struct conns *cs, struct conn *c)
{
	struct response **at = &c->match.finished, *resp;

	while ((resp = *at)) {
		resp->req = match_take_asked(c, resp);
		if (!resp->req) {
			at = &resp->next;
			continue;
		}
		*at = resp->next;
		c->match.n_finished--;
		match_advance(cs, c, resp);
		match_response_done(cs, c, resp);
	}
	resp = c->match.resp_open;
	if (resp && !resp->req && !resp->is_unmatched) {
		resp->req = match_take_asked(c, resp);
		match_advance(cs, c, resp);
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

		if (!lose_behind(cs, c, resp) || !m->head)
			return;
		m->finished = resp->next;
		m->n_finished--;
		if (bind_late(c, resp))
			match_advance(cs, c, resp);
		else
			match_orphan(cs, c, resp);
		match_response_done(cs, c, resp);
	}
	if (m->head && m->resp_open && !m->resp_open->req && !m->resp_open->is_unmatched) {
		if (!lose_behind(cs, c, m->resp_open) || !m->head)
			return;
		if (bind_late(c, m->resp_open))
			match_advance(cs, c, m->resp_open);
		else
			m->resp_open->is_unmatched = true;
	}
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

void match_meet(struct conns *cs, struct conn *c)
{
	meet_responses(cs, c);
	match_end_refused(cs, c);
	meet_hole(cs, c);
}

void match_keep_finished(struct conns *cs, struct conn *c, struct response *resp)
{
	struct match *m = &c->match;
	struct response **at = &m->finished;

	if (m->n_finished == MATCH_FINISHED_MAX) {
		struct response *oldest = m->finished;

		m->finished = oldest->next;
		m->n_finished--;
		match_orphan(cs, c, oldest);
		match_response_done(cs, c, oldest);
	}
	while (*at)
		at = &(*at)->next;
	*at = resp;
	m->n_finished++;
	conn_wait(cs, c);
}

void match_tick(struct conns *cs, struct conn *c, uint64_t now_ns)
{
	struct match *m = &c->match;

	while (m->finished && m->finished->end_ns + MATCH_FINISHED_NS <= now_ns) {
		struct response *resp = m->finished;

		m->finished = resp->next;
		m->n_finished--;
		match_orphan(cs, c, resp);
		match_response_done(cs, c, resp);
	}
}
