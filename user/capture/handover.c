// SPDX-License-Identifier: Apache-2.0
#include "capture/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture/uprobe.h"

static const char function[] = "net/http.(*persistConn).roundTrip";

struct file {
	uint64_t dev, inode;
	int link; /* -1: it has no such function, or it could not be attached to */
};

struct handover {
	struct probe *probe;
	struct file files[HANDOVER_FILES_MAX];
	size_t n_files;
	uint32_t waiting[HANDOVER_WAITING_MAX];
	size_t n_waiting;
};

struct handover *handover_open(struct probe *p)
{
	struct handover *h = probe_go_program(p) < 0 ? NULL : calloc(1, sizeof(*h));

	if (h)
		h->probe = p;
	return h;
}

void handover_close(struct handover *h)
{
	if (!h)
		return;
	for (size_t i = 0; i < h->n_files; i++)
		if (h->files[i].link >= 0)
			close(h->files[i].link);
	free(h);
}

void handover_seen(struct handover *h, uint32_t tgid)
{
	if (h && h->n_waiting < HANDOVER_WAITING_MAX)
		h->waiting[h->n_waiting++] = tgid;
}

/* Uprobes are put at offsets in the file, symbols say addresses. */
static uint64_t offset_of(Elf *elf, uint64_t address)
{
	size_t n = 0;
	GElf_Phdr ph;

	if (elf_getphdrnum(elf, &n))
		return 0;
	for (size_t i = 0; i < n; i++)
		if (gelf_getphdr(elf, (int)i, &ph) && ph.p_type == PT_LOAD && ph.p_flags & PF_X &&
		    address >= ph.p_vaddr && address - ph.p_vaddr < ph.p_filesz)
			return address - ph.p_vaddr + ph.p_offset;
	return 0;
}

static uint64_t find_in(Elf *elf, Elf_Scn *scn, const GElf_Shdr *sh)
{
	Elf_Data *data = elf_getdata(scn, NULL);
	size_t n = data && sh->sh_entsize ? sh->sh_size / sh->sh_entsize : 0;
	GElf_Sym sym;

	for (size_t i = 0; i < n; i++) {
		const char *name;

		if (!gelf_getsym(data, (int)i, &sym) || GELF_ST_TYPE(sym.st_info) != STT_FUNC)
			continue;
		name = elf_strptr(elf, sh->sh_link, sym.st_name);
		if (name && strcmp(name, function) == 0)
			return offset_of(elf, sym.st_value);
	}
	return 0;
}

/* 0: not there. */
static uint64_t find_function(int fd)
{
	Elf *elf = elf_version(EV_CURRENT) == EV_NONE ? NULL : elf_begin(fd, ELF_C_READ_MMAP, NULL);
	Elf_Scn *scn = NULL;
	uint64_t at = 0;
	GElf_Shdr sh;

	while (elf && !at && (scn = elf_nextscn(elf, scn)))
		if (gelf_getshdr(scn, &sh) && sh.sh_type == SHT_SYMTAB)
			at = find_in(elf, scn, &sh);
	elf_end(elf);
	return at;
}

static void look_at(struct handover *h, const char *path, int fd)
{
	struct file *f = &h->files[h->n_files];
	struct stat st;
	uint64_t at;

	if (fstat(fd, &st) < 0)
		return;
	for (size_t i = 0; i < h->n_files; i++)
		if (h->files[i].dev == st.st_dev && h->files[i].inode == st.st_ino)
			return;
	if (h->n_files == HANDOVER_FILES_MAX)
		return;
	h->n_files++;
	*f = (struct file){ .dev = st.st_dev, .inode = st.st_ino, .link = -1 };
	at = find_function(fd);
	if (at)
		f->link = uprobe_attach_entry(probe_go_program(h->probe), path, at);
}

void handover_turn(struct handover *h)
{
	char path[64];
	int fd;

	if (!h || !h->n_waiting)
		return;
	snprintf(path, sizeof(path), "/proc/%u/exe", h->waiting[--h->n_waiting]);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	look_at(h, path, fd);
	close(fd);
}
