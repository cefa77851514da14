/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Where an operation lies in its stream, when it began, and when what it received had come. */
#ifndef PLACE_BPF_H
#define PLACE_BPF_H

#include "inject.bpf.h"
#include "op.bpf.h"
#include "thread.bpf.h"

/* Several threads can read one socket: each left, under the socket's lock, where its read ended.
 * One that did not (two whose numbers clash, or sonde_read_end is off) is placed by the socket's
 * own figure, which is right unless another thread has read meanwhile: then it is said. */
static __always_inline u32 rx_end(struct op *op, const struct actor *by, u32 end, u32 len)
{
	struct conn *c = by->c;
	u32 tid = by->task->pid, i = tid & (CONN_READERS - 1);

	if (!is_alone(by->task)) {
		if (c->reader_tid[i] == tid) {
			end = c->reader_seq[i];
			c->reader_tid[i] = 0;
		} else if (len && c->rx_next && c->rx_next != end - len) {
			op->marks |= SONDE_F_RACED;
			count(SONDE_CNT_RACED);
		}
		c->rx_next = end;
	}
	return end;
}

/* Is the beginning that was noted this send's? The end of one that the kernel left out (see
 * hold.bpf.h) leaves its beginning behind; but what one thread sends ends where the stream does. */
static __always_inline bool has_begun(const struct actor *by, const struct tcp_at *at, u32 len)
{
	const struct conn *c = by->c;

	if (!c->tx_start_ns || c->tx_tid != by->task->pid)
		return false;
	return c->tx_seq + len == at->tx_next || !is_alone(by->task);
}

/* What of a send the program does not know of. */
static __noinline u32 injected_of(struct op *op, const struct actor *by, u32 end, u32 len)
{
	const struct conn *c = by->c;
	u32 begun = c->tx_tid == by->task->pid && c->tx_start_ns ? c->tx_seq : 0;
	u32 n = injected(op->sk, end, len, begun);

	if (n)
		op->marks |= SONDE_F_INJECTED;
	return n;
}

/* Where an operation, or the first of several that one call made, lies in its stream. `len`: of all
 * of them. */
static __always_inline void place(struct op *op, const struct actor *by, const struct tcp_at *at,
				  u32 len)
{
	struct conn *c = by->c;

	op->is_tcp = true;
	op->wstamp_ns = at->wstamp_ns;
	op->is_sent = at->snd_nxt == at->tx_next;
	if (op->dir == SONDE_RX) {
		op->seq = rx_end(op, by, at->rx_next, len) - len;
		op->other_seq = at->tx_next;
		return;
	}
	if (is_propagating)
		len += injected_of(op, by, at->tx_next, len);
	if (has_begun(by, at, len)) {
		op->seq = c->tx_seq;
		op->other_seq = c->tx_other;
		op->start_ns = c->tx_start_ns;
	} else {
		op->seq = at->tx_next - len;
		op->other_seq = at->rx_next;
	}
	if (c->tx_tid == by->task->pid)
		c->tx_start_ns = 0;
}

/* One more segment of a receive: a message that begins there did not arrive before. */
static __always_inline void late_add(struct sonde_ev_data *ev, u32 seq, u64 after_ns)
{
	struct sonde_late *l = &ev->late[ev->late[0].after_ns != 0];

	if (l->after_ns)
		return; /* no room: it counts as the one before */
	l->after_ns = after_ns < U32_MAX ? after_ns : U32_MAX;
	l->seq = seq;
}

/* When a receive's first byte had arrived; `late`, unless NULL, is told of the others. */
static __always_inline u64 rx_arrivals(struct conn *c, struct sock *sk, u32 seq, u32 end,
				       struct sonde_ev_data *late)
{
	u64 arrival = 0;
	u32 from = seq;

	for (int i = 0; i < CONN_MARKS; i++) {
		u32 at = c->marks_out & (CONN_MARKS - 1);

		if (c->marks_out == c->marks_in)
			break;
		if (sk && c->flags & CONN_OWN_SEQ) {
			/* no positions: what waited, waited since the oldest mark */
			arrival = arrival ?: c->mark_ns[at];
			if (sock_at(sk)->sk_receive_queue.qlen)
				break;
		} else if ((s32)(c->mark_seq[at] - seq) > 0) {
			if (!arrival)
				arrival = c->mark_ns[at];
			else if (late && (s32)(from - end) < 0)
				late_add(late, from, c->mark_ns[at] - arrival);
			from = c->mark_seq[at];
			if ((s32)(from - end) > 0)
				break;
		}
		c->marks_out++;
	}
	return arrival;
}

static __always_inline u64 rx_arrival(struct conn *c, struct sock *sk, u32 seq, u32 end)
{
	return rx_arrivals(c, sk, seq, end, NULL);
}

/* What only a send knows: its start, and when its last byte left. */
static __always_inline void fill_tx(struct sonde_ev_data *ev, const struct op *op)
{
	u64 now = ev->h.ts_ns, left = op->wstamp_ns;

	ev->sent_ns = op->sent_ns ?: now;
	ev->start_ns = op->start_ns;
	if (!op->is_tcp) {
		if (!op->start_ns)
			ev->h.flags |= SONDE_F_START_LATE;
		return;
	}
	if (!ev->start_ns) {
		ev->start_ns = left && left < now ? left : now;
		ev->h.flags |= SONDE_F_START_LATE;
	}
	if (op->is_sent && left < now)
		ev->sent_ns = left > ev->start_ns ? left : ev->start_ns;
}

#endif
