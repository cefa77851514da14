// SPDX-License-Identifier: Apache-2.0
#include "stream/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void held_free(struct held *h)
{
	if (!h)
		return;
	free(h->bytes);
	free(h->ops);
	free(h);
}

static int held_grow_bytes(struct held *h, size_t need)
{
	size_t cap = h->cap ? h->cap : 2048;
	uint8_t *bytes;

	if (need <= h->cap)
		return 0;
	while (cap < need)
		cap *= 2;
	bytes = realloc(h->bytes, cap);
	if (!bytes)
		return -ENOMEM;
	h->bytes = bytes;
	h->cap = cap;
	return 0;
}

static int held_add_op(struct held *h, const struct op *op)
{
	if (h->n_ops && h->ops[h->n_ops - 1].pos == op->pos)
		return 0;
	if (h->n_ops == STREAM_OPS_MAX)
		return -ENOBUFS;
	if (h->n_ops == h->cap_ops) {
		size_t cap = h->cap_ops ? h->cap_ops * 2 : 2;
		struct op *ops = realloc(h->ops, cap * sizeof(*ops));

		if (!ops)
			return -ENOMEM;
		h->ops = ops;
		h->cap_ops = cap;
	}
	h->ops[h->n_ops++] = *op;
	return 0;
}

int stream_hold(struct stream *s, const struct op *op, const uint8_t *p, size_t n, size_t max)
{
	struct held *h = s->held;
	int err;

	if (n == 0)
		return 0;
	if (!h) {
		h = s->held = calloc(1, sizeof(*h));
		if (!h)
			return -ENOMEM;
	}
	if (h->n + n > max)
		return -ENOBUFS;
	if (held_grow_bytes(h, h->n + n) < 0)
		return -ENOMEM;
	err = held_add_op(h, op);
	if (err < 0)
		return err;
	memcpy(h->bytes + h->n, p, n);
	h->n += n;
	return 0;
}

void stream_unhold(struct stream *s, size_t n)
{
	struct held *h = s->held;
	uint64_t first;
	size_t i = 0;

	if (!h)
		return;
	if (n >= h->n) {
		held_free(h);
		s->held = NULL;
		return;
	}
	if (n == 0)
		return;
	memmove(h->bytes, h->bytes + n, h->n - n);
	h->n -= n;
	/* the operation of the first byte that stays, and later ones */
	first = s->next - h->n;
	while (i + 1 < h->n_ops && h->ops[i + 1].pos <= first)
		i++;
	h->n_ops -= i;
	memmove(h->ops, h->ops + i, h->n_ops * sizeof(*h->ops));
}

void stream_merge_ops(struct stream *s)
{
	if (s->held && s->held->n_ops > 1)
		s->held->n_ops = 1;
}

static uint32_t size_of(const struct sonde_ev_data *ev)
{
	uint32_t injected = ev->h.flags & SONDE_F_INJECTED ? sizeof(struct sonde_injected) : 0;

	return (uint32_t)sizeof(*ev) + ev->copied + ev->tail + injected;
}

int stream_park(struct stream *s, uint64_t pos, const struct sonde_ev_data *ev)
{
	size_t bytes = size_of(ev);
	struct parked **at = &s->parked, *p;

	if (s->n_parked >= STREAM_PARKED_MAX || s->parked_bytes + bytes > STREAM_PARKED_BYTES)
		return -ENOBUFS;
	p = malloc(sizeof(*p) + bytes);
	if (!p)
		return -ENOMEM;
	p->pos = pos;
	p->ev = memcpy(p + 1, ev, bytes);
	while (*at && (*at)->pos <= pos)
		at = &(*at)->next;
	p->next = *at;
	*at = p;
	s->n_parked++;
	s->parked_bytes += bytes;
	return 0;
}

struct parked *stream_unpark(struct stream *s)
{
	struct parked *p = s->parked;

	if (p) {
		s->parked = p->next;
		s->n_parked--;
		s->parked_bytes -= size_of(p->ev);
	}
	return p;
}

bool stream_park_expired(const struct stream *s, uint64_t now_ns)
{
	for (const struct parked *p = s->parked; p; p = p->next)
		if (now_ns >= STREAM_PARKED_NS && p->ev->h.ts_ns <= now_ns - STREAM_PARKED_NS)
			return true;
	return false;
}

void stream_free(struct stream *s)
{
	struct parked *p;

	while ((p = stream_unpark(s)))
		free(p);
	held_free(s->held);
	s->held = NULL;
}
