// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The ways in that a send offers, with nothing behind them: what each costs by itself.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

SEC("tp_btf/sock_send_length")
int BPF_PROG(tracepoint, struct sock *sk, int ret, int flags)
{
	return 0;
}

SEC("fentry/tcp_sendmsg")
int BPF_PROG(function_entry, struct sock *sk, struct msghdr *msg, size_t size)
{
	return 0;
}

SEC("fexit/tcp_sendmsg")
int BPF_PROG(function_exit, struct sock *sk, struct msghdr *msg, size_t size, int ret)
{
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
