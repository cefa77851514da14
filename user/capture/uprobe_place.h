/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where in a function a probe costs least. The kernel replaces the instruction at a probe by a
 * trap. Some instructions it then carries out itself; any other it lets the processor execute
 * aside, one step, which is a second trap and, in a virtual machine, ten times the cost of all
 * else. So a probe lies at the first instruction of the former kind, as long as none before it
 * touches the first three arguments or the stack: what a probe sees is what it would at the
 * function's beginning, and the return can be watched from there as well. Of a Go function the
 * first question is passed, how much is left of its stack. Pure; x86-64.
 */
#ifndef UPROBE_PLACE_H
#define UPROBE_PLACE_H

#include <stddef.h>
#include <stdint.h>

/* Bytes from the beginning of a function, of which n are given. -1: there is no such place, and the
 * beginning is as good as any. */
int uprobe_place(const uint8_t *code, size_t n);

struct uprobe_code {
	uint64_t at; /* where the bytes lie in the file */
	const uint8_t *bytes;
	size_t n;
};

/*
 * Of a small function that does little but call another: the place in the file where the first
 * function begins that both call; 0: none is found. Both in one segment of code. Two calls of the
 * same target, at which functions are aligned, are no accident.
 */
uint64_t uprobe_common_call(const struct uprobe_code *a, const struct uprobe_code *b);

#endif
