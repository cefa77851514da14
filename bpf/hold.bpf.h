/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Holding the CPU. Since Linux 7.0 a program at a tracepoint can lose it to another thread; until
 * it is given back the kernel leaves out every run of that program there, and the operations of
 * those threads are not seen. Older kernels never let that happen and are asked for nothing. A
 * program at a function of a process can lose it anywhere, and another thread run the same program
 * on that CPU at once: where the kernel gives it one stack per CPU (6.13, from 64 bytes on) each
 * would write over the other's.
 */
#ifndef HOLD_BPF_H
#define HOLD_BPF_H

#include "sonde.bpf.h"

extern void bpf_preempt_disable(void) __ksym __weak;
extern void bpf_preempt_enable(void) __ksym __weak;
extern void bpf_local_irq_save(unsigned long *flags) __ksym __weak;
extern void bpf_local_irq_restore(unsigned long *flags) __ksym __weak;
/* Never called. It came with the verifier that lets global functions be called while the CPU is
 * held (6.15): older ones have no need to hold it, and would refuse the program. */
extern int bpf_res_spin_lock(struct bpf_res_spin_lock *lock) __ksym __weak;

/* A program stays on its CPU because nothing may interrupt it, or, where that is not so, because
 * its thread may not move to another. */
static __always_inline bool can_lose_cpu(struct task_struct *task)
{
	return !bpf_core_field_exists(task->migration_disabled) || task->migration_disabled;
}

/* By the thread that runs. To be given to cpu_release(): is there something to give back? */
static __always_inline bool cpu_hold(struct task_struct *task)
{
	bool is_held = bpf_res_spin_lock && can_lose_cpu(task);

	/* else the compiler asks the thread again when it is to be given back, and the verifier
	 * does not know that the answer is the same */
	barrier_var(is_held);
	if (is_held)
		bpf_preempt_disable();
	return is_held;
}

/* Whoever gives the CPU back is asked on the spot to leave it to others, still in the program: not
 * so with interrupts off. The thread then goes on to its way out of the kernel, and leaves it
 * there. */
static __always_inline void cpu_release(bool is_held)
{
	unsigned long irqs;

	if (!is_held)
		return;
	bpf_local_irq_save(&irqs);
	bpf_preempt_enable();
	bpf_local_irq_restore(&irqs);
}

#endif
