// SPDX-License-Identifier: Apache-2.0
/* What a protocol made of bytes: messages that begin, go on and end, and framing that is lost. */
#include "stream/flow_impl.h"

void flow_message_end(struct conns *cs, struct conn *c, enum sonde_dir d, uint64_t pos,
		      uint64_t end_ns, uint64_t other_pos)
{
	struct stream *s = &c->s[d];
	bool is_upgrade = s->is_upgrade;

	s->is_open = s->is_cut = s->is_upgrade = s->ends_after_skip = s->is_asking = false;
	s->skip = 0;
	if (conn_proto_dir(c, d) == PROTO_REQUEST) {
		match_request_end(cs, c, pos, end_ns);
		return;
	}
	match_response_end(cs, c, pos, end_ns, other_pos);
	if (is_upgrade)
		conn_give_up(cs, c, CONN_PARSED, LOSS_MAX);
	else
		emit_stream(cs, c, end_ns);
}

static void lose_requests(struct conns *cs, struct conn *c, uint64_t pos, enum loss why,
			  bool was_resync)
{
	if (conn_is_multiplexed(c))
		c->match.req_open = NULL; /* none of them ends here */
	match_request_end(cs, c, pos, 0);
	c->match.is_unsure = true;
	/* those in the ring's holes the kernel counts; one stretch that cannot be read counts once,
	 * except that each operation without bytes is likely to be a request */
	if (why != LOSS_RING_FULL && (!was_resync || why == LOSS_UNKNOWN_CALL))
		conn_loss(cs, why, 1);
}

static void lose_responses(struct conns *cs, struct conn *c, uint64_t pos, enum loss why)
{
	uint64_t before = cs->stats.losses.n[why];

	c->match.is_missed = false;
	do
		match_response_lost(cs, c, why);
	while (c->match.others);
	match_hole(cs, c, pos, why);
	if (why == LOSS_PARSE_ERROR && cs->stats.losses.n[why] == before)
		conn_loss(cs, why, 1);
}

void flow_lose(struct conns *cs, struct conn *c, enum sonde_dir d, uint64_t pos, enum loss why)
{
	struct stream *s = &c->s[d];
	bool was_resync = s->is_resync;

	s->is_open = s->is_cut = s->is_upgrade = s->ends_after_skip = s->is_asking = false;
	s->is_resync = true;
	s->skip = 0;
	if (conn_proto_dir(c, d) == PROTO_REQUEST)
		lose_requests(cs, c, pos, why, was_resync);
	else
		lose_responses(cs, c, pos, why == LOSS_RING_FULL ? LOSS_RESPONSE_MISSING : why);
	/* With several requests under way nobody can tell any more which response is whose, but by
	 * their ids. */
	if (c->match.is_pipelined && c->proto->match == MATCH_FIFO)
		conn_give_up(cs, c, CONN_UNKNOWN, why == LOSS_RING_FULL ? LOSS_STREAM_GAP : why);
}

/* A head was parsed: the message that it begins, and the end of one whose end nobody saw. */
static void message_begin(struct conns *cs, struct conn *c, enum sonde_dir d,
			  const struct window *w, size_t n, const struct msg *msg)
{
	struct stream *s = &c->s[d];
	const struct op *begin = &w->ops[0], *end = op_at(w, w->pos + n - 1);
	int err = 0;

	if (s->is_open && !conn_is_multiplexed(c)) /* else it is one of several */
		flow_message_end(cs, c, d, w->pos,
				 begin->pos < w->pos ? begin->end_ns : s->last_end_ns, 0);
	if (msg->flags & MSG_INTERIM) /* the next response is asked about anew */
		c->match.is_missed = false;
	if (msg->status == 100) /* RFC 9110, 15.2.1: it is to send its body */
		c->s[!d].is_asking = false;
	if (c->is_raw || (msg->flags & MSG_INTERIM))
		return;
	if (conn_proto_dir(c, d) == PROTO_REQUEST) {
		err = match_request(cs, c, msg, w->pos, begin, end);
	} else {
		if (n > c->head_max)
			c->head_max = (uint32_t)n;
		err = match_response(cs, c, msg, w->pos, begin);
		s->is_upgrade = msg->flags & MSG_UPGRADE;
	}
	if (err < 0)
		conn_give_up(cs, c, CONN_UNKNOWN, LOSS_STREAM_GAP);
}

static void message_part(struct conns *cs, struct conn *c, enum sonde_dir d, struct window *w,
			 size_t n, const struct msg *msg)
{
	struct stream *s = &c->s[d];
	const struct op *end = op_at(w, w->pos + n - 1);
	struct match *m = &c->match;
	uint64_t body = msg->skip == UINT64_MAX ? 0 : msg->body_bytes;
	uint64_t pos = w->pos + n;

	s->skip = msg->skip;
	if (conn_is_multiplexed(c) && (msg->flags & (MSG_BEGIN | MSG_INTERIM)) != MSG_BEGIN)
		match_select(c, conn_proto_dir(c, d), msg->id);
	if (msg->flags & MSG_RESET) {
		match_reset(cs, c, conn_proto_dir(c, d), msg, end->end_ns);
		return;
	}
	s->is_open = !conn_is_multiplexed(c) || msg->skip;
	s->is_cut = msg->flags & MSG_CUT;
	if (s->is_cut)
		c->was_truncated[conn_proto_dir(c, d)] = true;
	s->ends_after_skip = msg->flags & MSG_END;
	s->is_asking = (msg->flags & MSG_ASKS) && msg->skip;
	s->asked_pos = end->other_pos;
	if (conn_proto_dir(c, d) == PROTO_REQUEST && m->req_open) {
		m->req_open->body_bytes += body;
		m->req_open->bytes += n + msg->skip;
		m->req_open->messages += msg->messages;
		if (msg->flags & MSG_DESCRIBES)
			request_describe(m->req_open, msg); /* else it keeps what it had */
		if (msg->proto)
			m->req_open->proto = (uint8_t)msg->proto;
		if ((msg->flags & MSG_END) && msg->skip != UINT64_MAX)
			m->req_open->due_pos = pos + msg->skip;
	} else if (conn_proto_dir(c, d) == PROTO_RESPONSE && m->resp_open) {
		m->resp_open->body_bytes += body;
		m->resp_open->bytes += n + msg->skip;
		m->resp_open->messages += msg->messages;
		response_describe(m->resp_open, msg);
		if (!(msg->flags & MSG_END) && msg->skip != UINT64_MAX)
			c->wants_all = true; /* framing lies within the body: chunks, values */
		if (msg->flags & MSG_BEGIN)
			match_response_head(cs, c, pos, end->end_ns);
	}
	if ((msg->flags & MSG_END) && msg->skip == 0)
		flow_message_end(cs, c, d, pos, end->end_ns, end->other_pos);
	if ((msg->flags & MSG_BEGIN) && conn_proto_dir(c, d) == PROTO_REQUEST)
		match_meet(cs, c);
}

/* What was consumed belongs to no message: what comes next is asked about anew. */
static void no_message(struct conn *c, enum sonde_dir d, const struct msg *msg)
{
	c->s[d].skip = msg->skip;
	if (conn_proto_dir(c, d) == PROTO_RESPONSE)
		c->match.is_missed = false;
}

bool flow_parse(struct conns *cs, struct conn *c, enum sonde_dir d, struct window *w)
{
	struct stream *s = &c->s[d];
	struct msg msg;
	struct slice in = { w->p, w->n };
	ssize_t n;

	msg_clear(&msg);
	n = c->proto->parse(c->proto_state, conn_proto_dir(c, d), in, &msg);
	if (n == 0)
		return false;
	if (n < 0) {
		s->failed_pos = w->pos;
		flow_lose(cs, c, d, w->pos + 1, LOSS_PARSE_ERROR);
		return true;
	}
	count_attributed(cs, c, (uint64_t)n);
	if (msg.flags & MSG_BEGIN)
		message_begin(cs, c, d, w, (size_t)n, &msg);
	if (!c->is_raw &&
	    (s->is_open || (msg.flags & MSG_BEGIN) || (msg.id && conn_is_multiplexed(c))))
		message_part(cs, c, d, w, (size_t)n, &msg);
	else if (!c->is_raw)
		no_message(c, d, &msg);
	if (!c->is_raw && msg.withdrawn)
		match_withdraw(cs, c, msg.withdrawn);
	if (!c->is_raw && msg.refused_from)
		match_refuse(cs, c, msg.refused_from, op_at(w, w->pos + (size_t)n - 1)->end_ns);
	if (!c->is_raw && msg.next)
		detect_switch(cs, c, msg.next);
	if (!c->is_raw && (msg.flags & MSG_HIDES))
		detect_hidden(cs, c, msg.flags);
	s->is_resync = msg.flags & MSG_CUT; /* where it ends is where the next one begins */
	window_advance(w, (size_t)n);
	return true;
}
