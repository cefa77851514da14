/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What differs by processor: a system call's number and arguments in the saved registers, and
 * where the Go runtime keeps its g. */
#ifndef ARCH_BPF_H
#define ARCH_BPF_H

#if defined(__TARGET_ARCH_x86)
#define CALL_NR(regs)	((u32)(regs)->orig_ax)
#define CALL_ARG1(regs) ((regs)->di)
#define CALL_ARG2(regs) ((regs)->si)
#define CALL_ARG3(regs) ((regs)->dx)
#define CALL_ARG4(regs) ((regs)->r10)
#define CALL_ARG5(regs) ((regs)->r8)
#define GO_G(regs)	((regs)->r14)
#define GO_ARG1(regs)	((regs)->ax) /* since Go 1.17; a first result too */
#define GO_ARG2(regs)	((regs)->bx)
#define GO_ARG3(regs)	((regs)->cx)
/* runtime.tlsg of programs: the word below the thread pointer */
#define GO_TLS_G(task) ((task)->thread.fsbase - 8)
/* Inside a function that was entered with this much stack in use: is it still under way? Its return
 * address lies where it was, and what runs uses more. */
#define STACK_OF(regs)	    ((regs)->sp)
#define HAS_RETURN_ON_STACK 1
#define NR_READ		    0
#define NR_WRITE	    1
#define NR_READV	    19
#define NR_WRITEV	    20
#define NR_SENDFILE	    40
#define NR_SENDTO	    44
#define NR_RECVFROM	    45
#define NR_SENDMSG	    46
#define NR_RECVMSG	    47
#define NR_SPLICE	    275
#define NR_RECVMMSG	    299
#define NR_SENDMMSG	    307
#define NR_PREADV2	    327
#define NR_PWRITEV2	    328
#define NR_URING_ENTER	    426
/* thread_info.status bit of a task in a 32-bit system call */
#define TASK_IS_COMPAT(task) ((task)->thread_info.status & 2)
/* calls that a thread sleeps in */
#define NR_POLL		   7
#define NR_PREAD64	   17
#define NR_PWRITE64	   18
#define NR_SELECT	   23
#define NR_NANOSLEEP	   35
#define NR_CONNECT	   42
#define NR_ACCEPT	   43
#define NR_FSYNC	   74
#define NR_FDATASYNC	   75
#define NR_FUTEX	   202
#define NR_CLOCK_NANOSLEEP 230
#define NR_PSELECT6	   270
#define NR_PPOLL	   271
#define NR_ACCEPT4	   288
#elif defined(__TARGET_ARCH_arm64)
#define CALL_NR(regs)	     ((u32)(regs)->syscallno)
#define CALL_ARG1(regs)	     ((regs)->orig_x0)
#define CALL_ARG2(regs)	     ((regs)->regs[1])
#define CALL_ARG3(regs)	     ((regs)->regs[2])
#define CALL_ARG4(regs)	     ((regs)->regs[3])
#define CALL_ARG5(regs)	     ((regs)->regs[4])
#define GO_G(regs)	     ((regs)->regs[28])
#define GO_ARG1(regs)	     ((regs)->regs[0])
#define GO_ARG2(regs)	     ((regs)->regs[1])
#define GO_ARG3(regs)	     ((regs)->regs[2])
#define GO_TLS_G(task)	     0
#define STACK_OF(regs)	     ((regs)->sp)
#define HAS_RETURN_ON_STACK  0
#define NR_READ		     63
#define NR_WRITE	     64
#define NR_READV	     65
#define NR_WRITEV	     66
#define NR_SENDFILE	     71
#define NR_SPLICE	     76
#define NR_SENDTO	     206
#define NR_RECVFROM	     207
#define NR_SENDMSG	     211
#define NR_RECVMSG	     212
#define NR_RECVMMSG	     243
#define NR_SENDMMSG	     269
#define NR_PREADV2	     286
#define NR_PWRITEV2	     287
#define NR_URING_ENTER	     426
#define TASK_IS_COMPAT(task) ((task)->thread_info.flags & (1 << 22)) /* TIF_32BIT */
/* calls that a thread sleeps in */
#define NR_PREAD64	     67
#define NR_PWRITE64	     68
#define NR_PSELECT6	     72
#define NR_PPOLL	     73
#define NR_FSYNC	     82
#define NR_FDATASYNC	     83
#define NR_FUTEX	     98
#define NR_NANOSLEEP	     101
#define NR_CLOCK_NANOSLEEP   115
#define NR_ACCEPT	     202
#define NR_CONNECT	     203
#define NR_ACCEPT4	     242
#else
#error "this processor's system calls are not described yet"
#endif

#define NR_FUTEX_WAITV 449 /* everywhere */
#define NR_FUTEX_WAIT  455

#endif
