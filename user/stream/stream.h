/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One direction of a connection: positions, the bytes held back because a head is not whole yet or
 * its request is not known yet, and the records that came before those that belong before them.
 * Order comes from sequence numbers alone. What bytes mean is flow's business.
 *
 *      consumed            held             parked
 *   ---------------+------------------+   +---------+
 *                  next - held->n     next
 */
#ifndef STREAM_H
#define STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "sonde_abi.h"
#include "stream/op.h"

enum {
	STREAM_PARKED_MAX = 32, /* records */
	STREAM_PARKED_BYTES = 256 * 1024,
	STREAM_OPS_MAX = 1024, /* operations the held bytes may come from */
};

/* Longest wait for a record that is out of order: its thread may have lost the CPU between the
 * operation and its record, and the ring may not be read as fast as it fills. */
#define STREAM_PARKED_NS (1000 * 1000 * 1000ULL)

struct held {
	uint8_t *bytes;
	size_t n, cap;
	struct op *ops; /* that the bytes came from, by position */
	size_t n_ops, cap_ops;
};

struct parked {
	struct parked *next; /* by position, later ones */
	uint64_t pos;
	struct sonde_ev_data *ev; /* behind this struct, in the same allocation */
};

struct stream {
	uint64_t first; /* position where we came to know it */
	uint64_t next;	/* position behind the last byte received in order */
	uint64_t skip;	/* bytes of the open message that need not be seen; UINT64_MAX: all */
	uint64_t until; /* the verdict in force: position, 0 none */
	uint64_t injected_pos; /* of the last line that is ours and not the program's; 0 none */
	uint64_t failed_pos;   /* where parsing failed last: resync must get past it */
	uint64_t asked_pos;    /* is_asking: where the other direction was then */
	uint64_t last_end_ns;  /* end of the last operation seen */
	struct held *held;     /* NULL when no bytes wait */
	struct parked *parked; /* NULL when none waits */
	uint32_t parked_bytes;
	uint16_t n_parked;
	bool is_known;	      /* next means something */
	bool is_ended;	      /* no more bytes will come */
	bool is_resync;	      /* framing was lost: look for the next message */
	bool is_open;	      /* a message has begun and not ended */
	bool is_cut;	      /* the open message ends where the next one begins */
	bool is_upgrade;      /* after the open message both directions are something else */
	bool is_asking;	      /* whether skip will come at all (MSG_ASKS); nothing of it has yet */
	bool ends_after_skip; /* the open message ends when skip is used up */
};

/* The position that a sequence number stands for, being the nearest one to `near`. */
static inline uint64_t stream_pos(uint64_t near, uint32_t seq)
{
	return near + (uint64_t)(int64_t)(int32_t)(seq - (uint32_t)near);
}

/* Positions begin above 2^32, so that the nearest to any of them is never negative. */
static inline uint64_t stream_first_pos(uint32_t seq)
{
	return (1ULL << 32) + seq;
}

static inline void stream_begin(struct stream *s, uint32_t seq)
{
	if (s->is_known)
		return;
	s->first = s->next = stream_first_pos(seq);
	s->is_known = true;
}

static inline size_t stream_held(const struct stream *s)
{
	return s->held ? s->held->n : 0;
}

/* Appends bytes that came with `op`. 0, -ENOMEM, or -ENOBUFS beyond `max`. */
int stream_hold(struct stream *s, const struct op *op, const uint8_t *p, size_t n, size_t max);
void stream_unhold(struct stream *s, size_t n); /* forgets the first n */
/* All held bytes belong to one head that is not whole: of their operations only the first, which
 * is where the head begins, will ever be asked for. */
void stream_merge_ops(struct stream *s);

/* Keeps a copy of a record until what is missing before it has come. 0, -ENOMEM, or -ENOBUFS when
 * too much waits already. */
int stream_park(struct stream *s, uint64_t pos, const struct sonde_ev_data *ev);
struct parked *stream_unpark(struct stream *s); /* the first; caller frees; NULL: none */
bool stream_park_expired(const struct stream *s, uint64_t now_ns);

void stream_free(struct stream *s); /* what it owns */

#endif
