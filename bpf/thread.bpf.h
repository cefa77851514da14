/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What an observed thread waited for. Its account is opened at its first observed operation; from
 * then on each time it loses and gets a CPU is written there (sched.bpf.c), and each of its records
 * carries the sums. Threads without an account cost one look at the task.
 */
#ifndef THREAD_BPF_H
#define THREAD_BPF_H

#include "delay.bpf.h"

#define EEXIST 17

struct thread {
	u64 on_ns;	  /* got the CPU it is on */
	u64 off_ns;	  /* lost its CPU; 0: has one */
	u64 away_ns;	  /* length of the last time without, not told apart yet */
	u64 run_delay_ns; /* the scheduler's own account of waits for a CPU, when it lost its */
	u64 exec_ns;	  /* how long it had run by then */
	u64 quota_ns;	  /* how long its queue had been throttled by then */
	struct cfs_rq *queue;
	u32 why; /* enum sonde_wait: why it left the CPU */
	u32 is_throttled;
	u64 wait_ns[SONDE_WAIT_MAX];
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct thread);
} threads SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, u32);
	__type(value, struct sonde_offcpu);
} offcpus SEC(".maps") __weak;

static const struct sonde_offcpu no_offcpu; /* too large for a stack */

/* Switches are watched; written by user space once they are. */
__u32 switches_seen __weak;

/* How long the thread's queue has been throttled for want of quota, in all. */
static __always_inline u64 quota_of(struct task_struct *task, struct cfs_rq **queue)
{
	struct cfs_rq *q;

	if (!bpf_core_field_exists(task->se.cfs_rq) ||
	    !bpf_core_field_exists(struct cfs_rq, throttled_clock_self_time))
		return 0;
	q = task->se.cfs_rq;
	*queue = q;
	return q->throttled_clock_self_time;
}

static __always_inline void offcpu_delay(struct sonde_offcpu *o, u64 ns)
{
	__sync_fetch_and_add(&o->delays[delay_bucket(ns)], 1);
	if (ns)
		__sync_fetch_and_add(&o->wait_ns[SONDE_WAIT_RUNQUEUE], ns);
}

/* The same for the whole process, for whoever asks for no request. */
static __always_inline void offcpu_add(u32 tgid, u32 why, u64 slept, u64 throttled, u64 delay)
{
	struct sonde_offcpu *o = bpf_map_lookup_elem(&offcpus, &tgid);

	if (!o)
		return;
	if (slept)
		__sync_fetch_and_add(&o->wait_ns[why & (SONDE_WAIT_MAX - 1)], slept);
	if (throttled)
		__sync_fetch_and_add(&o->wait_ns[SONDE_WAIT_THROTTLED], throttled);
	/* one that was given its CPU on the spot has waited for nothing, and counts */
	if (delay || !throttled)
		offcpu_delay(o, delay);
}

/* An account is opened, maybe the first of its process. */
static __always_inline void thread_open(struct thread *t, u32 tgid, u64 now)
{
	long err = bpf_map_update_elem(&offcpus, &tgid, &no_offcpu, BPF_NOEXIST);

	t->on_ns = now;
	if (err && err != -EEXIST)
		count(SONDE_CNT_NO_STORAGE);
}

/* The switch that gave it its CPU was not seen: nobody says that a tracepoint never is passed by.
 * It was away for as long as it neither ran nor was seen to leave; ready, as the scheduler says. */
static __always_inline void thread_return(struct thread *t, struct task_struct *task, u64 now)
{
	u64 passed = now - t->off_ns, ran = task->se.sum_exec_runtime - t->exec_ns;

	if (t->why == SONDE_WAIT_RUNQUEUE)
		t->away_ns = task->sched_info.run_delay - t->run_delay_ns;
	else
		t->away_ns = passed - ran;
	if (t->away_ns > passed)
		t->away_ns = passed;
	t->off_ns = 0;
	t->on_ns = now;
}

/*
 * Tells the last time without a CPU apart, of the thread that runs. The scheduler knows how long of
 * it the thread was ready to run, as soon as it runs again; the rest it slept. Ready while its
 * group's quota was spent is throttled: as long as its queue was, if it has been the same.
 */
static __always_inline void thread_settle(struct thread *t, struct task_struct *task, u64 now)
{
	u64 away, ready, throttled = 0;
	struct cfs_rq *queue = NULL;

	if (t->off_ns)
		thread_return(t, task, now);
	away = ready = t->away_ns;
	if (!away)
		return;
	t->away_ns = 0;
	if (t->why != SONDE_WAIT_RUNQUEUE) {
		ready = task->sched_info.run_delay - t->run_delay_ns;
		if (ready > away)
			ready = away;
	}
	if (ready) {
		u64 quota = quota_of(task, &queue);

		if (t->is_throttled)
			throttled = ready;
		if (queue && queue == t->queue && quota - t->quota_ns < ready)
			throttled = quota - t->quota_ns;
	}
	t->wait_ns[SONDE_WAIT_THROTTLED] += throttled;
	t->wait_ns[SONDE_WAIT_RUNQUEUE] += ready - throttled;
	t->wait_ns[t->why & (SONDE_WAIT_MAX - 1)] += away - ready;
	offcpu_add(task->tgid, t->why, away - ready, throttled, ready - throttled);
}

/* Brings the account of the thread that runs up to now. Global: see copy.bpf.h; and the last in a
 * row of calls whose frames have to fit into what Linux 6.1 has for all of them together. */
__weak __noinline int thread_catch_up(struct thread *t, u64 now)
{
	struct task_struct *task = bpf_get_current_task_btf();

	if (!t)
		return 0;
	if (!t->on_ns)
		thread_open(t, task->tgid, now);
	thread_settle(t, task, now);
	return 0;
}

/* Has it been without a CPU since it was asked last, or is it new? */
static __always_inline bool thread_is_behind(const struct thread *t)
{
	return !t->on_ns || t->off_ns || t->away_ns;
}

/* The accounts of the thread that runs, for a record made now. */
static __always_inline void read_sched(struct task_struct *task, u64 now, struct sonde_sched *out)
{
	struct thread *t = NULL;

	if (switches_seen)
		t = bpf_task_storage_get(&threads, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!t) {
		__builtin_memset(out, 0, sizeof(*out));
		return;
	}
	if (thread_is_behind(t))
		thread_catch_up(t, now);
	out->on_ns = t->on_ns;
	__builtin_memcpy(out->wait_ns, t->wait_ns, sizeof(out->wait_ns));
}

#endif
