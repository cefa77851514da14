// SPDX-License-Identifier: Apache-2.0
/* Bytes of one direction, in order, to those who make messages of them. */
#include <string.h>

#include "stream/flow_impl.h"

/* Why run() stopped before the end of its window. */
enum stop {
	STOP_MORE, /* a head is not whole */
	STOP_WAIT, /* something else has to happen first */
};

void flow_count_observed(struct conns *cs, struct conn *c, uint64_t n)
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

void flow_take_skip(struct conns *cs, struct conn *c, enum sonde_dir d, uint64_t n)
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

	flow_take_skip(cs, c, d, n);
	if (s->skip == 0 && s->ends_after_skip)
		flow_message_end(cs, c, d, w->pos + n, end->end_ns, end->other_pos);
	window_advance(w, n);
	return true;
}

static void wait_for_request(struct conns *cs, struct conn *c)
{
	if (!c->hold_since_ns)
		c->hold_since_ns = cs->now_ns;
	conn_wait(cs, c);
}

/* A response ends where the next one begins, and that one may answer a request whose record is
 * still to come. A FIN takes a number of the other direction's. */
static bool is_early(const struct conn *c, enum sonde_dir d, const struct window *w)
{
	return c->s[d].is_cut && conn_proto_dir(c, d) == PROTO_RESPONSE && !c->is_impatient &&
	       w->ops[w->n_ops - 1].other_pos > c->s[!d].next + 1;
}

/* It does not begin before it could answer its request. */
static bool pass_over(const struct conn *c, enum sonde_dir d, struct window *w)
{
	const struct request *r = c->match.head;
	uint64_t n;

	if (!c->s[d].is_cut || conn_proto_dir(c, d) != PROTO_RESPONSE || !r ||
	    r->after_pos <= w->pos)
		return false;
	n = r->after_pos - w->pos;
	window_advance(w, n < w->n ? (size_t)n : w->n);
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
		wait_for_request(cs, c);
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

static int detect(struct conns *cs, struct conn *c, enum sonde_dir d, struct window *w)
{
	uint64_t newest = w->ops[w->n_ops - 1].pos;
	size_t at = newest > w->pos ? (size_t)(newest - w->pos) : 0;
	int found = detect_run(cs, c, d, (struct slice){ w->p, w->n }, &at);

	if (found)
		window_advance(w, found > 0 ? at : w->n);
	return found;
}

/*
 * The open message had asked whether to send its rest, and something was answered. What comes is
 * the rest, unless it begins a message of its own. False: not to be told yet.
 */
static bool hear_asking(struct conns *cs, struct conn *c, enum sonde_dir d, const struct window *w)
{
	struct stream *s = &c->s[d];
	struct request *r = c->match.req_open;
	int is_next = -1;

	if (w->ops[0].other_pos > s->asked_pos)
		is_next = c->proto->detect((struct slice){ w->p, w->n }, conn_proto_dir(c, d));
	if (is_next == 0 && w->n < s->skip && !c->is_impatient)
		return false;
	s->is_asking = false;
	if (is_next <= 0)
		return true;
	if (r)
		r->body_bytes -= s->skip < r->body_bytes ? s->skip : r->body_bytes;
	flow_message_end(cs, c, d, w->pos, s->last_end_ns, 0);
	return true;
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
		} else if (s->skip && s->is_asking) {
			if (!hear_asking(cs, c, d, w))
				return STOP_MORE;
		} else if (s->skip) {
			skip_bytes(cs, c, d, w);
		} else if (s->is_resync && is_early(c, d, w)) {
			wait_for_request(cs, c);
			return STOP_WAIT;
		} else if (s->is_resync && pass_over(c, d, w)) {
			continue;
		} else if (s->is_resync) {
			if (!resync(cs, c, d, w))
				return STOP_MORE;
		} else if ((!s->is_open || s->is_cut) && must_wait(cs, c, d, w)) {
			return STOP_WAIT;
		} else if (!flow_parse(cs, c, d, w)) {
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

void flow_pump(struct conns *cs, struct conn *c, enum sonde_dir d)
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
	flow_pump(cs, c, d);
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
	flow_lose(cs, c, d, s->next,
		  c->match.n_pending >= MATCH_PENDING_MAX ? LOSS_PENDING_FULL : LOSS_BUFFER_FULL);
}

void flow_bytes(struct conns *cs, struct conn *c, enum sonde_dir d, const struct op *op,
		struct slice in)
{
	struct stream *s = &c->s[d];
	struct window w = { in.p, in.n, s->next, op, 1 };

	s->next += in.n;
	flow_count_observed(cs, c, in.n);
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
	flow_pump(cs, c, d);
}
