/* SPDX-License-Identifier: Apache-2.0 */
/* The smallest ELF file that has one named section. */
#ifndef FAKE_ELF_H
#define FAKE_ELF_H

#include <elf.h>
#include <string.h>

struct fake_elf {
	Elf64_Ehdr head;
	Elf64_Shdr sections[3]; /* none, the names, the one */
	char names[64];
};

static inline struct fake_elf fake_elf(const char *section)
{
	struct fake_elf f = {
		.head = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
				       EV_CURRENT },
			  .e_type = ET_EXEC,
			  .e_machine = EM_X86_64,
			  .e_version = EV_CURRENT,
			  .e_shoff = offsetof(struct fake_elf, sections),
			  .e_ehsize = sizeof(Elf64_Ehdr),
			  .e_shentsize = sizeof(Elf64_Shdr),
			  .e_shnum = 3,
			  .e_shstrndx = 1 },
	};

	strcpy(f.names + 1, ".shstrtab");
	strcpy(f.names + 11, section);
	f.sections[1] = (Elf64_Shdr){ .sh_name = 1,
				      .sh_type = SHT_STRTAB,
				      .sh_offset = offsetof(struct fake_elf, names),
				      .sh_size = sizeof(f.names) };
	f.sections[2] = (Elf64_Shdr){ .sh_name = 11, .sh_type = SHT_PROGBITS };
	return f;
}

#endif
