// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Switches of observed threads: when each loses its CPU, why, and when it gets one again. */
#include "arch.bpf.h"
#include "thread.bpf.h"

#define S_IFMT	 0170000
#define S_IFSOCK 0140000
#define S_IFREG	 0100000
#define S_IFBLK	 0060000

/* What a read or a write sleeps for: its descriptor says. */
static __always_inline u32 why_file(struct task_struct *task, u32 fd)
{
	struct fdtable *fdt = BPF_CORE_READ(task, files, fdt);
	struct file **files = BPF_CORE_READ(fdt, fd), *file = NULL;
	u16 mode;

	if (fd >= BPF_CORE_READ(fdt, max_fds) ||
	    bpf_probe_read_kernel(&file, sizeof(file), files + fd))
		return SONDE_WAIT_OTHER;
	mode = BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT;
	if (mode == S_IFSOCK)
		return SONDE_WAIT_NETWORK;
	return mode == S_IFREG || mode == S_IFBLK ? SONDE_WAIT_DISK : SONDE_WAIT_OTHER;
}

/* Why a thread goes to sleep: the system call it is in says. */
static __always_inline u32 why_asleep(struct task_struct *task)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
	u32 nr = CALL_NR(regs);

	if ((s32)nr < 0)
		return SONDE_WAIT_FAULT;
	if (BPF_CORE_READ_BITFIELD(task, in_iowait))
		return SONDE_WAIT_DISK;
	if (TASK_IS_COMPAT(task))
		return SONDE_WAIT_OTHER;
	switch (nr) {
	case NR_FUTEX:
	case NR_FUTEX_WAIT:
	case NR_FUTEX_WAITV: return SONDE_WAIT_LOCK;
	case NR_SENDTO:
	case NR_SENDMSG:
	case NR_SENDMMSG:
	case NR_RECVFROM:
	case NR_RECVMSG:
	case NR_RECVMMSG:
	case NR_CONNECT:
	case NR_ACCEPT:
	case NR_ACCEPT4:
	case NR_PPOLL:
#ifdef NR_POLL
	case NR_POLL:
	case NR_SELECT:
#endif
	case NR_PSELECT6: return SONDE_WAIT_NETWORK;
	case NR_NANOSLEEP:
	case NR_CLOCK_NANOSLEEP: return SONDE_WAIT_SLEEP;
	case NR_FSYNC:
	case NR_FDATASYNC: return SONDE_WAIT_DISK;
	case NR_READ:
	case NR_WRITE:
	case NR_READV:
	case NR_WRITEV:
	case NR_PREAD64:
	case NR_PWRITE64:
	case NR_PREADV2:
	case NR_PWRITEV2: return why_file(task, CALL_ARG1(regs));
	default: return SONDE_WAIT_OTHER;
	}
}

/* Its quota is spent: since Linux 6.18 a thread is told so itself, before that its queue is. */
static __always_inline bool is_throttled(struct task_struct *task)
{
	struct cfs_rq *q;

	if (bpf_core_field_exists(task->throttled))
		return task->throttled;
	if (!bpf_core_field_exists(task->se.cfs_rq) ||
	    !bpf_core_field_exists(struct cfs_rq, throttle_count))
		return false;
	q = task->se.cfs_rq;
	return q->throttle_count > 0;
}

/* The thread that leaves is still the one that runs. */
static __always_inline void leave(struct thread *t, struct task_struct *task, bool preempt, u64 now)
{
	if (thread_is_behind(t))
		thread_catch_up(t, now);
	t->off_ns = now;
	t->run_delay_ns = task->sched_info.run_delay;
	t->exec_ns = task->se.sum_exec_runtime;
	t->queue = NULL;
	t->quota_ns = quota_of(task, &t->queue);
	t->is_throttled = is_throttled(task);
	t->why = preempt || !task->__state ? SONDE_WAIT_RUNQUEUE : why_asleep(task);
}

/* `now`: 0, the clock was not read yet. */
static __always_inline void arrive(struct thread *t, u64 now)
{
	if (!t->off_ns)
		return;
	t->on_ns = now ?: bpf_ktime_get_ns();
	t->away_ns += t->on_ns - t->off_ns;
	t->off_ns = 0;
}

/* Out of the way of the switches of threads that nobody observes. */
static __noinline int switched(struct task_struct *prev, struct task_struct *next, bool preempt)
{
	struct thread *t = NULL;
	u64 now = 0;

	if (prev->bpf_storage)
		t = bpf_task_storage_get(&threads, prev, NULL, 0);
	if (t) {
		now = bpf_ktime_get_ns();
		leave(t, prev, preempt, now);
		t = NULL;
	}
	if (next->bpf_storage)
		t = bpf_task_storage_get(&threads, next, NULL, 0);
	if (t)
		arrive(t, now);
	return 0;
}

SEC("?tp_btf/sched_switch")
int BPF_PROG(sonde_switch, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	if (prev->bpf_storage || next->bpf_storage)
		switched(prev, next, preempt);
	return 0;
}
