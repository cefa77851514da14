/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the files that run a direction's bytes; nobody else includes it.
 *   flow.c       bytes in order        flow_message.c  what a protocol made of them
 *   flow_hole.c  holes, and the end
 */
#ifndef FLOW_IMPL_H
#define FLOW_IMPL_H

#include "stream/conn_impl.h"

/* Contiguous bytes at a position, and the operations they came with. */
struct window {
	const uint8_t *p;
	size_t n;
	uint64_t pos;
	const struct op *ops; /* the first is that of the first byte */
	size_t n_ops;
};

static inline const struct op *op_at(const struct window *w, uint64_t pos)
{
	size_t i = 0;

	while (i + 1 < w->n_ops && w->ops[i + 1].pos <= pos)
		i++;
	return &w->ops[i];
}

static inline void window_advance(struct window *w, size_t n)
{
	w->p += n;
	w->n -= n;
	w->pos += n;
	while (w->n_ops > 1 && w->ops[1].pos <= w->pos) {
		w->ops++;
		w->n_ops--;
	}
}

static inline void count_attributed(struct conns *cs, struct conn *c, uint64_t n)
{
	cs->stats.bytes_attributed[c->proto->id] += n;
}

/* flow.c */
void flow_count_observed(struct conns *cs, struct conn *c, uint64_t n);
/* n bytes of what the open message skips went by. */
void flow_take_skip(struct conns *cs, struct conn *c, enum sonde_dir d, uint64_t n);
/* What direction d brought may be what the other one waited for. */
void flow_pump(struct conns *cs, struct conn *c, enum sonde_dir d);

/* flow_message.c */
/* The next part of a message off the front of the window. False: the head is not whole. */
bool flow_parse(struct conns *cs, struct conn *c, enum sonde_dir d, struct window *w);
/* The open message ended at `pos`. */
void flow_message_end(struct conns *cs, struct conn *c, enum sonde_dir d, uint64_t pos,
		      uint64_t end_ns, uint64_t other_pos);
/* Framing is lost: nothing before `pos` can be understood any more. */
void flow_lose(struct conns *cs, struct conn *c, enum sonde_dir d, uint64_t pos, enum loss why);

#endif
