// SPDX-License-Identifier: Apache-2.0
/*
 * Too much for the CPU allowed: a part of the connections is left out, whole, so that what is told
 * of the others stays exact. The kernel hears of it by verdict and copies nothing more.
 */
#include "stream/conn_impl.h"

/* The same for both ends of a TCP connection: a request is seen at both or at neither. */
static uint32_t share_of(const struct conn *c)
{
	uint64_t key = c->family == SONDE_FAMILY_UNIX ? c->cookie : c->local.port ^ c->peer.port;

	/* Fibonacci hashing: the middle of the product of a key and the golden ratio of 2^64 */
	return (uint32_t)(key * 0x9e3779b97f4a7c15ULL >> 40) % SONDE_KEEP_ALL;
}

void shed_decide(struct conns *cs, struct conn *c)
{
	if (c->is_shed || share_of(c) < cs->stats.keep)
		return;
	c->is_shed = true;
	cs->stats.shed++;
	conn_give_up(cs, c, CONN_UNKNOWN, LOSS_SHED);
	steer(cs, c);
}

void conns_shed(struct conns *cs, const struct sonde_ev_shed *ev)
{
	bool is_less = ev->keep < cs->stats.keep;

	cs->now_ns = ev->h.ts_ns;
	cs->stats.keep = ev->keep;
	if (!is_less)
		return;
	for (struct conn *c = cs->newest; c; c = c->older)
		shed_decide(cs, c);
}
