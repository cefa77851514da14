/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The BPF object as a kernel before Linux 5.16 takes it. Calls of kernel functions that such a
 * kernel lacks are never reached there, but looked up all the same, and the programs refused. Later
 * kernels pass over them, and libbpf from 1.2 on puts something harmless in their place.
 */
#ifndef BARE_H
#define BARE_H

/* Edits an ELF object of this machine's byte order in place: without calls of kernel functions, and
 * whether the kernel has one of them is answered with no. */
void bare_edit(void *elf);

#endif
