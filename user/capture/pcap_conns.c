// SPDX-License-Identifier: Apache-2.0
#include "capture/pcap_conns.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "capture/pcap_again.h"
#include "capture/pcap_bytes.h"
#include "util/map.h"

struct pcap_conns {
	struct map by_hash;
	struct list used; /* oldest first */
	size_t n, max;
	size_t held; /* bytes, of all halves */
	uint64_t last_cookie;
	struct pcap_conns_stats stats;
};

/* A segment in the hand: the connection it belongs to, and which of its ends sent it. */
struct hand {
	struct pcap_conns *cs;
	struct pcap_records *r;
	struct pcap_conn *c;
	int from;
};

struct pcap_conns *pcap_conns_new(size_t max)
{
	struct pcap_conns *cs = calloc(1, sizeof(*cs));

	if (!cs)
		return NULL;
	cs->max = max ? max : PCAP_CONNS_MAX;
	list_init(&cs->used);
	return cs;
}

const struct pcap_conns_stats *pcap_conns_stats(const struct pcap_conns *cs)
{
	return &cs->stats;
}

/* --- the table --- */

static bool is_addr(const struct sonde_addr *a, const struct sonde_addr *b)
{
	return a->port == b->port && memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

/* The same for both directions. VLAN tags are no part of it: a connection that is routed between
 * two of them has another one each way. */
static uint64_t hash_of(const struct pcap_segment *seg)
{
	return pcap_hash_addr(PCAP_HASH_FIRST, &seg->from) +
	       pcap_hash_addr(PCAP_HASH_FIRST, &seg->to) + seg->family;
}

static struct pcap_conn *find(const struct pcap_conns *cs, const struct pcap_segment *seg,
			      int *from)
{
	struct pcap_conn *c = map_get(&cs->by_hash, hash_of(seg));

	for (; c; c = c->alike) {
		for (*from = 0; *from < 2; ++*from)
			if (c->family == seg->family && is_addr(&c->addr[*from], &seg->from) &&
			    is_addr(&c->addr[!*from], &seg->to))
				return c;
	}
	return NULL;
}

static void unlink_hash(struct pcap_conns *cs, struct pcap_conn *c)
{
	struct pcap_conn *first = map_get(&cs->by_hash, c->hash), **at = &first;

	while (*at != c)
		at = &(*at)->alike;
	*at = c->alike;
	if (!first)
		map_del(&cs->by_hash, c->hash);
	else
		map_put(&cs->by_hash, c->hash, first); /* the key is there: cannot fail */
}

static void conn_free(struct pcap_conns *cs, struct pcap_conn *c)
{
	unlink_hash(cs, c);
	list_del(&c->used);
	pcap_half_free(&c->half[0], &cs->held);
	pcap_half_free(&c->half[1], &cs->held);
	free(c);
	cs->n--;
}

void pcap_conns_free(struct pcap_conns *cs)
{
	if (!cs)
		return;
	while (!list_empty(&cs->used))
		conn_free(cs, LIST_ENTRY(cs->used.next, struct pcap_conn, used));
	map_free(&cs->by_hash);
	free(cs);
}

/* Forgets a connection whose end was not seen. */
static void drop(struct pcap_conns *cs, struct pcap_records *r, struct pcap_conn *c)
{
	if (c->is_open && !c->is_closed)
		pcap_records_gone(r, c);
	conn_free(cs, c);
}

static struct pcap_conn *conn_new(struct pcap_conns *cs, struct pcap_records *r,
				  const struct pcap_segment *seg)
{
	struct pcap_conn *c, *oldest;

	if (cs->n >= cs->max) {
		oldest = LIST_ENTRY(cs->used.next, struct pcap_conn, used);
		if (oldest->is_open && !oldest->is_closed)
			cs->stats.evicted++;
		drop(cs, r, oldest);
	}
	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->hash = hash_of(seg);
	c->alike = map_get(&cs->by_hash, c->hash);
	if (map_put(&cs->by_hash, c->hash, c) < 0) {
		free(c);
		return NULL;
	}
	list_push(&cs->used, &c->used);
	cs->n++;
	cs->stats.connections++;
	c->cookie[0] = ++cs->last_cookie;
	c->cookie[1] = ++cs->last_cookie;
	c->addr[0] = seg->from;
	c->addr[1] = seg->to;
	c->family = seg->family;
	c->client = PCAP_NO_END;
	return c;
}

/* --- bytes --- */

static void hand_out(struct hand *h, int from, struct pcap_piece *p)
{
	struct pcap_half *half = &h->c->half[from];

	if (seq_before(p->seq, half->next)) {
		uint32_t old = half->next - p->seq;

		pcap_piece_cut(p, old < p->len ? old : p->len);
	}
	if (!p->len)
		return;
	pcap_records_data(h->r, h->c, from, p);
	half->next = p->seq + p->len;
}

static void tear(struct hand *h, int from, uint32_t end)
{
	struct pcap_half *half = &h->c->half[from];

	h->cs->stats.holes++;
	h->cs->stats.hole_bytes += end - half->next;
	pcap_records_hole(h->r, h->c, from, end);
	half->next = end;
}

static void finish(struct hand *h, int from)
{
	struct pcap_half *half = &h->c->half[from];

	half->is_ended = true;
	pcap_half_free(half, &h->cs->held);
	pcap_records_fin(h->r, h->c, from);
	if (!h->c->half[!from].is_ended)
		return;
	pcap_records_done(h->r, h->c);
	h->c->is_closed = true;
}

/* Hands out all that is in order now. */
static void drain(struct hand *h, int from)
{
	struct pcap_half *half = &h->c->half[from];
	struct pcap_piece *p;
	uint32_t end;

	while (h->c->is_open && !half->is_ended) {
		if (half->is_fin && !seq_before(half->next, half->fin)) {
			finish(h, from);
		} else if ((p = pcap_half_take(half, &h->cs->held))) {
			hand_out(h, from, p);
			free(p);
		} else if (pcap_half_is_torn(half, &end)) {
			tear(h, from, end);
		} else {
			return;
		}
	}
}

/* Too much waits for what is missing: no longer. */
static void give_up_waiting(struct hand *h, int from)
{
	struct pcap_half *half = &h->c->half[from];

	if (!half->held)
		return;
	if (seq_before(half->next, half->held->seq))
		tear(h, from, half->held->seq);
	drain(h, from);
}

static int take_bytes(struct hand *h, struct pcap_piece *p)
{
	struct pcap_half *half = &h->c->half[h->from];
	int err;

	if (h->c->is_open && !half->held && !seq_before(half->next, p->seq)) {
		hand_out(h, h->from, p);
		return 0;
	}
	while ((err = pcap_half_hold(half, p, &h->cs->held)) == -ENOBUFS) {
		/* with its SYN, it will be sent again; or it lies behind the end */
		if (!h->c->is_open || half->is_ended)
			return 0;
		if (half->held) {
			give_up_waiting(h, h->from);
			continue;
		}
		/* others hold all that may be held */
		if (seq_before(half->next, p->seq))
			tear(h, h->from, p->seq);
		hand_out(h, h->from, p);
	}
	return err;
}

/* --- what a segment says --- */

/* Is this SYN the first of another connection between the same two ports? One that comes twice is
 * not, even where the connection has ended meanwhile. */
static bool is_another(const struct pcap_conn *c, int from, const struct pcap_segment *seg)
{
	return c->half[from].is_known && c->half[from].first != seg->seq + 1;
}

static void open_conn(struct hand *h)
{
	h->c->is_open = true;
	pcap_records_open(h->r, h->c);
}

static void take_syn(struct hand *h, const struct pcap_segment *seg)
{
	struct pcap_conn *c = h->c;
	struct pcap_half *half = &c->half[h->from], *other = &c->half[!h->from];

	if (!half->is_known)
		pcap_half_begin(half, seg->seq + 1); /* it takes a number itself */
	if (!(seg->flags & TCP_ACK)) {
		if (!c->syn_ns)
			c->syn_ns = seg->ts_ns;
		if (c->client == PCAP_NO_END)
			c->client = h->from;
		return;
	}
	if (c->client == PCAP_NO_END)
		c->client = !h->from;
	if (!other->is_known)
		pcap_half_begin(other, seg->ack);
	if (c->is_open)
		return;
	c->is_fresh = true;
	open_conn(h);
}

static void take_reset(struct hand *h, const struct pcap_segment *seg)
{
	struct pcap_conn *c = h->c;
	const struct pcap_half *to = &c->half[!h->from];

	for (int end = 0; end < 2 && c->is_open; end++) {
		struct pcap_half *half = &c->half[end];

		if (!half->is_ended && seq_before(half->next, half->acked))
			tear(h, end, half->acked);
	}
	if (c->is_open)
		pcap_records_reset(h->r, c, h->from);
	else if (c->client == !h->from && (seg->flags & TCP_ACK) &&
		 !seq_before(seg->ack, to->first) && !seq_before(to->sent, seg->ack))
		pcap_records_refused(h->r, c); /* RFC 9293, 3.10.7.3 */
	pcap_half_free(&c->half[0], &h->cs->held);
	pcap_half_free(&c->half[1], &h->cs->held);
	c->is_closed = true;
}

static int take_payload(struct hand *h, const struct pcap_segment *seg)
{
	struct pcap_half *half = &h->c->half[h->from];
	struct pcap_piece p = {
		.bytes = seg->payload.p,
		.ts_ns = seg->ts_ns,
		.seq = seg->flags & TCP_SYN ? seg->seq + 1 : seg->seq,
		.len = seg->len,
		.copied = (uint32_t)seg->payload.n,
		.ack = seg->flags & TCP_ACK ? seg->ack : h->c->half[!h->from].next,
	};
	uint32_t end = p.seq + p.len;

	if (half->is_ended)
		return 0;
	if (!pcap_half_expects(half, p.seq)) {
		h->cs->stats.strays++;
		return 0;
	}
	if (p.len > p.copied) {
		h->cs->stats.cut_segments++;
		h->cs->stats.cut_bytes += p.len - p.copied;
	}
	if (seg->flags & TCP_FIN)
		pcap_half_fin(half, end);
	if (seq_before(half->sent, end))
		half->sent = end;
	return p.len ? take_bytes(h, &p) : 0;
}

/* The first that is seen of a connection are bytes in its middle. */
static void join(struct hand *h, const struct pcap_segment *seg)
{
	struct pcap_conn *c = h->c;

	if (!c->half[h->from].is_known)
		pcap_half_begin(&c->half[h->from], seg->seq);
	if (!c->half[!h->from].is_known)
		pcap_half_begin(&c->half[!h->from], seg->ack);
	open_conn(h);
}

static int take(struct hand *h, const struct pcap_segment *seg)
{
	struct pcap_conn *c = h->c;
	int err;

	if (seg->flags & TCP_SYN)
		take_syn(h, seg);
	if (seg->flags & TCP_ACK) {
		pcap_half_acked(&c->half[!h->from], seg->ack);
		drain(h, !h->from);
	}
	if (c->is_closed)
		return 0;
	if (seg->flags & TCP_RST) {
		take_reset(h, seg);
		return 0;
	}
	if (!seg->len && !(seg->flags & TCP_FIN))
		return 0;
	if (!c->is_open && !(seg->flags & TCP_SYN))
		join(h, seg);
	err = take_payload(h, seg);
	drain(h, h->from);
	return err;
}

int pcap_conns_segment(struct pcap_conns *cs, struct pcap_records *r,
		       const struct pcap_segment *seg)
{
	struct hand h = { .cs = cs, .r = r };
	bool is_syn = seg->flags & TCP_SYN;

	/* without ACK only the first of a connection and a reset mean something */
	if (!(seg->flags & (TCP_ACK | TCP_SYN | TCP_RST)))
		return 0;
	h.c = find(cs, seg, &h.from);
	if (h.c && is_syn && is_another(h.c, h.from, seg)) {
		drop(cs, r, h.c);
		h.c = NULL;
	}
	if (!h.c) {
		if ((seg->flags & TCP_RST) || (!is_syn && !seg->len))
			return 0; /* it would tell of a connection that is over */
		h.c = conn_new(cs, r, seg);
		h.from = 0;
		if (!h.c)
			return -ENOMEM;
	}
	if (h.c->is_closed)
		return 0;
	list_del(&h.c->used);
	list_push(&cs->used, &h.c->used);
	return take(&h, seg);
}
