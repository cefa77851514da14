/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ids of traces and spans. W3C asks for random ones; ours follow from what a recording holds, so
 * that its replay prints the same, through a mixer that leaves nothing of it to be seen. No two
 * requests of a host share socket, place in its stream and time; `salt` tells hosts and boots apart.
 */
#ifndef IDS_H
#define IDS_H

#include <stdint.h>

struct ids_seed {
	uint64_t salt; /* of the source: nanoseconds between the monotonic clock and the wall's */
	uint64_t cookie;
	uint64_t start_ns;
	uint32_t request_seq;
	uint32_t role; /* enum sonde_role */
};

struct ids {
	uint8_t trace_id[16]; /* of the trace that begins here, should it do so */
	uint8_t span_id[8];
};

void ids_make(const struct ids_seed *seed, struct ids *out);

#endif
