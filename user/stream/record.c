// SPDX-License-Identifier: Apache-2.0
/* One data record into bytes, holes and the end of a direction; records out of order into order. */
#include <stdlib.h>
#include <string.h>

#include "stream/conn_impl.h"

/* Where it lies: a copy of what was written piece by piece would wait for the pieces. */
static void op_make(struct op *op, const struct conn *c, uint64_t pos,
		    const struct sonde_ev_data *ev)
{
	bool is_tx = ev->dir == SONDE_TX;
	uint64_t begin = is_tx ? ev->start_ns : ev->arrival_ns;

	op->pos = pos;
	op->other_pos = stream_pos(c->s[!ev->dir].next, ev->other_seq);
	op->begin_ns = begin ? begin : ev->h.ts_ns;
	op->end_ns = is_tx && ev->sent_ns ? ev->sent_ns : ev->h.ts_ns;
	op->ts_ns = ev->h.ts_ns;
	op->goroutine = ev->goroutine;
	op->tgid = ev->tgid;
	op->tid = ev->tid;
	op->is_begin_known = begin && !(ev->h.flags & SONDE_F_START_LATE);
	op->is_tls = ev->h.flags & SONDE_F_TLS;
	op->sched = ev->sched;
	memset(op->late, 0, sizeof(op->late));
	if (is_tx || !begin || op->is_tls) /* of plaintext the positions are others */
		return;
	for (int i = 0; i < SONDE_LATE; i++) {
		int32_t before = (int32_t)(ev->late[i].seq - ev->seq);

		op->late[i].ns = ev->late[i].after_ns ? begin + ev->late[i].after_ns : 0;
		op->late[i].pos = before > 0 ? pos + (uint32_t)before : pos;
	}
}

/* What to count for bytes of an operation that were not copied, should they be needed. */
static enum loss why_not_copied(const struct sonde_ev_data *ev)
{
	if (ev->h.flags & SONDE_F_FAULT)
		return LOSS_STREAM_GAP; /* the operation itself the kernel counts */
	return ev->h.flags & SONDE_F_NO_BYTES ? LOSS_UNKNOWN_CALL : LOSS_TRUNCATED;
}

/* A FIN takes a sequence number (RFC 9293, 3.4), so the end lies one behind the last byte. */
static bool is_fin(const struct stream *s, uint64_t pos, const struct sonde_ev_data *ev)
{
	return (ev->h.flags & SONDE_F_EOF) && pos == s->next + 1 && !ev->lost;
}

/* Is the record's operation the one that brought the open message's last byte? The kernel has it
 * begin where a verdict ends when it crosses that. */
static bool crosses_verdict(const struct stream *s, uint64_t pos)
{
	return s->until == pos && s->skip == pos - s->next && s->ends_after_skip;
}

/* Does what lies before the record most likely come later in the ring? */
static bool is_early(const struct conn *c, const struct stream *s, uint64_t pos,
		     const struct sonde_ev_data *ev)
{
	if (pos <= s->next || c->is_raw || ev->lost || (ev->h.flags & SONDE_F_SKIPPED))
		return false;
	if (ev->h.flags & SONDE_F_EOF) /* nothing may come behind it */
		return !is_fin(s, pos, ev);
	return (s->is_asking || s->skip <= pos - s->next) && !crosses_verdict(s, pos);
}

static void take_gap(struct conns *cs, struct conn *c, uint64_t pos, const struct op *op,
		     const struct sonde_ev_data *ev)
{
	struct stream *s = &c->s[ev->dir];
	struct op end = *op;

	if (is_fin(s, pos, ev)) {
		s->next = pos;
		return;
	}
	if (ev->lost) {
		flow_hole(cs, c, ev->dir, pos - s->next, LOSS_RING_FULL, NULL);
		return;
	}
	/* left out by verdict or by a call without a hook (splice): it was over by then */
	if (!crosses_verdict(s, pos))
		end.end_ns = ev->skipped_ns > s->last_end_ns ? ev->skipped_ns : s->last_end_ns;
	flow_hole(cs, c, ev->dir, pos - s->next, LOSS_STREAM_GAP, &end);
}

/* The part of [pos, pos + n) that was not seen before. */
static void take_piece(struct conns *cs, struct conn *c, const struct op *op, uint64_t pos,
		       struct slice in, const struct sonde_ev_data *ev)
{
	struct stream *s = &c->s[ev->dir];
	uint64_t seen = s->next > pos ? s->next - pos : 0;

	if (seen >= in.n)
		return;
	if (in.p)
		flow_bytes(cs, c, ev->dir, op, (struct slice){ in.p + seen, in.n - seen });
	else
		flow_hole(cs, c, ev->dir, in.n - seen, why_not_copied(ev), op);
}

/* A line of ours, where it lies in what the program sent. */
static uint64_t take_injected(struct conns *cs, struct conn *c, const struct op *op, uint64_t pos,
			      const struct sonde_ev_data *ev)
{
	const uint8_t *at = ev->bytes + ev->copied + ev->tail;
	struct slice line = { at + offsetof(struct sonde_injected, line), SONDE_INJECTED_LEN };

	c->s[ev->dir].injected_pos = pos;
	take_piece(cs, c, op, pos, line, ev);
	return pos + line.n;
}

/* How many of the program's bytes are before it; SIZE_MAX: there is none. */
static size_t injected_at(const struct sonde_ev_data *ev)
{
	struct sonde_injected is;

	if (!(ev->h.flags & SONDE_F_INJECTED))
		return SIZE_MAX;
	memcpy(&is, ev->bytes + ev->copied + ev->tail, sizeof(is));
	return is.at;
}

/* What was copied, the hole behind it, and the last bytes. */
static void take_pieces(struct conns *cs, struct conn *c, const struct op *op, uint64_t pos,
			const struct sonde_ev_data *ev)
{
	size_t at = injected_at(ev), ours = at == SIZE_MAX ? 0 : SONDE_INJECTED_LEN;
	struct slice pieces[] = {
		{ ev->bytes, ev->copied },
		{ NULL, ev->len - ev->copied - ev->tail - ours },
		{ ev->bytes + ev->copied, ev->tail },
	};

	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		struct slice *in = &pieces[i];

		if (ours && at <= in->n) {
			take_piece(cs, c, op, pos, (struct slice){ in->p, at }, ev);
			pos = take_injected(cs, c, op, pos + at, ev);
			in->p = in->p ? in->p + at : NULL;
			in->n -= at;
			ours = 0;
		}
		at -= in->n;
		take_piece(cs, c, op, pos, *in, ev);
		pos += in->n;
	}
}

static void take(struct conns *cs, struct conn *c, uint64_t pos, const struct sonde_ev_data *ev)
{
	struct stream *s = &c->s[ev->dir];
	struct op op;

	op_make(&op, c, pos, ev);
	cs->in_hand = &op;
	if (pos > s->next)
		take_gap(cs, c, pos, &op, ev);
	take_pieces(cs, c, &op, pos, ev);
	if (ev->len && op.end_ns > s->last_end_ns)
		s->last_end_ns = op.end_ns;
	if (ev->skipped_ns > s->last_end_ns)
		s->last_end_ns = ev->skipped_ns;
	if (ev->h.flags & SONDE_F_EOF)
		settle_eof(cs, c, ev->dir, ev->h.ts_ns);
	cs->in_hand = NULL;
}

static void take_one(struct conns *cs, struct conn *c, enum sonde_dir d)
{
	struct parked *p = stream_unpark(&c->s[d]);

	take(cs, c, p->pos, p->ev);
	free(p);
}

/* What no longer waits for anything. */
static void take_parked(struct conns *cs, struct conn *c, enum sonde_dir d)
{
	struct stream *s = &c->s[d];

	while (s->parked && !is_early(c, s, s->parked->pos, s->parked->ev))
		take_one(cs, c, d);
}

/* Of both directions, as their operations were: an answer taken before its request, with a hole
 * before it, could be the answer to another. */
static void take_earliest(struct conns *cs, struct conn *c)
{
	const struct parked *tx = c->s[SONDE_TX].parked, *rx = c->s[SONDE_RX].parked;
	bool is_tx = !rx || (tx && tx->ev->h.ts_ns <= rx->ev->h.ts_ns);

	take_one(cs, c, is_tx ? SONDE_TX : SONDE_RX);
	take_parked(cs, c, SONDE_TX);
	take_parked(cs, c, SONDE_RX);
}

/* As many wait in that direction as can. */
static void make_room(struct conns *cs, struct conn *c, enum sonde_dir d)
{
	while (c->s[d].parked)
		take_earliest(cs, c);
}

void record_expire(struct conns *cs, struct conn *c, uint64_t now_ns)
{
	while (stream_park_expired(&c->s[SONDE_TX], now_ns) ||
	       stream_park_expired(&c->s[SONDE_RX], now_ns))
		take_earliest(cs, c);
}

void record_take(struct conns *cs, struct conn *c, const struct sonde_ev_data *ev)
{
	struct stream *s = &c->s[ev->dir];
	bool is_next; /* what its process did before has been told: none of it comes later */
	uint64_t pos;

	stream_begin(s, ev->seq);
	stream_begin(&c->s[!ev->dir], ev->other_seq);
	if (s->is_ended && !ev->len)
		return;
	s->is_ended = false; /* a receive into no room returns 0 too */
	pos = stream_pos(s->next, ev->seq);
	is_next = (ev->h.flags & SONDE_F_ALONE) && ev->tgid == c->tgid;
	c->tgid = ev->tgid;
	/* behind one that waits, also a hole that is certain has to wait its turn */
	if ((!is_next && is_early(c, s, pos, ev)) || (s->parked && pos >= s->parked->pos)) {
		if (stream_park(s, pos, ev) == 0) {
			conn_wait(cs, c);
			return;
		}
		make_room(cs, c, ev->dir);
	}
	take(cs, c, pos, ev);
	take_parked(cs, c, ev->dir);
}
