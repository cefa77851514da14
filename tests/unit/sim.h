/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A kernel to test against: writes down the operations of connections as records, changes them as
 * a real one might (cut, reordered, twice, lost, left out by verdict), and plays them into a table
 * of connections. What comes out is a text, a line for each transaction.
 */
#ifndef SIM_H
#define SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "sonde_abi.h"
#include "stream/conn.h"
#include "util/slice.h"

enum { SIM_CONNS = 64 };

struct sim_conn {
	uint64_t cookie;
	uint32_t seq[2];
	uint8_t role, family;
};

struct sim {
	struct sonde_ev_hdr **recs; /* owned, each in its own allocation */
	size_t n, cap;
	struct sim_conn conns[SIM_CONNS];
	size_t n_conns;
	uint64_t now_ns;
	uint32_t copy_max; /* bytes copied of an operation; 0: SONDE_COPY_MAX */
	uint16_t flags;	   /* SONDE_F_* of operations to come */
	uint16_t close_flags;
	uint32_t tgid;
};

struct sim_play {
	struct conns_opts opts;
	struct conns *conns;
	char *out; /* a line for each transaction, owned */
	size_t n_out;
	size_t n_txns;
	bool obeys; /* the kernel listens to verdicts */
	uint64_t left_out;
	struct sonde_verdict verdicts[SIM_CONNS];
	uint64_t skipped_ns[SIM_CONNS][2]; /* left out since the last record, by slot */
};

void sim_init(struct sim *s);
void sim_free(struct sim *s);
struct sim sim_copy(const struct sim *s);
void sim_append(struct sim *s, const void *rec, size_t size); /* a record made elsewhere */

/* The connection begins; positions start at `seq` of the next three. */
void sim_open(struct sim *s, uint64_t cookie, enum sonde_role role);
void sim_open_at(struct sim *s, uint64_t cookie, enum sonde_role role, enum sonde_family family,
		 uint16_t flags, uint32_t tx_seq, uint32_t rx_seq);
/* One operation. */
void sim_op(struct sim *s, uint64_t cookie, enum sonde_dir dir, struct slice bytes);
/* The same, of which the first n bytes were copied and none behind. */
void sim_op_front(struct sim *s, uint64_t cookie, enum sonde_dir dir, struct slice bytes, size_t n);
void sim_tx(struct sim *s, uint64_t cookie, const char *text);
void sim_rx(struct sim *s, uint64_t cookie, const char *text);
void sim_request(struct sim *s, uint64_t cookie, const char *text); /* by role */
void sim_response(struct sim *s, uint64_t cookie, const char *text);
void sim_repeat(struct sim *s, uint64_t cookie, enum sonde_dir dir, char c, size_t n, size_t each);
void sim_eof(struct sim *s, uint64_t cookie);
void sim_close(struct sim *s, uint64_t cookie, enum sonde_close_how how, uint32_t error);
void sim_sweep(struct sim *s, uint64_t cookie);
void sim_shed(struct sim *s, uint32_t keep); /* of every SONDE_KEEP_ALL connections */
void sim_wait(struct sim *s, uint64_t ns);   /* time passes, and a tick comes */

/* The same operations, done in pieces: of `n` bytes, or each cut in two at `at`. Times stay. */
struct sim sim_recut(const struct sim *s, size_t n);
struct sim sim_cut_at(const struct sim *s, uint64_t cookie, enum sonde_dir dir, uint32_t seq);
void sim_swap(struct sim *s, size_t i); /* records i and i + 1 */
void sim_duplicate(struct sim *s, size_t i);
/* No room in the ring for record i: the next one of its direction tells. */
void sim_lose(struct sim *s, size_t i);
void sim_remove(struct sim *s, size_t i); /* nobody tells */

void sim_play_init(struct sim_play *p);
void sim_play(struct sim_play *p, const struct sim *s, size_t from, size_t to);
void sim_play_free(struct sim_play *p);
/* All of it, from nothing; the text is the caller's to free. */
char *sim_run(const struct sim *s);

#endif
