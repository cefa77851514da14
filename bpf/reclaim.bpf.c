// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* How long processes stood still to make room in memory, the host's or their control group's: added
 * up by process, each stall as it ends. */
#include "filter.bpf.h"

enum { RECLAIMS_MAX = 16384, STALLED_MAX = 4096 };

/* By process. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, RECLAIMS_MAX);
	__type(key, u32);
	__type(value, u64);
} reclaims SEC(".maps");

/* Since when a thread stands still, by its number. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, STALLED_MAX);
	__type(key, u32);
	__type(value, u64);
} stalled SEC(".maps");

static __always_inline int stall_begins(void)
{
	struct task_struct *task = bpf_get_current_task_btf();
	u64 now = bpf_ktime_get_ns();
	u32 tid = task->pid;

	/* what the kernel's own threads reclaim nobody waits for */
	if (task->flags & PF_KTHREAD || !filter_wanted(task->tgid))
		return 0;
	if (bpf_map_update_elem(&stalled, &tid, &now, BPF_ANY))
		count(SONDE_CNT_NO_TALLY);
	return 0;
}

static __always_inline int stall_ends(void)
{
	struct task_struct *task = bpf_get_current_task_btf();
	u32 tid = task->pid, tgid = task->tgid;
	u64 *since, *sum, ns, zero = 0;

	since = bpf_map_lookup_elem(&stalled, &tid);
	if (!since)
		return 0;
	ns = bpf_ktime_get_ns() - *since;
	bpf_map_delete_elem(&stalled, &tid);
	sum = tally_of(&reclaims, &tgid, &zero);
	if (sum)
		__sync_fetch_and_add(sum, ns);
	return 0;
}

SEC("?tp_btf/mm_vmscan_direct_reclaim_begin")
int BPF_PROG(sonde_reclaim)
{
	return stall_begins();
}

SEC("?tp_btf/mm_vmscan_direct_reclaim_end")
int BPF_PROG(sonde_reclaim_end)
{
	return stall_ends();
}

SEC("?tp_btf/mm_vmscan_memcg_reclaim_begin")
int BPF_PROG(sonde_reclaim_group)
{
	return stall_begins();
}

SEC("?tp_btf/mm_vmscan_memcg_reclaim_end")
int BPF_PROG(sonde_reclaim_group_end)
{
	return stall_ends();
}
