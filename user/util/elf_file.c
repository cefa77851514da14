// SPDX-License-Identifier: Apache-2.0
#include "util/elf_file.h"

#include <errno.h>
#include <gelf.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

/* More sections or segments than the head has room to count are counted elsewhere, by numbers that
 * the library believes before anybody can look at them. No program has as many. */
static int check_head(int fd)
{
	union {
		unsigned char ident[EI_NIDENT];
		Elf32_Ehdr narrow;
		Elf64_Ehdr wide;
	} h = { .ident = { 0 } };
	ssize_t n = pread(fd, &h, sizeof(h), 0);
	bool is_wide = h.ident[EI_CLASS] == ELFCLASS64, has_sections;
	unsigned int sections, segments;

	if (n < (ssize_t)sizeof(h.narrow) || memcmp(h.ident, ELFMAG, SELFMAG) != 0)
		return -ENOEXEC;
	sections = is_wide ? h.wide.e_shnum : h.narrow.e_shnum;
	segments = is_wide ? h.wide.e_phnum : h.narrow.e_phnum;
	has_sections = is_wide ? h.wide.e_shoff : h.narrow.e_shoff;
	return (!sections && has_sections) || segments == PN_XNUM ? -EFBIG : 0;
}

static int check_tables(Elf *elf)
{
	uint64_t left = ELF_FILE_TABLES_MAX;
	Elf_Scn *scn = NULL;
	GElf_Shdr sh;

	while ((scn = elf_nextscn(elf, scn))) {
		if (!gelf_getshdr(scn, &sh))
			continue;
		if (sh.sh_type != SHT_SYMTAB && sh.sh_type != SHT_DYNSYM &&
		    sh.sh_type != SHT_STRTAB && sh.sh_type != SHT_RELA)
			continue;
		if (sh.sh_size > left)
			return -EFBIG;
		left -= sh.sh_size;
	}
	return 0;
}

int elf_file_open(int fd, Elf **out)
{
	int err = check_head(fd);
	Elf *elf;

	*out = NULL;
	if (err)
		return err;
	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ, NULL);
	err = elf && elf_kind(elf) == ELF_K_ELF ? check_tables(elf) : -ENOEXEC;
	if (err)
		elf_end(elf);
	else
		*out = elf;
	return err;
}
