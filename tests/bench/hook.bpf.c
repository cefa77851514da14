// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * What a hook costs on this machine before a program does anything, and what the parts cost that
 * capture cannot do without: the figures of capture are read against these.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

enum { HEAD_BYTES = 128, RECORD_BYTES = 272 };

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} ring SEC(".maps");

/* Where in the process that sends there are bytes. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u64);
} bytes SEC(".maps");

u64 sink;
char head[RECORD_BYTES];

SEC("tp_btf/sock_send_length")
int BPF_PROG(empty, struct sock *sk, int ret, int flags)
{
	return 0;
}

SEC("tp_btf/sock_send_length")
int BPF_PROG(clock, struct sock *sk, int ret, int flags)
{
	sink = bpf_ktime_get_ns();
	return 0;
}

SEC("tp_btf/sock_send_length")
int BPF_PROG(user_copy, struct sock *sk, int ret, int flags)
{
	u32 zero = 0;
	u64 *at = bpf_map_lookup_elem(&bytes, &zero);

	if (at)
		bpf_probe_read_user(head, HEAD_BYTES, (void *)*at);
	return 0;
}

SEC("tp_btf/sock_send_length")
int BPF_PROG(ring_record, struct sock *sk, int ret, int flags)
{
	bpf_ringbuf_output(&ring, head, RECORD_BYTES, BPF_RB_NO_WAKEUP);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
