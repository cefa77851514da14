// SPDX-License-Identifier: Apache-2.0
#include "capture/elf_code.h"

void elf_code_read(Elf *elf, struct elf_code *out)
{
	size_t n = 0;
	GElf_Phdr ph;

	out->n = 0;
	if (elf_getphdrnum(elf, &n))
		return;
	for (size_t i = 0; i < n && out->n < ELF_CODE_MAX; i++)
		if (gelf_getphdr(elf, (int)i, &ph) && ph.p_type == PT_LOAD && ph.p_flags & PF_X)
			out->segments[out->n++] = ph;
}

uint64_t elf_code_offset(const struct elf_code *c, uint64_t address)
{
	for (size_t i = 0; i < c->n; i++) {
		const GElf_Phdr *ph = &c->segments[i];

		if (address >= ph->p_vaddr && address - ph->p_vaddr < ph->p_filesz)
			return address - ph->p_vaddr + ph->p_offset;
	}
	return 0;
}
