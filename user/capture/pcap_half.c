// SPDX-License-Identifier: Apache-2.0
#include "capture/pcap_half.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "capture/pcap_bytes.h"

#define WINDOW_MAX (1u << 30)

/* What counts against the caps: an empty piece of a packet takes memory too. */
static uint32_t cost(const struct pcap_piece *p)
{
	return (uint32_t)sizeof(*p) + p->copied;
}

void pcap_half_begin(struct pcap_half *h, uint32_t seq)
{
	h->first = h->next = h->acked = h->sent = seq;
	h->is_known = true;
}

void pcap_half_acked(struct pcap_half *h, uint32_t ack)
{
	if (h->is_known && seq_before(h->acked, ack) && ack - h->acked <= WINDOW_MAX)
		h->acked = ack;
}

void pcap_half_fin(struct pcap_half *h, uint32_t seq)
{
	if (h->is_fin || seq_before(seq, h->next))
		return;
	h->fin = seq;
	h->is_fin = true;
}

void pcap_piece_cut(struct pcap_piece *p, uint32_t n)
{
	uint32_t copied = n < p->copied ? n : p->copied;

	p->seq += n;
	p->len -= n;
	p->bytes += copied;
	p->copied -= copied;
}

bool pcap_half_expects(const struct pcap_half *h, uint32_t seq)
{
	uint32_t from = seq_before(h->next, h->acked) ? h->acked : h->next;

	return (int32_t)(seq - from) <= (int32_t)WINDOW_MAX;
}

static int hold_new(struct pcap_half *h, struct pcap_piece **at, const struct pcap_piece *p,
		    uint32_t len, size_t *total)
{
	uint32_t copied = p->copied < len ? p->copied : len;
	struct pcap_piece *copy;
	uint8_t *bytes;

	if (h->n_held >= PCAP_HALF_PIECES_MAX || h->held_bytes + copied > PCAP_HALF_BYTES_MAX ||
	    *total + copied > PCAP_HELD_BYTES_MAX)
		return -ENOBUFS;
	copy = malloc(sizeof(*copy) + copied);
	if (!copy)
		return -ENOMEM;
	*copy = *p;
	bytes = (uint8_t *)(copy + 1);
	if (copied)
		memcpy(bytes, p->bytes, copied);
	copy->bytes = bytes;
	copy->len = len;
	copy->copied = copied;
	copy->next = *at;
	*at = copy;
	h->n_held++;
	h->held_bytes += cost(copy);
	*total += cost(copy);
	return 0;
}

int pcap_half_hold(struct pcap_half *h, struct pcap_piece *p, size_t *total)
{
	struct pcap_piece **at = &h->held, *held;
	uint32_t n;
	int err;

	if (seq_before(p->seq, h->next))
		pcap_piece_cut(p, h->next - p->seq < p->len ? h->next - p->seq : p->len);
	while (p->len) {
		while ((held = *at) && !seq_before(p->seq, held->seq + held->len))
			at = &held->next;
		if (held && !seq_before(p->seq, held->seq)) { /* begins inside of it */
			n = held->seq + held->len - p->seq;
			pcap_piece_cut(p, n < p->len ? n : p->len);
			continue;
		}
		n = held && held->seq - p->seq < p->len ? held->seq - p->seq : p->len;
		err = hold_new(h, at, p, n, total);
		if (err < 0)
			return err;
		at = &(*at)->next;
		pcap_piece_cut(p, n);
	}
	return 0;
}

struct pcap_piece *pcap_half_take(struct pcap_half *h, size_t *total)
{
	struct pcap_piece *p = h->held;

	if (!p || seq_before(h->next, p->seq))
		return NULL;
	h->held = p->next;
	h->n_held--;
	h->held_bytes -= cost(p);
	*total -= cost(p);
	return p;
}

bool pcap_half_is_torn(const struct pcap_half *h, uint32_t *end)
{
	const struct pcap_piece *p = h->held;

	if (!h->is_known || !seq_before(h->next, h->acked))
		return false;
	if (p) {
		*end = p->seq;
		return !seq_before(h->acked, p->seq);
	}
	/* nothing came behind it yet: the end, or so much that numbers would soon be ambiguous */
	*end = h->is_fin ? h->fin : h->acked;
	return h->is_fin ? seq_before(h->next, h->fin) && !seq_before(h->acked, h->fin)
			 : h->acked - h->next >= WINDOW_MAX / 2;
}

void pcap_half_free(struct pcap_half *h, size_t *total)
{
	while (h->held) {
		struct pcap_piece *p = h->held;

		h->held = p->next;
		*total -= cost(p);
		free(p);
	}
	h->n_held = 0;
	h->held_bytes = 0;
}
