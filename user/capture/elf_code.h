/* SPDX-License-Identifier: Apache-2.0 */
/* Where a program's code lies in its file: symbols say addresses, uprobes are put at offsets. */
#ifndef ELF_CODE_H
#define ELF_CODE_H

#include <gelf.h>
#include <stddef.h>
#include <stdint.h>

enum { ELF_CODE_MAX = 64 };

struct elf_code {
	GElf_Phdr segments[ELF_CODE_MAX];
	size_t n;
};

/* The loaded segments that can be executed; those beyond ELF_CODE_MAX are left out. */
void elf_code_read(Elf *elf, struct elf_code *out);

/* 0: the address is in no code that the file holds. */
uint64_t elf_code_offset(const struct elf_code *c, uint64_t address);

#endif
