// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Process life. Name and arguments are copied at exec, so that a process that lives for a few
 * milliseconds still has both; the filter speaks here, before the process has done anything. */
#include "filter.bpf.h"
#include "thread.bpf.h"

/* Of a process that begins another program is kept where it is: should it be put elsewhere,
 * sonde_moved is told. */
static __always_inline void exec_forget(u32 tgid)
{
	u32 *known = filter.asks_where ? bpf_map_lookup_elem(&processes, &tgid) : NULL;
	u32 flags = known ? *known & (SONDE_P_INSIDE | SONDE_P_OUTSIDE) : 0;

	if (!flags || bpf_map_update_elem(&processes, &tgid, &flags, BPF_ANY))
		bpf_map_delete_elem(&processes, &tgid);
}

/* Files that were executed since the observer began, by their inode; the least recent goes. */
struct program_key {
	u64 address, inode;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct program_key);
	__type(value, u8);
} programs SEC(".maps");

/* Whether anything in a program is to be watched user space has to see before it does its first
 * work: of a file that was not executed before it is told at once. */
static __always_inline u64 wake_for(struct linux_binprm *bprm)
{
	struct inode *inode = bprm->file->f_inode;
	struct program_key key = { .address = (u64)inode, .inode = inode->i_ino };
	u8 seen = 1;

	if (bpf_map_lookup_elem(&programs, &key))
		return BPF_RB_NO_WAKEUP;
	bpf_map_update_elem(&programs, &key, &seen, BPF_ANY);
	return BPF_RB_FORCE_WAKEUP;
}

/* Threads made by observed ones, by tid: of these the end is told too. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, u32);
	__type(value, u8);
} made SEC(".maps");

static __always_inline void thread_tell(u32 tgid, u32 tid, u32 by_tid)
{
	struct sonde_ev_thread *ev = control_new(0, SONDE_EV_THREAD, sizeof(*ev));

	if (!ev)
		return;
	ev->tgid = tgid;
	ev->tid = tid;
	ev->by_tid = by_tid;
	control_submit(ev);
}

/* Another than the first thread begins a program: it is the first from here on, and its own number
 * is nobody's. */
static __always_inline void thread_renamed(u32 tgid, u32 from, u32 to)
{
	if (from != to && bpf_map_delete_elem(&made, &from) == 0)
		thread_tell(tgid, from, 0);
}

SEC("?tp_btf/sched_process_exec")
int BPF_PROG(sonde_exec, struct task_struct *task, pid_t old_pid, struct linux_binprm *bprm)
{
	u32 tgid = task->tgid, len;
	const char *filename = bprm->filename;
	struct mm_struct *mm = task->mm; /* read once: see task_at() */
	struct sonde_ev_exec *ev;

	exec_forget(tgid);
	thread_renamed(tgid, old_pid, task->pid);
	if (!filter_wants(tgid, task, filename))
		return 0;
	ev = control_new(0, SONDE_EV_EXEC, sizeof(*ev));
	if (!ev)
		return 0;
	ev->start_ns = task->start_boottime;
	ev->cgroup_id = bpf_get_current_cgroup_id();
	ev->tgid = tgid;
	ev->ppid = task->real_parent->tgid;
	ev->uid = (u32)bpf_get_current_uid_gid();
	bpf_probe_read_kernel_str(ev->comm, sizeof(ev->comm), task->comm);
	bpf_probe_read_kernel_str(ev->filename, sizeof(ev->filename), filename);
	len = mm->arg_end - mm->arg_start;
	if (len > SONDE_ARGS_MAX)
		len = SONDE_ARGS_MAX;
	asm volatile("" : "+r"(len));
	if (len > SONDE_ARGS_MAX || bpf_probe_read_user(ev->args, len, (void *)mm->arg_start))
		len = 0;
	ev->args_len = len;
	bpf_ringbuf_submit(ev, is_tls_wanted ? wake_for(bprm) : BPF_RB_NO_WAKEUP);
	return 0;
}

/* Is a child or a process that ends told of? By what is known of it. */
static __always_inline bool life_is_told(u32 flags)
{
	if (flags & SONDE_P_DECIDED && !(flags & SONDE_P_OBSERVED))
		return false;
	return !filter.asks_where || flags & SONDE_P_INSIDE;
}

/* Only threads that were at an observed operation have an account: no other makes one for a
 * request. What a Go program's threads do says nothing. */
static __always_inline void thread_made(struct task_struct *by, u32 tid)
{
	u32 tgid = by->tgid, *known = bpf_map_lookup_elem(&processes, &tgid);
	u8 is_told = 1;

	if (!by->bpf_storage || (known && *known & SONDE_P_GO) ||
	    !bpf_task_storage_get(&threads, by, NULL, 0))
		return;
	if (bpf_map_update_elem(&made, &tid, &is_told, BPF_ANY) == 0)
		thread_tell(tgid, tid, by->pid);
	else
		count(SONDE_CNT_NO_THREAD);
}

/* By itself, not with its process. */
static __always_inline void thread_ended(struct task_struct *task)
{
	u32 tid = task->pid;

	if (bpf_map_delete_elem(&made, &tid) == 0 &&
	    !(task->signal->flags & 4 /* SIGNAL_GROUP_EXIT */))
		thread_tell(task->tgid, tid, 0);
}

SEC("?tp_btf/sched_process_fork")
int BPF_PROG(sonde_fork, struct task_struct *parent, struct task_struct *child)
{
	u32 tgid = child->tgid, ppid = parent->tgid, *known, flags;
	struct sonde_ev_fork *ev;

	if (child->pid != tgid) {
		thread_made(parent, child->pid);
		return 0;
	}
	known = bpf_map_lookup_elem(&processes, &ppid);
	flags = known ? *known : 0;
	/* made in another control group than its parent's, it may be elsewhere */
	flags &= child->cgroups == parent->cgroups ? ~SONDE_P_MET : ~SONDE_P_WHERE;
	if (known)
		bpf_map_update_elem(&processes, &tgid, &flags, BPF_ANY);
	if (!life_is_told(flags) || !filter_has_pid(tgid))
		return 0;
	ev = control_new(0, SONDE_EV_FORK, sizeof(*ev));
	if (!ev)
		return 0;
	ev->start_ns = child->start_boottime;
	ev->tgid = tgid;
	ev->ppid = ppid;
	ev->ptid = parent->pid;
	ev->reserved = 0;
	bpf_probe_read_kernel_str(ev->comm, sizeof(ev->comm), child->comm);
	control_submit(ev);
	return 0;
}

/* Threads that end at one moment on several processors may each find that none is alive: the first
 * to come here speaks for all. By the lowest bits of the process's number, the one last told of. */
#define ENDED 4096

__u64 ended[ENDED];

static __always_inline bool is_told(struct task_struct *task, u32 tgid)
{
	/* a number is not given again so soon that the low half of the birth would be the same */
	u64 who = (u64)tgid << 32 | (u32)task->group_leader->start_boottime;

	return __sync_lock_test_and_set(&ended[tgid % ENDED], who) == who;
}

/* What threads used that have ended and are still on their process's list: the first of all is
 * kept there until the others are gone. */
#define THREADS_MAX 4096

struct used {
	struct list_head *at, *end;
	u64 run_ns, user_ns, system_ns, read_bytes, written_bytes;
};

static long used_add(u32 i, struct used *u)
{
	struct task_struct *t;

	if (!u->at || u->at == u->end)
		return 1;
	t = (void *)u->at - bpf_core_field_offset(struct task_struct, thread_node);
	u->run_ns += BPF_CORE_READ(t, se.sum_exec_runtime);
	u->user_ns += BPF_CORE_READ(t, utime);
	u->system_ns += BPF_CORE_READ(t, stime);
	if (bpf_core_field_exists(t->ioac.read_bytes)) {
		u->read_bytes += BPF_CORE_READ(t, ioac.read_bytes);
		u->written_bytes += BPF_CORE_READ(t, ioac.write_bytes);
	}
	u->at = BPF_CORE_READ(t, thread_node.next);
	return 0;
}

__weak __noinline int used_add_bare(struct used *u)
{
	return !is_bare || !u || used_add(0, u);
}

/* Apart as a whole: the verifier keeps each step's other way in mind until it has come to the end. */
__weak __noinline int used_all_bare(struct used *u)
{
	u32 i = 0;

	while (is_bare && i < THREADS_MAX && !used_add_bare(u))
		i++;
	return 0;
}

/* Into `u`, zero before: what all threads used, those on the list and those already let go of. A
 * thread that is let go of meanwhile would be in both sums or in none: the kernel counts such
 * moments. */
static __always_inline bool used_by(struct signal_struct *all, struct used *u)
{
	u32 moment = BPF_CORE_READ(all, stats_lock.seqcount.seqcount.sequence);

	u->end = (void *)all + bpf_core_field_offset(struct signal_struct, thread_head);
	u->at = BPF_CORE_READ(all, thread_head.next);
	u->run_ns = all->sum_sched_runtime;
	u->user_ns = all->utime;
	u->system_ns = all->stime;
	if (bpf_core_field_exists(all->ioac.read_bytes)) {
		u->read_bytes = all->ioac.read_bytes;
		u->written_bytes = all->ioac.write_bytes;
	}
	if (is_bare)
		used_all_bare(u);
	else
		bpf_loop(THREADS_MAX, used_add, u, 0);
	return !(moment & 1) && moment == BPF_CORE_READ(all, stats_lock.seqcount.seqcount.sequence);
}

/* Whose end was told: by number, when they began. Who is not waited for stays here; of processes
 * beyond, which are counted, nothing is told but their end. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, u32);
	__type(value, u64);
} parting SEC(".maps");

enum { ANCESTORS_MAX = 16 };

/* Who will wait for the children of a process that ends: the kernel's find_new_reaper(). */
static __noinline u32 reaper_of(struct task_struct *task)
{
	struct pid *pid = BPF_CORE_READ(task, thread_pid);
	u32 level = BPF_CORE_READ(pid, level);
	struct task_struct *of = task;
	struct upid *at;

	for (u32 i = 0; i < ANCESTORS_MAX; i++) {
		struct signal_struct *all;

		of = BPF_CORE_READ(of, real_parent);
		all = BPF_CORE_READ(of, signal);
		if (BPF_CORE_READ(of, thread_pid, level) != level || !BPF_CORE_READ(of, tgid))
			break;
		if (BPF_CORE_READ_BITFIELD_PROBED(all, is_child_subreaper) &&
		    BPF_CORE_READ(all, live.counter))
			return BPF_CORE_READ(of, tgid);
		if (!BPF_CORE_READ_BITFIELD_PROBED(all, has_child_subreaper))
			break;
	}
	at = (void *)pid + bpf_core_field_offset(struct pid, numbers) +
	     level * bpf_core_type_size(struct upid);
	return BPF_CORE_READ(at, ns, child_reaper, tgid);
}

/* Who waits for whom decides in whose figures a process's bytes end up, too. */
static __always_inline void tell_heirs(struct task_struct *task, struct sonde_ev_exit *ev)
{
	struct task_struct *leader = BPF_CORE_READ(task, group_leader);
	struct task_struct *parent = BPF_CORE_READ(leader, real_parent);

	ev->reaper = reaper_of(leader);
	/* one that is ending will wait for nobody */
	ev->heir = BPF_CORE_READ(parent, signal, live.counter) ? BPF_CORE_READ(parent, tgid)
							       : ev->reaper;
}

SEC("?tp_btf/sched_process_exit")
int BPF_PROG(sonde_exit, struct task_struct *task)
{
	u32 tgid = task->tgid, *known, flags;
	struct signal_struct *all = task->signal;
	struct used used = {};
	struct sonde_ev_exit *ev;
	u64 birth;

	/* none of the kernel's own; below: the last of the process, whichever it is */
	if (task->flags & PF_KTHREAD)
		return 0;
	thread_ended(task);
	if (all->live.counter != 0)
		return 0;
	if (is_told(task, tgid))
		return 0;
	known = bpf_map_lookup_elem(&processes, &tgid);
	flags = known ? *known : 0;
	if (known)
		bpf_map_delete_elem(&processes, &tgid);
	if (!life_is_told(flags) || !filter_has_pid(tgid))
		return 0;
	ev = control_new(0, SONDE_EV_EXIT, sizeof(*ev));
	if (!ev)
		return 0;
	ev->tgid = tgid;
	/* what the parent is told: of the group, or of its first thread */
	ev->code = all->flags & 4 /* SIGNAL_GROUP_EXIT */ ? all->group_exit_code
							  : task->group_leader->exit_code;
	bpf_probe_read_kernel_str(ev->comm, sizeof(ev->comm), task->group_leader->comm);
	if (all->oom_mm)
		ev->h.flags |= SONDE_F_OOM;
	if (!used_by(all, &used))
		used_by(all, &used);
	ev->run_ns = used.run_ns;
	ev->user_ns = used.user_ns;
	ev->system_ns = used.system_ns;
	ev->read_bytes = used.read_bytes;
	ev->written_bytes = used.written_bytes;
	ev->start_ns = birth = BPF_CORE_READ(task, group_leader, start_boottime);
	tell_heirs(task, ev);
	control_submit(ev);
	if (bpf_map_update_elem(&parting, &tgid, &birth, BPF_ANY))
		count(SONDE_CNT_NO_REST);
	return 0;
}

static __always_inline u64 larger(u64 a, u64 b)
{
	return a > b ? a : b;
}

/*
 * The last there is to tell of a process. Its first thread is let go of after all others, and when
 * it was waited for the kernel added it to the sums, perhaps before it had quite left its CPU: of a
 * process of one thread its own figures are the ones that are whole.
 */
SEC("?tp_btf/sched_process_free")
int BPF_PROG(sonde_rest, struct task_struct *task)
{
	u32 tgid = task->tgid;
	struct signal_struct *all;
	struct sonde_ev_rest *ev;
	u64 *birth;

	if (task->pid != tgid)
		return 0;
	birth = bpf_map_lookup_elem(&parting, &tgid);
	if (!birth || *birth != task->start_boottime)
		return 0;
	bpf_map_delete_elem(&parting, &tgid);
	ev = control_new(0, SONDE_EV_REST, sizeof(*ev));
	if (!ev)
		return 0;
	all = BPF_CORE_READ(task, signal);
	ev->tgid = tgid;
	ev->start_ns = task->start_boottime;
	ev->run_ns = larger(BPF_CORE_READ(all, sum_sched_runtime), task->se.sum_exec_runtime);
	ev->user_ns = larger(BPF_CORE_READ(all, utime), task->utime);
	ev->system_ns = larger(BPF_CORE_READ(all, stime), task->stime);
	if (bpf_core_field_exists(all->ioac.read_bytes)) {
		ev->read_bytes = BPF_CORE_READ(all, ioac.read_bytes);
		ev->written_bytes = BPF_CORE_READ(all, ioac.write_bytes);
	}
	control_submit(ev);
	return 0;
}

static __always_inline void name_group(struct task_struct *task, char name[SONDE_GROUP_LEN])
{
	struct kernfs_node *kn = memory_group(task);

	if (kn && kernfs_parent(kn))
		bpf_probe_read_kernel_str(name, SONDE_GROUP_LEN, BPF_CORE_READ(kn, name));
}

/* Runs in the thread that found no memory. Before Linux 6.10 the victim is told by its number. */
SEC("?tp_btf/mark_victim")
int BPF_PROG(sonde_oom, struct task_struct *victim)
{
	struct task_struct *asker = bpf_get_current_task_btf();
	u32 tgid = BPF_CORE_READ(victim, tgid);
	bool is_task = tgid != 0;
	struct sonde_ev_oom *ev;

	if (!is_task)
		tgid = (u32)(u64)victim;
	if (!filter_wanted(tgid))
		return 0;
	ev = control_new(0, SONDE_EV_OOM, sizeof(*ev));
	if (!ev)
		return 0;
	ev->tgid = tgid;
	ev->asker_tgid = asker->tgid;
	if (is_task)
		name_group(victim, ev->group);
	name_group(asker, ev->asker_group);
	control_submit(ev);
	return 0;
}

/* Put into another control group: what was said of where it is holds no more. Attached only where
 * that is asked for. */
SEC("?tp_btf/cgroup_attach_task")
int BPF_PROG(sonde_moved, struct cgroup *to, const char *path, struct task_struct *task)
{
	u32 tgid = task->tgid, *known = bpf_map_lookup_elem(&processes, &tgid), flags;

	if (!known || !(*known & SONDE_P_WHERE))
		return 0;
	flags = *known & ~SONDE_P_WHERE;
	bpf_map_update_elem(&processes, &tgid, &flags, BPF_ANY);
	filter_ask(tgid);
	return 0;
}

/* Run once by the observer itself, to learn its number in the root pid namespace. */
SEC("?raw_tp")
int sonde_self(void *ctx)
{
	self_tgid = bpf_get_current_pid_tgid() >> 32;
	return 0;
}
