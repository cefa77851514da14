/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* How much of an operation is wanted: what user space has said of its connection. */
#ifndef VERDICT_BPF_H
#define VERDICT_BPF_H

#include "copy.bpf.h"
#include "session.bpf.h"

enum {
	RUN_MAX = 64 * 1024, /* copied in one direction without a verdict */
	RUN_COPY = 256,	     /* then, of each operation */
};

/* Does the verdict leave out everything up to here, of a connection whose streams are TCP's own?
 * Whoever is told no asks obey_verdict(), which knows the rest. */
static __always_inline bool verdict_skips(const struct conn *c, u32 dir, u32 end)
{
	u32 slot = c->slot;
	struct sonde_verdict *v;

	if ((c->flags & (CONN_OPENED | CONN_OWN_SEQ | CONN_TLS)) != CONN_OPENED ||
	    (is_tls_wanted && c->tls != TLS_NO))
		return false;
	v = bpf_map_lookup_elem(&verdicts, &slot);
	if (!v || v->cookie != c->cookie || v->until[0] & SONDE_SHED)
		return false;
	return v->until[dir] & SONDE_UNTIL && (s32)((u32)v->until[dir] - end) > 0;
}

static __always_inline void leave_out(struct conn *c, u32 dir, u64 now)
{
	c->skipped_ns[dir] = now;
	count(SONDE_CNT_SKIPPED);
}

/* How much to copy. 0: the operation is left out. */
static __always_inline bool obey_verdict(struct sonde_ev_data *ev, struct conn *c, u32 *from,
					 u32 *want, u32 *whole)
{
	u32 dir = ev->dir & 1, slot = c->slot, cap = 0, end = ev->seq + ev->len;
	struct sonde_verdict *v = bpf_map_lookup_elem(&verdicts, &slot);

	*from = 0;
	if (v && v->cookie == (c->flags & CONN_TLS ? c->cookie | SONDE_VERDICT_TLS : c->cookie)) {
		u64 until = v->until[dir];

		cap = v->copy[dir];
		if (v->until[0] & SONDE_SHED) {
			c->flags = (c->flags | CONN_DECIDED) & ~CONN_OBSERVED;
			return false;
		}
		/* the end of a stream is never left out */
		if (until & SONDE_UNTIL && ev->len) {
			s32 ahead = (s32)((u32)until - ev->seq);

			if ((s32)((u32)until - end) > 0)
				return false;
			if (ahead > 0)
				*from = ahead;
		}
	}
	*want = ev->len - *from;
	if (c->last_dir != dir) {
		c->last_dir = dir;
		c->run = 0;
	}
	if (c->run > RUN_MAX && cap < SONDE_COPY_MAX && !c->is_framed)
		cap = RUN_COPY;
	*whole = cap > SONDE_COPY_MAX || c->is_framed;
	if (!cap || *whole)
		cap = SONDE_COPY_MAX;
	if (*want > cap)
		*want = cap;
	c->run += *want;
	return true;
}

#endif
