// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "capture/probe_parts.h"

enum {
	SOCKET = 1 << PROBE_TIER_SOCKET,
	SYSCALL = 1 << PROBE_TIER_SYSCALL,
	BOTH = SOCKET | SYSCALL
};

const struct probe_feature probe_features[] = {
	{ "sonde_send", "tp_btf/sock_send_length", "bytes sent", SOCKET, true, ALWAYS, false },
	{ "sonde_recv", "tp_btf/sock_recv_length", "bytes received", SOCKET, true, ALWAYS, false },
	{ "sonde_syscall", "tp_btf/sys_exit", "bytes sent and received", SYSCALL, true, ALWAYS,
	  false },
	{ "sonde_state", "tp_btf/inet_sock_set_state",
	  "who connects, failed connects, ends of connections", BOTH, false, ALWAYS, false },
	{ "sonde_arrival", "tp_btf/sk_data_ready", "when a request arrived, before it was read",
	  SOCKET, false, ALWAYS, true },
	{ "sonde_send_start", "tp_btf/tcp_sendmsg_locked", "the true start of a send", BOTH, false,
	  BY_CLIENTS_AND_THREADS, true },
	{ "sonde_read_end", "tp_btf/tcp_rcv_space_adjust",
	  "the order of reads by several threads on one socket", BOTH, false, BY_THREADS, true },
	{ "sonde_switch", "tp_btf/sched_switch", "what the thread of a request waited for", BOTH,
	  false, ALWAYS, true },
	{ "sonde_exec", "tp_btf/sched_process_exec",
	  "names of processes that live for milliseconds", BOTH, false, ALWAYS, false },
	{ "sonde_fork", "tp_btf/sched_process_fork", "whose child a process is", BOTH, false,
	  ALWAYS, false },
	{ "sonde_exit", "tp_btf/sched_process_exit", "ends of processes", BOTH, false, ALWAYS,
	  false },
	{ "sonde_rest", "tp_btf/sched_process_free", "the CPU time of processes to their very end",
	  BOTH, false, ALWAYS, true },
	{ "sonde_oom", "tp_btf/mark_victim", "who wanted the memory that others are killed for",
	  BOTH, false, ALWAYS, true },
	{ "sonde_reset_in", "tp_btf/tcp_receive_reset", "TCP resets received", BOTH, false, ALWAYS,
	  true },
	{ "sonde_reset_out", "tp_btf/tcp_send_reset", "TCP resets sent", BOTH, false, ALWAYS,
	  true },
	{ "sonde_tcp_walk", "iter/task_file", "TCP figures of open connections, accept queues",
	  BOTH, false, ALWAYS, true },
	{ "sonde_disk", "tp_btf/block_rq_complete", "how long disks take", BOTH, false, ALWAYS,
	  true },
	{ "sonde_disk_start", "tp_btf/block_io_start", "which service a disk worked for", BOTH,
	  false, ALWAYS, true },
	{ "sonde_reclaim", "tp_btf/mm_vmscan_direct_reclaim_begin",
	  "stalls of processes that have to make room in the host's memory", BOTH, false, ALWAYS,
	  true },
	{ "sonde_reclaim_end", "tp_btf/mm_vmscan_direct_reclaim_end", "their ends", BOTH, false,
	  ALWAYS, true },
	{ "sonde_reclaim_group", "tp_btf/mm_vmscan_memcg_reclaim_begin",
	  "stalls of processes that have to make room in their control group's memory", BOTH, false,
	  ALWAYS, true },
	{ "sonde_reclaim_group_end", "tp_btf/mm_vmscan_memcg_reclaim_end", "their ends", BOTH,
	  false, ALWAYS, true },
};

const struct probe_pair probe_pairs[] = {
	{ "sonde_state", "sonde_state_again", true },
	{ "sonde_arrival", "sonde_arrival_again", false },
	{ "sonde_reset_in", "sonde_reset_in_again", true },
	{ "sonde_reset_out", "sonde_reset_out_again", true },
};

static const char *const tls_programs[PROBE_TLS_MAX] = {
	[PROBE_TLS_ENTRY] = "sonde_tls_entry",
	[PROBE_TLS_END] = "sonde_tls_end",
	[PROBE_TLS_BOTH] = "sonde_tls_both",
	[PROBE_TLS_GO] = "sonde_go_tls",
};

struct bpf_program *probe_program_of(const struct sonde_bpf *skel, size_t feature)
{
	return bpf_object__find_program_by_name(skel->obj, probe_features[feature].name);
}

size_t probe_pair_of(size_t feature)
{
	size_t n = 0;

	while (n < PROBE_PAIRS && strcmp(probe_pairs[n].first, probe_features[feature].name) != 0)
		n++;
	return n;
}

struct bpf_program *probe_second_of(const struct sonde_bpf *skel, size_t feature)
{
	size_t n = probe_pair_of(feature);

	return n < PROBE_PAIRS ? bpf_object__find_program_by_name(skel->obj, probe_pairs[n].second)
			       : NULL;
}

bool probe_is_of_tier(const struct probe *p, size_t feature)
{
	return probe_features[feature].tiers & 1U << p->tier;
}

struct bpf_program *probe_tls_program_of(const struct sonde_bpf *skel, enum probe_tls which)
{
	return bpf_object__find_program_by_name(skel->obj, tls_programs[which]);
}
