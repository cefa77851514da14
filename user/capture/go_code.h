/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is to be known of a Go function before it is probed, read from its machine code. Go moves
 * its stacks, so returns are never watched by replacing return addresses: each return instruction
 * is probed for itself. Pure.
 */
#ifndef GO_CODE_H
#define GO_CODE_H

#include <stdbool.h>
#include <stdint.h>
#include "util/slice.h"

enum { GO_RETURNS_MAX = 12, GO_CODE_MAX = 64 * 1024 };

struct go_code {
	bool has_registers; /* arguments come in registers: Go 1.17 and later */
	/* its first two arguments lie above its return address at every return: the caller leaves
	 * room for them there, and the code puts them there before anything else */
	bool keeps_arguments;
	uint32_t frame; /* bytes of its stack below the return address, once it has begun */
	uint32_t copy; /* where it calls what it was said to copy by, if once; 0: nowhere, or often */
	uint32_t n_returns;
	uint32_t returns[GO_RETURNS_MAX]; /* those that may return something else than 0, from the
					   * function's beginning */
};

/* Does a function begin here, with its arguments in registers? It asks for room on the stack first.
 */
bool go_code_begins(struct slice code);

/* `copier`: where the function begins that memory is copied by, from the beginning of this one; 0:
 * not known. 0; -ENOSYS: built without Capstone, or for another processor; -EILSEQ: no code that
 * can be read; -E2BIG: too long, or too many returns. *out is written on success only. */
int go_code_read(struct slice code, int64_t copier, struct go_code *out);

/* "capstone", or NULL: built without a disassembler for this processor. */
const char *go_code_library(void);

#endif
