/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/golang.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "util/elf_file.h"

enum { GOLANG_FILES_MAX = 4096, GOLANG_SECTIONS_MAX = 512 };

static char yes, no; /* only their addresses matter */

void golang_free(struct golang *g)
{
	map_free(&g->known);
}

/* The linker writes .go.buildinfo always, also when symbols are stripped; -buildmode=pie too. */
static int golang_elf(int fd)
{
	Elf_Scn *section = NULL;
	int is_go = 0, left = GOLANG_SECTIONS_MAX, err;
	size_t names;
	Elf *elf;

	err = elf_file_open(fd, &elf);
	if (err)
		return err;
	if (elf_getshdrstrndx(elf, &names) < 0)
		goto out;
	while (!is_go && left-- && (section = elf_nextscn(elf, section))) {
		const Elf64_Shdr *wide = elf64_getshdr(section);
		const Elf32_Shdr *narrow = wide ? NULL : elf32_getshdr(section);
		const char *name = NULL;

		if (wide || narrow)
			name = elf_strptr(elf, names, wide ? wide->sh_name : narrow->sh_name);
		is_go = name && (strcmp(name, ".go.buildinfo") == 0 ||
				 strcmp(name, ".note.go.buildid") == 0);
	}
out:
	elf_end(elf);
	return is_go;
}

int golang_check(struct golang *g, int fd, bool *is_slow)
{
	struct stat st;
	uint64_t key;
	void *known;
	int is_go;

	*is_slow = false;
	if (fstat(fd, &st) < 0)
		return -errno;
	key = (uint64_t)st.st_dev * 0x9e3779b97f4a7c15ULL ^ (uint64_t)st.st_ino;
	key = key * 0xff51afd7ed558ccdULL ^ (uint64_t)st.st_mtim.tv_sec;
	key = key * 0xc4ceb9fe1a85ec53ULL ^ (uint64_t)st.st_mtim.tv_nsec;
	known = map_get(&g->known, key);
	if (known)
		return known == &yes;
	*is_slow = true;
	is_go = golang_elf(fd);
	if (is_go < 0)
		is_go = 0; /* no ELF file: asked again it would be none either */
	if (g->known.n >= GOLANG_FILES_MAX)
		map_free(&g->known);
	map_put(&g->known, key, is_go ? &yes : &no); /* out of memory: asked again */
	return is_go;
}
