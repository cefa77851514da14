/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the functions of a Go program are, by the table its runtime unwinds stacks with: the one
 * list of functions that is in a stripped program too. Pure; the bytes are hostile.
 *
 *     magic, pad, quantum, pointer size | number of functions, ..., where the parts below begin
 *     names      NUL terminated, by offset
 *     functions  (entry, where its _func is) for each by address, then the end of the last
 *     _func      entry, where its name is, ...
 */
#ifndef GOPCLNTAB_H
#define GOPCLNTAB_H

#include "util/slice.h"

struct gopclntab_function {
	const char *name;    /* wanted; "crypto/tls.(*Conn).Read" */
	uint64_t start, end; /* addresses; 0: it is not in the table */
};

/*
 * Looks for n functions by name in the section's bytes: of Go 1.16 to 1.17, 1.18 to 1.19, 1.20 and
 * later, on little-endian machines of 64 bits. `text` is the address of the program's code, taken
 * where the table does not say it. Returns how many were found; -ENOTSUP: a table older than those;
 * -ENOEXEC: none at all. Output is written for those that were found, and 0 for the others.
 */
int gopclntab_find(struct slice table, uint64_t text, struct gopclntab_function *wanted, size_t n);

/* Where behind *at something may be a table: linkers other than Go's leave it among other things.
 * False: nowhere. */
enum { GOPCLNTAB_ALIGN = 32 };
bool gopclntab_search(struct slice bytes, size_t *at);

#endif
