/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Loops. Since Linux 5.17 the kernel has its own (bpf_loop), of which the verifier walks one step.
 * Before, it walks each step, on every way that it cannot tell to end as another did, and follows
 * what is on the stack number by number. So a step is a global function there, walked once, and
 * what steps have to say to one another is in a map's value.
 */
#ifndef LOOP_BPF_H
#define LOOP_BPF_H

#include "sonde.bpf.h"

/* step(i, context) for i from 0 until it says 1, `most` times; what a loop is given has to be on
 * the stack. Where the kernel has no loops of its own, `bare` of i. */
#define LOOP(i, most, step, context, bare)                                                       \
	do {                                                                                     \
		u32 i = 0;                                                                       \
                                                                                                 \
		if (!is_bare)                                                                    \
			bpf_loop(most, step, context, 0);                                        \
		else                                                                             \
			_Pragma("clang loop unroll(disable)") while (i < (most) && !(bare)) i++; \
	} while (0)

#endif
