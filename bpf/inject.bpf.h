/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What propagate.bpf.c has put into a send, for whoever makes the send's record. Both run in the
 * thread that sends, one within its call and one at its end, so the thread is the key.
 */
#ifndef INJECT_BPF_H
#define INJECT_BPF_H

#include "sonde.bpf.h"

struct injection {
	u64 sk;
	u32 seq; /* of the send's first byte */
	u32 reserved;
	struct sonde_injected is;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1); /* set at load */
	__type(key, u32);
	__type(value, struct injection);
} injections SEC(".maps") __weak;

/* Asked for. */
const volatile __u32 is_propagating __weak = 0;

/* How much longer than `len`, what the program said, the send is that ended at `end`; `begun` is
 * where it is known to have begun, or 0. One whose end was not seen leaves something behind, which
 * does not fit. */
static __always_inline u32 injected(u64 sk, u32 end, u32 len, u32 begun)
{
	u32 tid = (u32)bpf_get_current_pid_tgid();
	struct injection *in = bpf_map_lookup_elem(&injections, &tid);

	if (!in)
		return 0;
	if (in->sk == sk && (in->seq + SONDE_INJECTED_LEN + len == end || in->seq == begun))
		return SONDE_INJECTED_LEN;
	bpf_map_delete_elem(&injections, &tid);
	return 0;
}

/* Takes what was put into the thread's send. */
static __always_inline bool injected_take(struct sonde_injected *out)
{
	u32 tid = (u32)bpf_get_current_pid_tgid();
	struct injection *in = bpf_map_lookup_elem(&injections, &tid);

	if (!in)
		return false;
	*out = in->is;
	bpf_map_delete_elem(&injections, &tid);
	return true;
}

#endif
