// SPDX-License-Identifier: Apache-2.0
#include "capture/pcap_records.h"

#include <errno.h>
#include <string.h>

#include "capture/pcap_again.h"
#include "capture/pcap_bytes.h"

static void put(struct pcap_records *r, const void *rec, size_t size)
{
	r->n++;
	if (r->fn(r->ctx, rec, size))
		r->is_stopped = true;
}

static uint8_t role_of(const struct pcap_conn *c, int end)
{
	if (c->client == PCAP_NO_END)
		return SONDE_ROLE_UNKNOWN;
	return c->client == end ? SONDE_ROLE_CLIENT : SONDE_ROLE_SERVER;
}

void pcap_records_open(struct pcap_records *r, const struct pcap_conn *c)
{
	for (int end = 0; end < 2; end++) {
		struct sonde_ev_open ev = {
			.h = { SONDE_EV_OPEN, c->is_fresh ? SONDE_F_FRESH : 0, sizeof(ev),
			       r->now_ns },
			.cookie = c->cookie[end],
			.connect_ns = c->client == end ? c->syn_ns : 0,
			.established_ns = c->is_fresh ? r->now_ns : 0,
			.local = c->addr[end],
			.peer = c->addr[!end],
			.tx_seq = c->half[end].next,
			.rx_seq = c->half[!end].next,
			.family = c->family,
			.role = role_of(c, end),
		};

		put(r, &ev, sizeof(ev));
	}
}

/* How far `end` has got with what it sends, as its peer finds it when it reads. */
static uint32_t sent_by(const struct pcap_conn *c, int end)
{
	const struct pcap_half *h = &c->half[end];

	return seq_before(h->sent, h->acked) ? h->acked : h->sent;
}

/* ev: what both ends have in common. The sender's W is what it had acknowledged with this very
 * segment; the receiver's is what the capture has seen of it: docs/architecture.md, Matching. */
static void put_both(struct pcap_records *r, const struct pcap_conn *c, int from,
		     struct sonde_ev_data *ev, uint64_t sent_ns, uint32_t ack)
{
	ev->h.kind = SONDE_EV_DATA;
	ev->h.size = (uint32_t)sizeof(*ev) + ev->copied;

	ev->dir = SONDE_TX;
	ev->cookie = c->cookie[from];
	ev->h.ts_ns = ev->start_ns = ev->sent_ns = sent_ns;
	ev->arrival_ns = 0;
	ev->other_seq = ack;
	put(r, ev, ev->h.size);

	ev->dir = SONDE_RX;
	ev->cookie = c->cookie[!from];
	ev->start_ns = ev->sent_ns = 0;
	/* when the process read it, and so how long it waited to be read, nobody knows */
	ev->h.flags |= SONDE_F_START_LATE;
	/* clocks of captures may step back */
	ev->h.ts_ns = ev->arrival_ns = r->now_ns > sent_ns ? r->now_ns : sent_ns;
	ev->other_seq = sent_by(c, !from);
	put(r, ev, ev->h.size);
}

void pcap_records_data(struct pcap_records *r, const struct pcap_conn *c, int from,
		       const struct pcap_piece *p)
{
	struct sonde_ev_data *ev = (struct sonde_ev_data *)r->buffer;
	struct pcap_piece rest = *p;

	while (rest.len) { /* what the card was to segment can be longer than a record */
		uint32_t n = rest.copied > SONDE_COPY_MAX ? SONDE_COPY_MAX : rest.copied;

		memset(ev, 0, sizeof(*ev));
		ev->seq = rest.seq;
		ev->copied = n;
		ev->len = n < rest.copied ? n : rest.len;
		if (n)
			memcpy(ev->bytes, rest.bytes, n);
		put_both(r, c, from, ev, p->ts_ns, p->ack);
		pcap_piece_cut(&rest, ev->len);
	}
}

void pcap_records_hole(struct pcap_records *r, const struct pcap_conn *c, int from, uint32_t end)
{
	struct sonde_ev_data ev = { .seq = end, .lost = 1 };

	put_both(r, c, from, &ev, r->now_ns, c->half[!from].next);
}

static void put_close(struct pcap_records *r, const struct pcap_conn *c, int end,
		      enum sonde_close_how how, uint32_t error)
{
	struct sonde_ev_close ev = {
		.h = { SONDE_EV_CLOSE, 0, sizeof(ev), r->now_ns },
		.cookie = c->cookie[end],
		.tx_seq = c->half[end].next,
		.rx_seq = c->half[!end].next,
		.error = error,
		.how = how,
	};

	put(r, &ev, sizeof(ev));
}

void pcap_records_fin(struct pcap_records *r, const struct pcap_conn *c, int from)
{
	struct sonde_ev_data eof = {
		.h = { SONDE_EV_DATA, SONDE_F_EOF, sizeof(eof), r->now_ns },
		.cookie = c->cookie[!from],
		.seq = c->half[from].next,
		.other_seq = sent_by(c, !from),
		.dir = SONDE_RX,
	};

	put_close(r, c, from, SONDE_CLOSE_LOCAL, 0);
	put_close(r, c, !from, SONDE_CLOSE_PEER, 0);
	/* who ended before has closed, as far as can be seen, and reads no more */
	if (!c->half[!from].is_ended)
		put(r, &eof, sizeof(eof));
}

void pcap_records_reset(struct pcap_records *r, const struct pcap_conn *c, int from)
{
	put_close(r, c, from, SONDE_CLOSE_RESET, 0);
	put_close(r, c, !from, SONDE_CLOSE_RESET, ECONNRESET);
}

void pcap_records_done(struct pcap_records *r, const struct pcap_conn *c)
{
	put_close(r, c, 0, SONDE_CLOSE_DONE, 0);
	put_close(r, c, 1, SONDE_CLOSE_DONE, 0);
}

void pcap_records_gone(struct pcap_records *r, const struct pcap_conn *c)
{
	for (int end = 0; end < 2; end++) {
		struct sonde_ev_sweep ev = {
			.h = { SONDE_EV_SWEEP, 0, sizeof(ev), r->now_ns },
			.cookie = c->cookie[end],
		};

		put(r, &ev, sizeof(ev));
	}
}

void pcap_records_refused(struct pcap_records *r, const struct pcap_conn *c)
{
	struct sonde_ev_connect ev = {
		.h = { SONDE_EV_CONNECT, 0, sizeof(ev), r->now_ns },
		.cookie = c->cookie[c->client],
		.connect_ns = c->syn_ns,
		.local = c->addr[c->client],
		.peer = c->addr[!c->client],
		.error = ECONNREFUSED,
		.family = c->family,
	};

	put(r, &ev, sizeof(ev));
}

/* Unlike any of a connection, which count from 1. */
static uint64_t socket_cookie(const struct sonde_addr *a, uint8_t family)
{
	return pcap_hash_addr(PCAP_HASH_FIRST + family, a) | 1ULL << 63;
}

void pcap_records_datagram(struct pcap_records *r, const struct pcap_segment *seg)
{
	struct sonde_ev_datagram *ev = (struct sonde_ev_datagram *)r->buffer;
	size_t n = seg->payload.n < SONDE_DATAGRAM_MAX ? seg->payload.n : SONDE_DATAGRAM_MAX;

	memset(ev, 0, sizeof(*ev));
	ev->h = (struct sonde_ev_hdr){ SONDE_EV_DATAGRAM, 0, (uint32_t)(sizeof(*ev) + n),
				       seg->ts_ns };
	ev->family = seg->family;
	ev->len = seg->len;
	ev->copied = (uint32_t)n;
	if (n)
		memcpy(ev->bytes, seg->payload.p, n);

	ev->dir = SONDE_TX;
	ev->cookie = socket_cookie(&seg->from, seg->family);
	ev->local = seg->from;
	ev->peer = seg->to;
	put(r, ev, ev->h.size);

	ev->dir = SONDE_RX;
	ev->cookie = socket_cookie(&seg->to, seg->family);
	ev->local = seg->to;
	ev->peer = seg->from;
	put(r, ev, ev->h.size);
}

void pcap_records_tick(struct pcap_records *r, uint64_t now_ns)
{
	struct sonde_ev_tick ev = {
		.h = { SONDE_EV_TICK, 0, sizeof(ev), now_ns },
	};

	put(r, &ev, sizeof(ev));
}
