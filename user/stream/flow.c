// SPDX-License-Identifier: Apache-2.0
/* Bytes and holes of one direction, in order, into messages. */
#include <string.h>

#include "stream/conn_impl.h"

/* Contiguous bytes at a position, and the operations they came with. */
struct window {
	const uint8_t *p;
	size_t n;
	uint64_t pos;
	const struct op *ops; /* the first is that of the first byte */
	size_t n_ops;
};

/* Why run() stopped before the end of its window. */
enum stop {
	STOP_MORE, /* a head is not whole */
	STOP_WAIT, /* something else has to happen first */
};

static const struct op *op_at(const struct window *w, uint64_t pos)
{
	size_t i = 0;

	while (i + 1 < w->n_ops && w->ops[i + 1].pos <= pos)
		i++;
	return &w->ops[i];
}

static void window_advance(struct window *w, size_t n)
{
	w->p += n;
	w->n -= n;
	w->pos += n;
	while (w->n_ops > 1 && w->ops[1].pos <= w->pos) {
		w->ops++;
		w->n_ops--;
	}
}

static void count_observed(struct conns *cs, struct conn *c, uint64_t n)
{
	enum proto_id id = c->state == CONN_PARSED ? c->proto->id : PROTO_UNKNOWN;

	if (c->state == CONN_UNDECIDED) {
		c->undecided_bytes += n;
		return;
	}
	cs->stats.bytes_observed[id] += n;
	if (c->is_raw && c->state == CONN_PARSED) /* upgraded: its request was understood */
		cs->stats.bytes_attributed[id] += n;
}

static void count_attributed(struct conns *cs, struct conn *c, uint64_t n)
{
	cs->stats.bytes_attributed[c->proto->id] += n;
}

/* The open message ended at `pos`. */
static void message_end(struct conns *cs, struct conn *c, enum sonde_dir d, uint64_t pos,
			uint64_t end_ns, uint64_t other_pos)
{
	struct stream *s = &c->s[d];
	bool is_upgrade = s->is_upgrade;

	s->is_open = s->is_cut = s->is_upgrade = s->ends_after_skip = false;
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

/* Framing is lost: nothing before `pos` can be understood any more. */
static void lose(struct conns *cs, struct conn *c, enum sonde_dir d, uint64_t pos, enum loss why)
{
	struct stream *s = &c->s[d];
	bool was_resync = s->is_resync;

	s->is_open = s->is_cut = s->is_upgrade = s->ends_after_skip = false;
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

static void take_skip(struct conns *cs, struct conn *c, enum sonde_dir d, uint64_t n)
{
	struct stream *s = &c->s[d];

	count_attributed(cs, c, n);
	if (s->skip != UINT64_MAX)
		s->skip -= n;
	else if (conn_proto_dir(c, d) == PROTO_RESPONSE && c->match.resp_open)
		c->match.resp_open->body_bytes += n;
	else if (conn_proto_dir(c, d) == PROTO_REQUEST && c->match.req_open)
		c->match.req_open->body_bytes += n;
}

static bool skip_bytes(struct conns *cs, struct conn *c, enum sonde_dir d, struct window *w)
{
	struct stream *s = &c->s[d];
	size_t n = s->skip < w->n ? (size_t)s->skip : w->n;
	const struct op *end = op_at(w, w->pos + n - 1);

	take_skip(cs, c, d, n);
	if (s->skip == 0 && s->ends_after_skip)
		message_end(cs, c, d, w->pos + n, end->end_ns, end->other_pos);
	window_advance(w, n);
	return true;
}

/* False: nowhere in these bytes does a message begin. */
static bool resync(struct conns *cs, struct conn *c, enum sonde_dir d, struct window *w)
{
	struct stream *s = &c->s[d];
	struct slice in = { w->p, w->n };
	size_t at = c->proto->resync(c->proto_state, conn_proto_dir(c, d), in);

	if (at == 0 && w->pos == s->failed_pos) { /* belongs to no protocol, ends every loop */
		window_advance(w, 1);
		return w->n > 0;
	}
	if (at < in.n) {
		window_advance(w, at);
		s->is_resync = false;
		return true;
	}
	window_advance(w, in.n > c->proto->resync_keep ? in.n - c->proto->resync_keep : 0);
	return false;
}

/* At a boundary between messages: is it too early to parse the next one? */
static bool must_wait(struct conns *cs, struct conn *c, enum sonde_dir d, const struct window *w)
{
	struct match *m = &c->match;

	if (conn_is_multiplexed(c))
		return false;
	if (conn_proto_dir(c, d) == PROTO_REQUEST)
		return m->n_pending >= MATCH_PENDING_MAX;
	if (m->is_missed)
		return false;
	if (!c->is_impatient && c->proto->awaits_request &&
	    c->proto->awaits_request(c->proto_state)) {
		if (!c->hold_since_ns)
			c->hold_since_ns = cs->now_ns;
		conn_wait(cs, c);
		return true;
	}
	c->hold_since_ns = 0;
	if (match_is_orphan(c, w->pos)) {
		m->is_missed = true;
		if (c->proto->miss_request)
			c->proto->miss_request(c->proto_state);
	}
	return false;
}

/* A head was parsed: the message that it begins, and the end of one whose end nobody saw. */
static void message_begin(struct conns *cs, struct conn *c, enum sonde_dir d,
			  const struct window *w, size_t n, const struct msg *msg)
{
	struct stream *s = &c->s[d];
	const struct op *begin = &w->ops[0], *end = op_at(w, w->pos + n - 1);
	int err = 0;

	if (s->is_open)
		message_end(cs, c, d, w->pos, begin->pos < w->pos ? begin->end_ns : s->last_end_ns,
			    0);
	if (msg->flags & MSG_INTERIM) /* the next response is asked about anew */
		c->match.is_missed = false;
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
	s->ends_after_skip = msg->flags & MSG_END;
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
		message_end(cs, c, d, pos, end->end_ns, end->other_pos);
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

/* False: the head is not whole. */
static bool parse(struct conns *cs, struct conn *c, enum sonde_dir d, struct window *w)
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
		lose(cs, c, d, w->pos + 1, LOSS_PARSE_ERROR);
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
	if (!c->is_raw && msg.next)
		detect_switch(cs, c, msg.next);
	if (!c->is_raw && (msg.flags & MSG_HIDES))
		detect_hidden(cs, c, msg.flags);
	s->is_resync = msg.flags & MSG_CUT; /* where it ends is where the next one begins */
	window_advance(w, (size_t)n);
	return true;
}

static int detect(struct conns *cs, struct conn *c, enum sonde_dir d, struct window *w)
{
	uint64_t newest = w->ops[w->n_ops - 1].pos;
	size_t at = newest > w->pos ? (size_t)(newest - w->pos) : 0;
	int found = detect_run(cs, c, d, (struct slice){ w->p, w->n }, &at);

	if (found)
		window_advance(w, found > 0 ? at : w->n);
	return found;
}

/* Takes from the front of the window all that can be understood. */
static enum stop run(struct conns *cs, struct conn *c, enum sonde_dir d, struct window *w)
{
	struct stream *s = &c->s[d];

	while (w->n && !c->is_raw) {
		if (c->state == CONN_UNDECIDED) {
			int found = detect(cs, c, d, w);

			if (found == 0)
				return STOP_MORE;
		} else if (s->skip) {
			skip_bytes(cs, c, d, w);
		} else if (s->is_resync) {
			if (!resync(cs, c, d, w))
				return STOP_MORE;
		} else if ((!s->is_open || s->is_cut) && must_wait(cs, c, d, w)) {
			return STOP_WAIT;
		} else if (!parse(cs, c, d, w)) {
			return STOP_MORE;
		}
	}
	window_advance(w, w->n);
	return STOP_MORE;
}

/* Looks again at what is held. */
static void rerun(struct conns *cs, struct conn *c, enum sonde_dir d)
{
	struct stream *s = &c->s[d];
	struct window w;
	enum stop stop;

	if (!stream_held(s))
		return;
	w = (struct window){ s->held->bytes, s->held->n, s->next - s->held->n, s->held->ops,
			     s->held->n_ops };
	stop = run(cs, c, d, &w);
	stream_unhold(s, s->held->n - w.n);
	if (stop == STOP_MORE)
		stream_merge_ops(s);
}

/* What one direction brought may be what the other one waited for. */
static void pump(struct conns *cs, struct conn *c, enum sonde_dir d)
{
	size_t before;

	for (enum sonde_dir x = !d; (before = stream_held(&c->s[x])) > 0; x = !x) {
		rerun(cs, c, x);
		if (stream_held(&c->s[x]) == before)
			break;
	}
	if (c->is_raw) {
		stream_unhold(&c->s[SONDE_TX], SIZE_MAX);
		stream_unhold(&c->s[SONDE_RX], SIZE_MAX);
	}
}

void flow_hurry(struct conns *cs, struct conn *c, enum sonde_dir d)
{
	if (!stream_held(&c->s[d]))
		return;
	c->is_impatient = true;
	rerun(cs, c, d);
	c->is_impatient = false;
	c->hold_since_ns = 0;
	pump(cs, c, d);
}

static void hold(struct conns *cs, struct conn *c, enum sonde_dir d, const struct op *op,
		 struct slice in)
{
	struct stream *s = &c->s[d];
	size_t max = c->state == CONN_UNDECIDED ? CONN_DETECT_BYTES : cs->opts.max_buffer;

	if (stream_hold(s, op, in.p, in.n, max) == 0)
		return;
	if (c->state == CONN_UNDECIDED) {
		conn_give_up(cs, c, CONN_UNKNOWN, LOSS_MAX);
		return;
	}
	if (c->hold_since_ns) {
		s->next -= in.n; /* these are not held yet */
		flow_hurry(cs, c, d);
		s->next += in.n;
		if (stream_hold(s, op, in.p, in.n, max) == 0)
			return;
	}
	stream_unhold(s, SIZE_MAX);
	lose(cs, c, d, s->next,
	     c->match.n_pending >= MATCH_PENDING_MAX ? LOSS_PENDING_FULL : LOSS_BUFFER_FULL);
}

void flow_bytes(struct conns *cs, struct conn *c, enum sonde_dir d, const struct op *op,
		struct slice in)
{
	struct stream *s = &c->s[d];
	struct window w = { in.p, in.n, s->next, op, 1 };

	s->next += in.n;
	count_observed(cs, c, in.n);
	if (c->is_raw)
		return;
	if (stream_held(s)) {
		hold(cs, c, d, op, in);
		rerun(cs, c, d);
	} else {
		enum stop stop = run(cs, c, d, &w);

		if (w.n)
			hold(cs, c, d, op, (struct slice){ w.p, w.n });
		if (stop == STOP_MORE)
			stream_merge_ops(s);
	}
	pump(cs, c, d);
}

/* The part of a hole that the open message skips anyway. Returns how much that is. */
static uint64_t skip_hole(struct conns *cs, struct conn *c, enum sonde_dir d, uint64_t len,
			  enum loss why, const struct op *end)
{
	struct stream *s = &c->s[d];
	uint64_t n = s->skip < len ? s->skip : len;

	if (n == 0)
		return 0;
	take_skip(cs, c, d, n);
	s->next += n;
	if (s->skip || !s->ends_after_skip)
		return n;
	if (!end && conn_proto_dir(c, d) == PROTO_RESPONSE) {
		/* its last byte was in a record that is lost: when it was sent is not known */
		match_response_lost(cs, c, why == LOSS_RING_FULL ? LOSS_RESPONSE_MISSING : why);
	}
	message_end(cs, c, d, s->next, end ? end->end_ns : 0, end ? end->other_pos : 0);
	return n;
}

/* What is held before a hole is the front of a head: enough to know the message by, if not where
 * it ends. */
static bool take_cut(struct conns *cs, struct conn *c, enum sonde_dir d)
{
	struct stream *s = &c->s[d];
	struct held *h = s->held;
	struct window w;

	if (!stream_held(s))
		return false;
	w = (struct window){ h->bytes, h->n, s->next - h->n, h->ops, h->n_ops };
	if (!parse(cs, c, d, &w) || !s->is_cut)
		return false;
	c->wants_all = true;
	return true;
}

/* The same where the length of what the hole cuts is known: its rest is then skipped. Returns how
 * much of the hole that is. */
static uint64_t take_front(struct conns *cs, struct conn *c, enum sonde_dir d, uint64_t len,
			   enum loss why, const struct op *end)
{
	struct stream *s = &c->s[d];
	struct held *h = s->held;
	struct window w;

	if (!stream_held(s))
		return 0;
	w = (struct window){ h->bytes, h->n, s->next - h->n, h->ops, h->n_ops };
	if (!parse(cs, c, d, &w) || w.n)
		return 0;
	stream_unhold(s, SIZE_MAX);
	return skip_hole(cs, c, d, len, why, end);
}

/* A hole where bytes were needed. */
static void gap(struct conns *cs, struct conn *c, enum sonde_dir d, uint64_t len, enum loss why,
		const struct op *end)
{
	struct stream *s = &c->s[d];
	enum proto_dir pd = conn_proto_dir(c, d);
	/* whole messages may be in a hole that the ring made, and in any hole where several are
	 * under way; they must not be taken for body */
	bool may_hide = !conn_is_multiplexed(c) &&
			(why == LOSS_RING_FULL ||
			 (pd == PROTO_RESPONSE && c->match.is_pipelined && c->match.n_pending));
	int rc = -1;

	if (s->is_cut && !s->is_resync) /* it ended where the next one was found to begin */
		message_end(cs, c, d, s->next - stream_held(s), s->last_end_ns, 0);
	if (!may_hide && s->is_cut)
		rc = 0;
	else if (!may_hide && !s->is_resync)
		rc = c->proto->gap(c->proto_state, pd, len);
	if (rc == 1 && conn_is_multiplexed(c)) {
		len -= take_front(cs, c, d, len, why, end);
		if (!len)
			return;
		rc = -1;
	}
	if (rc == 1 && !take_cut(cs, c, d))
		rc = -1;
	stream_unhold(s, SIZE_MAX);
	s->next += len;
	if (c->is_raw)
		return;
	if (rc < 0 && why == LOSS_TRUNCATED)
		c->was_truncated[pd] = true;
	if (rc < 0)
		lose(cs, c, d, s->next, why);
	else if (s->is_cut && pd == PROTO_RESPONSE)
		match_hole(cs, c, s->next, why);
}

void flow_hole(struct conns *cs, struct conn *c, enum sonde_dir d, uint64_t len, enum loss why,
	       const struct op *end)
{
	struct stream *s = &c->s[d];

	count_observed(cs, c, len);
	if (c->is_raw) {
		s->next += len;
		return;
	}
	if (c->state == CONN_UNDECIDED) {
		/* what comes behind it may be the middle of something */
		if (why == LOSS_UNKNOWN_CALL)
			conn_loss(cs, why, 1);
		c->is_fresh = false;
		c->match.is_unsure = true;
		stream_unhold(s, SIZE_MAX);
		s->next += len;
		return;
	}
	flow_hurry(cs, c, d); /* no more will come that completes it */
	len -= skip_hole(cs, c, d, len, why, end);
	if (len && c->is_raw)
		s->next += len;
	else if (len)
		gap(cs, c, d, len, why, end);
	pump(cs, c, d);
}

void flow_end(struct conns *cs, struct conn *c, enum sonde_dir d, bool in_order, uint64_t end_ns)
{
	struct stream *s = &c->s[d];
	enum proto_dir pd;

	if (s->is_ended)
		return;
	if (c->state == CONN_PARSED && !c->is_raw)
		flow_hurry(cs, c, d);
	s->is_ended = true;
	if (stream_held(s))
		s->is_resync = true; /* should it not have been the end after all */
	stream_unhold(s, SIZE_MAX);
	if (c->state != CONN_PARSED || c->is_raw || !s->is_open || !in_order)
		return;
	pd = conn_proto_dir(c, d);
	if (s->skip && s->skip != UINT64_MAX)
		return; /* cut off */
	if (s->is_cut || (c->proto->end && c->proto->end(c->proto_state, pd)))
		message_end(cs, c, d, s->next, end_ns, c->s[!d].next);
}
