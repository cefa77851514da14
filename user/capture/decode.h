/* SPDX-License-Identifier: Apache-2.0 */
/* From raw record to checked struct: the only place that believes nothing about a record. */
#ifndef DECODE_H
#define DECODE_H

#include <stddef.h>
#include "sonde_abi.h"

/* A checked record: the size fits the kind, lengths fit the size, strings are terminated, enums
 * are in range, and `ev` is aligned for access. Borrowed from the caller's bytes. */
union decoded {
	const struct sonde_ev_hdr *h;
	const struct sonde_ev_open *open;
	const struct sonde_ev_data *data;
	const struct sonde_ev_close *close;
	const struct sonde_ev_connect *connect;
	const struct sonde_ev_exec *exec;
	const struct sonde_ev_fork *fork;
	const struct sonde_ev_exit *exit;
	const struct sonde_ev_datagram *datagram;
	const struct sonde_ev_process *process;
	const struct sonde_ev_handover *handover;
	const struct sonde_ev_met *met;
	const struct sonde_ev_thread *thread;
	const struct sonde_ev_rest *rest;
	const struct sonde_ev_oom *oom;
	const struct sonde_ev_tick *tick;
	const struct sonde_ev_sweep *sweep;
	const struct sonde_ev_shed *shed;
	const struct sonde_ev_lost *lost;
	const struct sonde_ev_address *address;
	const struct sonde_ev_resolved *resolved;
};

/* 0, or -EBADMSG when the bytes are no record of this contract, -ENOTSUP for a kind that is not
 * known (a newer recording: the caller skips it and counts). */
int decode(const void *rec, size_t size, union decoded *out);

#endif
