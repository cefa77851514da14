// SPDX-License-Identifier: Apache-2.0
/* What the end of a connection, or of one of its directions, ends. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "stream/conn_impl.h"

/* Why the requests outstanding will never be answered, and since when. */
struct verdict {
	const char *error_type;
	uint64_t end_ns;
};

static const char *reset_error(uint32_t error)
{
	return error == ETIMEDOUT ? "timeout" : "connection_reset";
}

static struct verdict server_verdict(const struct conn *c, bool is_reset, uint32_t error,
				     uint64_t ts_ns)
{
	if (is_reset && !c->local_ns)
		return (struct verdict){ reset_error(error), ts_ns };
	return (struct verdict){ c->peer_ns ? "client_closed" : "connection_reset",
				 c->local_ns ? c->local_ns : ts_ns };
}

/* A client that gives up its own request is no error. */
static struct verdict client_verdict(const struct conn *c, bool is_reset, uint32_t error,
				     uint64_t ts_ns)
{
	bool peer_first = c->peer_ns && (!c->local_ns || c->peer_ns <= c->local_ns);

	if (c->is_eof || peer_first)
		return (struct verdict){ "connection_reset", c->peer_ns };
	if (is_reset && !c->local_ns)
		return (struct verdict){ reset_error(error), ts_ns };
	return (struct verdict){ "", c->local_ns ? c->local_ns : ts_ns };
}

static void settle_response(struct conns *cs, struct conn *c, struct response *resp,
			    const struct verdict *v)
{
	const struct stream *s = &c->s[conn_dir(c, PROTO_RESPONSE)];
	uint64_t missing = resp == c->match.resp_open && s->skip != UINT64_MAX ? s->skip : 0;
	/* where it ended nobody could tell, and nobody says that it had not */
	bool is_over = s->is_cut && !v->error_type[0];

	if (resp->is_emitted && conn_is_multiplexed(c))
		emit_stream_of(cs, c, resp, v->end_ns);
	if (!resp->req || resp->is_emitted)
		return;
	resp->end_pos = s->next;
	/* what its framing promised and never came */
	resp->bytes -= missing < resp->bytes ? missing : resp->bytes;
	resp->body_bytes -= missing < resp->body_bytes ? missing : resp->body_bytes;
	emit_exchange(cs, c, resp->req, resp, v->error_type, is_over ? s->last_end_ns : v->end_ns);
}

/* Behind an answer that said it is the last one, whoever closes first does what was agreed: nobody
 * gave up the requests that had been sent ahead. They are lost from then on. */
static struct verdict unanswered(const struct conn *c, const struct request *r, struct verdict v)
{
	uint64_t last_ns = c->match.last_ns;

	if (!last_ns || strcmp(v.error_type, "timeout") == 0)
		return v;
	return (struct verdict){ "connection_reset",
				 last_ns > r->start_ns ? last_ns : r->start_ns };
}

/* Requests outstanding become transactions: none of them will be answered any more. */
static void settle(struct conns *cs, struct conn *c, bool is_reset, uint32_t error, uint64_t ts_ns)
{
	struct match *m = &c->match;
	struct verdict v;

	emit_stream(cs, c, ts_ns);
	if (c->state != CONN_PARSED || c->is_raw)
		return;
	v = c->role == SONDE_ROLE_SERVER ? server_verdict(c, is_reset, error, ts_ns)
					 : client_verdict(c, is_reset, error, ts_ns);
	for (struct response *resp = match_next_open(m, NULL); resp;
	     resp = match_next_open(m, resp))
		settle_response(cs, c, resp, &v);
	for (const struct request *r = m->head; r; r = r->next) {
		struct verdict own = unanswered(c, r, v);

		emit_exchange(cs, c, r, NULL, own.error_type, own.end_ns);
	}
	match_drop(cs, c, LOSS_MAX);
}

/* Brings a direction to where the kernel says it ended. */
static void run_to(struct conns *cs, struct conn *c, enum sonde_dir d, uint32_t seq, uint32_t lost,
		   uint64_t last_ns)
{
	struct stream *s = &c->s[d];
	struct op end = { .other_pos = c->s[!d].next };
	uint64_t pos;

	if (!s->is_known || s->is_ended)
		return;
	pos = stream_pos(s->next, seq);
	if (last_ns > s->last_end_ns)
		s->last_end_ns = last_ns;
	end.end_ns = s->last_end_ns;
	if (pos <= s->next || (pos == s->next + 1 && !lost)) /* a FIN takes a sequence number */
		return;
	flow_hole(cs, c, d, pos - s->next, lost ? LOSS_RING_FULL : LOSS_STREAM_GAP,
		  lost ? NULL : &end);
}

void settle_eof(struct conns *cs, struct conn *c, enum sonde_dir d, uint64_t ts_ns)
{
	if (d != SONDE_RX)
		return;
	c->is_eof = true;
	if (!c->peer_ns)
		c->peer_ns = ts_ns;
	flow_end(cs, c, SONDE_RX, true, c->s[SONDE_RX].last_end_ns);
	if (c->role == SONDE_ROLE_CLIENT)
		settle(cs, c, false, 0, ts_ns);
}

/* Do bytes that the kernel counts in this direction's end have yet to be told of? */
static bool is_behind(const struct conn *c, enum sonde_dir d, uint32_t seq, uint32_t lost)
{
	const struct stream *s = &c->s[d];

	return s->is_known && !s->is_ended && !lost && stream_pos(s->next, seq) > s->next + 1;
}

/* And are they needed? */
static bool is_missing(const struct conn *c, enum sonde_dir d, uint32_t seq, uint32_t lost)
{
	const struct stream *s = &c->s[d];

	return is_behind(c, d, seq, lost) && s->skip < stream_pos(s->next, seq) - s->next;
}

/* May a client that waits for an answer still read it, though where its stream ends does not say
 * so? What the peer sent before a reset; what it has in the socket when both sides have shut down
 * theirs; and plaintext, of which nobody knows how much is in the bytes that have yet to be read. */
static bool may_be_read(const struct conn *c, const struct sonde_ev_close *ev)
{
	if (c->role != SONDE_ROLE_CLIENT || c->s[SONDE_RX].is_ended)
		return false;
	if (ev->error && c->local_ns)
		return false;
	if (!ev->error &&
	    (ev->how != SONDE_CLOSE_DONE || !(c->is_tls || ev->h.flags & SONDE_F_UNREAD)))
		return false;
	return c->match.head || c->match.resp_open || c->match.others;
}

/*
 * A connection dies in the middle of operations: a send whose bytes the peer refuses is over, and
 * seen, after the reset that it brought about, even if none of it is needed: it would be taken for
 * a connection of its own. And what the peer sent before may still be read.
 */
static bool may_come(const struct conn *c, const struct sonde_ev_close *ev)
{
	if (c->is_raw)
		return false;
	if (ev->error ? is_behind(c, SONDE_TX, ev->tx_seq, ev->lost_tx)
		      : is_missing(c, SONDE_TX, ev->tx_seq, ev->lost_tx))
		return true;
	if (ev->how == SONDE_CLOSE_LOCAL)
		return false;
	if (is_missing(c, SONDE_RX, ev->rx_seq, ev->lost_rx))
		return true;
	return may_be_read(c, ev);
}

static bool settle_now(struct conns *cs, struct conn *c, const struct sonde_ev_close *ev)
{
	bool is_reset = ev->error != 0; /* else this end aborted it (unread data, linger 0) */

	record_expire(cs, c, UINT64_MAX);
	run_to(cs, c, SONDE_TX, ev->tx_seq, ev->lost_tx, ev->last_tx_ns);
	flow_end(cs, c, SONDE_TX, !is_reset, c->s[SONDE_TX].last_end_ns);
	if (ev->how == SONDE_CLOSE_LOCAL) {
		if (c->role == SONDE_ROLE_SERVER)
			settle(cs, c, false, 0, ev->h.ts_ns);
		return false;
	}
	run_to(cs, c, SONDE_RX, ev->rx_seq, ev->lost_rx, ev->last_rx_ns);
	flow_end(cs, c, SONDE_RX, c->peer_ns != 0, c->s[SONDE_RX].last_end_ns);
	settle(cs, c, is_reset, ev->error, ev->h.ts_ns);
	return true;
}

static bool wait_for_rest(struct conns *cs, struct conn *c, const struct sonde_ev_close *ev)
{
	if (!c->leaving)
		c->leaving = malloc(sizeof(*c->leaving));
	if (!c->leaving)
		return false;
	*c->leaving = *ev;
	conn_wait(cs, c);
	return true;
}

/* Where the streams end is told of the plaintext or of what was on the wire; of the other one it
 * says nothing. */
static struct sonde_ev_close as_of_streams(const struct conn *c, const struct sonde_ev_close *ev)
{
	struct sonde_ev_close own = *ev;

	if (c->is_tls == !!(ev->h.flags & SONDE_F_TLS))
		return own;
	own.tx_seq = (uint32_t)c->s[SONDE_TX].next;
	own.rx_seq = (uint32_t)c->s[SONDE_RX].next;
	own.lost_tx = own.lost_rx = 0;
	return own;
}

static bool close_ends(struct conns *cs, struct conn *c, const struct sonde_ev_close *ev)
{
	if (ev->how == SONDE_CLOSE_PEER) {
		/* what it sent before may still be unread: the end of that stream comes later */
		if (!c->peer_ns)
			c->peer_ns = ev->h.ts_ns;
		return false;
	}
	if (ev->how == SONDE_CLOSE_LOCAL && !c->local_ns)
		c->local_ns = ev->h.ts_ns;
	if (may_come(c, ev) && wait_for_rest(cs, c, ev))
		return false;
	free(c->leaving);
	c->leaving = NULL;
	return settle_now(cs, c, ev);
}

bool settle_close(struct conns *cs, struct conn *c, const struct sonde_ev_close *ev)
{
	struct sonde_ev_close own = as_of_streams(c, ev);

	return close_ends(cs, c, &own);
}

bool settle_again(struct conns *cs, struct conn *c, uint64_t now_ns)
{
	struct sonde_ev_close ev;

	if (!c->leaving)
		return false;
	ev = *c->leaving;
	if (may_come(c, &ev) && ev.h.ts_ns + STREAM_PARKED_NS > now_ns)
		return false;
	free(c->leaving);
	c->leaving = NULL;
	return settle_now(cs, c, &ev);
}

void settle_gone(struct conns *cs, struct conn *c)
{
	/* it did say goodbye, and nothing comes any more */
	if (c->leaving && c->leaving->how != SONDE_CLOSE_LOCAL) {
		settle_again(cs, c, UINT64_MAX);
		return;
	}
	record_expire(cs, c, UINT64_MAX);
	/* a TCP socket says goodbye, so its goodbye was lost, and maybe more with it */
	if (c->family != SONDE_FAMILY_UNIX) {
		match_drop(cs, c, LOSS_RESPONSE_MISSING);
		return;
	}
	flow_end(cs, c, SONDE_TX, true, c->s[SONDE_TX].last_end_ns);
	flow_end(cs, c, SONDE_RX, c->peer_ns != 0, c->s[SONDE_RX].last_end_ns);
	settle(cs, c, false, 0, c->last_ns);
}
