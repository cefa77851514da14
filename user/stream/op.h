/* SPDX-License-Identifier: Apache-2.0 */
/* One operation (a send or receive) as the streams see it: where it lies and when it was. */
#ifndef OP_H
#define OP_H

#include <stdbool.h>
#include <stdint.h>
#include "sonde_abi.h"

/* Positions are sequence numbers carried on beyond 2^32, so that they compare as numbers. */
struct op {
	uint64_t pos;	    /* of its first byte */
	uint64_t other_pos; /* where the other direction was when it began */
	uint64_t begin_ns;  /* its first byte: in the socket to be read, taken to be sent */
	/* what was there to be read later than that: by when, from where on; ns 0: nothing */
	struct op_late {
		uint64_t ns, pos;
	} late[SONDE_LATE];
	uint64_t end_ns; /* its last byte: read, sent */
	uint64_t ts_ns;	 /* completion */
	uint64_t goroutine;
	uint32_t tgid;
	uint32_t tid;
	bool is_begin_known; /* else begin_ns is that of the completion */
	bool is_tls;
	struct sonde_sched sched; /* of its thread, at completion */
};

#endif
