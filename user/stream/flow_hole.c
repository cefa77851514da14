// SPDX-License-Identifier: Apache-2.0
/* Bytes that nobody saw, and the end of a direction. */
#include "stream/flow_impl.h"

/* The part of a hole that the open message skips anyway. Returns how much that is. */
static uint64_t skip_hole(struct conns *cs, struct conn *c, enum sonde_dir d, uint64_t len,
			  enum loss why, const struct op *end)
{
	struct stream *s = &c->s[d];
	uint64_t n = s->skip < len ? s->skip : len;

	if (n == 0)
		return 0;
	s->is_asking = false;
	flow_take_skip(cs, c, d, n);
	s->next += n;
	if (s->skip || !s->ends_after_skip)
		return n;
	if (!end && conn_proto_dir(c, d) == PROTO_RESPONSE) {
		/* its last byte was in a record that is lost: when it was sent is not known */
		match_response_lost(cs, c, why == LOSS_RING_FULL ? LOSS_RESPONSE_MISSING : why);
	}
	flow_message_end(cs, c, d, s->next, end ? end->end_ns : 0, end ? end->other_pos : 0);
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
	if (!flow_parse(cs, c, d, &w) || !s->is_cut)
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
	if (!flow_parse(cs, c, d, &w) || w.n)
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
		flow_message_end(cs, c, d, s->next - stream_held(s), s->last_end_ns, 0);
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
		flow_lose(cs, c, d, s->next, why);
	else if (s->is_cut && pd == PROTO_RESPONSE)
		match_hole(cs, c, s->next, why);
}

void flow_hole(struct conns *cs, struct conn *c, enum sonde_dir d, uint64_t len, enum loss why,
	       const struct op *end)
{
	struct stream *s = &c->s[d];

	flow_count_observed(cs, c, len);
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
	flow_pump(cs, c, d);
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
		flow_message_end(cs, c, d, s->next, end_ns, c->s[!d].next);
}
