// SPDX-License-Identifier: Apache-2.0
#include <elf.h>
#include <linux/bpf.h>
#include <stddef.h>

#include "capture/bare.h"

/* No kernel has so many helpers. One that should ever get here says the number. */
enum { NO_HELPER = 0x0ba12e };

/* Leaves out the relocations of this section that name what the kernel has to have: a call becomes
 * one of no function, an address stays 0. */
static void forget_kernel(struct bpf_insn *code, Elf64_Shdr *section, Elf64_Rel *rels,
			  const Elf64_Sym *symbols)
{
	size_t n = section->sh_size / sizeof(*rels), kept = 0;

	for (size_t i = 0; i < n; i++) {
		struct bpf_insn *insn = code + rels[i].r_offset / sizeof(*insn);

		if (symbols[ELF64_R_SYM(rels[i].r_info)].st_shndx != SHN_UNDEF) {
			rels[kept++] = rels[i];
		} else if (insn->code == (BPF_JMP | BPF_CALL)) {
			insn->src_reg = 0;
			insn->imm = NO_HELPER;
		}
	}
	section->sh_size = kept * sizeof(*rels);
}

void bare_edit(void *elf)
{
	const Elf64_Ehdr *head = elf;
	Elf64_Shdr *sections = (Elf64_Shdr *)((char *)elf + head->e_shoff);

	for (size_t i = 0; i < head->e_shnum; i++) {
		Elf64_Shdr *s = &sections[i];
		const Elf64_Shdr *code = &sections[s->sh_info], *symbols = &sections[s->sh_link];

		if (s->sh_type == SHT_REL && code->sh_flags & SHF_EXECINSTR)
			forget_kernel((struct bpf_insn *)((char *)elf + code->sh_offset), s,
				      (Elf64_Rel *)((char *)elf + s->sh_offset),
				      (Elf64_Sym *)((char *)elf + symbols->sh_offset));
	}
}
