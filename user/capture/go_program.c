// SPDX-License-Identifier: Apache-2.0
#include "capture/go_program.h"

#include <errno.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture/elf_code.h"
#include "capture/uprobe_place.h"
#include "identity/gopclntab.h"
#include "sonde_abi.h"
#include "util/elf_file.h"

enum { READ, WRITE, CLIENT, SERVER, ROUND_TRIP, COPY, FUNCTIONS };

static const char *const names[FUNCTIONS] = {
	[READ] = "crypto/tls.(*Conn).Read",
	[WRITE] = "crypto/tls.(*Conn).Write",
	[CLIENT] = "crypto/tls.(*Conn).clientHandshake",
	[SERVER] = "crypto/tls.(*Conn).serverHandshake",
	[ROUND_TRIP] = "net/http.(*persistConn).roundTrip",
	[COPY] = "runtime.memmove",
};

enum {
	TEXT_START = 8 + 2 * 8, /* in the table's head */
	LOAD_MAX = 256 << 20,
};

/* Read, never mapped: in a mapping the kernel would show the breakpoints of whoever watches the
 * file already. */
struct reader {
	int fd;
	Elf *elf;
	struct elf_code code;
	GElf_Shdr symbols, table, relro, text; /* sh_size 0: there is no such section */
	Elf_Scn *symbols_at;
	bool is_go;
	struct gopclntab_function functions[FUNCTIONS];
};

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && strcmp(s + n - m, end) == 0;
}

static int read_sections(struct reader *r)
{
	Elf_Scn *scn = NULL;
	const char *name;
	GElf_Shdr sh;
	size_t at;

	if (elf_getshdrstrndx(r->elf, &at))
		return -ENOEXEC;
	while ((scn = elf_nextscn(r->elf, scn))) {
		name = gelf_getshdr(scn, &sh) ? elf_strptr(r->elf, at, sh.sh_name) : NULL;
		if (!name)
			continue;
		if (sh.sh_type == SHT_SYMTAB) {
			r->symbols = sh;
			r->symbols_at = scn;
		} else if (ends_with(name, ".gopclntab")) { /* of position independent programs
							     * behind other words */
			r->table = sh;
		} else if (strcmp(name, ".data.rel.ro") == 0) {
			r->relro = sh;
		} else if (strcmp(name, ".text") == 0) {
			r->text = sh;
		} else if (strcmp(name, ".go.buildinfo") == 0 ||
			   strcmp(name, ".note.go.buildid") == 0) {
			r->is_go = true;
		}
	}
	return r->is_go ? 0 : -ENOEXEC;
}

static void take_symbol(struct reader *r, const char *name, const GElf_Sym *sym)
{
	for (size_t i = 0; i < FUNCTIONS; i++)
		if (strcmp(name, names[i]) == 0) {
			r->functions[i].start = sym->st_value;
			r->functions[i].end = sym->st_value + sym->st_size;
		}
}

static void by_symbols(struct reader *r)
{
	Elf_Data *data = elf_getdata(r->symbols_at, NULL);
	size_t n = data && r->symbols.sh_entsize ? r->symbols.sh_size / r->symbols.sh_entsize : 0;
	const char *name;
	GElf_Sym sym;

	for (size_t i = 0; i < n; i++) {
		if (!gelf_getsym(data, (int)i, &sym) || GELF_ST_TYPE(sym.st_info) != STT_FUNC)
			continue;
		name = elf_strptr(r->elf, r->symbols.sh_link, sym.st_name);
		/* most names are others' */
		if (name && (strncmp(name, "crypto/", 7) == 0 || strncmp(name, "net/", 4) == 0 ||
			     strncmp(name, "runtime.m", 9) == 0))
			take_symbol(r, name, &sym);
	}
}

/* Owned by the caller; n is 0 where there is nothing. */
static struct slice load(const struct reader *r, uint64_t offset, uint64_t n)
{
	uint8_t *p = n && n <= LOAD_MAX ? malloc(n) : NULL;
	size_t done = 0;
	ssize_t got;

	while (p && done < n) {
		got = pread(r->fd, p + done, n - done, (off_t)(offset + done));
		if (got <= 0) {
			free(p);
			p = NULL;
			break;
		}
		done += (size_t)got;
	}
	return (struct slice){ p, p ? n : 0 };
}

static void unload(struct slice s)
{
	free((void *)(uintptr_t)s.p);
}

/* Where the code begins, of a program that is placed when it is loaded: the table says nothing in
 * the file, but a relocation does. 0: nothing. */
static uint64_t relocated_text(struct reader *r, uint64_t table)
{
	Elf_Scn *scn = NULL;
	GElf_Shdr sh;
	GElf_Rela rel;

	while ((scn = elf_nextscn(r->elf, scn))) {
		Elf_Data *data;

		if (!gelf_getshdr(scn, &sh) || sh.sh_type != SHT_RELA || !sh.sh_entsize)
			continue;
		data = elf_getdata(scn, NULL);
		for (size_t i = 0; data && i < sh.sh_size / sh.sh_entsize; i++)
			if (gelf_getrela(data, (int)i, &rel) && rel.r_offset == table + TEXT_START)
				return (uint64_t)rel.r_addend;
	}
	return 0;
}

static int find_in(struct reader *r, struct slice table, uint64_t address)
{
	return gopclntab_find(table, relocated_text(r, address) ?: r->text.sh_addr, r->functions,
			      FUNCTIONS);
}

static int by_table(struct reader *r)
{
	const GElf_Shdr *sh = r->table.sh_size ? &r->table : &r->relro;
	struct slice s = load(r, sh->sh_offset, sh->sh_size);
	int found = -ENOEXEC;
	size_t at = 0;

	if (r->table.sh_size) {
		found = find_in(r, s, sh->sh_addr);
	} else { /* other linkers than Go's leave it among other things */
		while (found < 0 && gopclntab_search(s, &at)) {
			found = find_in(r, (struct slice){ s.p + at, s.n - at }, sh->sh_addr + at);
			at += GOPCLNTAB_ALIGN;
		}
	}
	unload(s);
	return found;
}

/* Of a function. 0: it does not lie in code. */
static uint64_t offset_of(const struct reader *r, const struct gopclntab_function *f)
{
	return f->end > f->start ? elf_code_offset(&r->code, f->start) : 0;
}

static struct slice code_of(const struct reader *r, const struct gopclntab_function *f)
{
	uint64_t offset = offset_of(r, f), n = f->end - f->start;

	return offset ? load(r, offset, n < GO_CODE_MAX ? n : GO_CODE_MAX)
		      : (struct slice){ NULL, 0 };
}

/* What has no stack check is no Go function with its arguments in registers, or not where it was
 * said to be. */
static uint64_t entry_of(const struct reader *r, size_t which)
{
	struct slice code = code_of(r, &r->functions[which]);
	bool begins = go_code_begins(code);
	int more = begins ? uprobe_place(code.p, code.n) : -1;
	uint64_t at = begins ? offset_of(r, &r->functions[which]) : 0;

	unload(code);
	return at && more > 0 ? at + (uint64_t)more : at;
}

static const char *read_tls(const struct reader *r, struct go_program *p)
{
	uint64_t offset = offset_of(r, &r->functions[READ]);
	struct slice bytes = code_of(r, &r->functions[READ]);
	const struct gopclntab_function *f = r->functions;
	int64_t copier = f[COPY].start ? (int64_t)(f[COPY].start - f[READ].start) : 0;
	struct go_code code;
	int err = go_code_read(bytes, copier, &code);

	unload(bytes);
	if (err == -ENOSYS)
		return "sonde was built without the disassembler that finds where Go functions "
		       "return";
	if (err)
		return "the code of crypto/tls.(*Conn).Read cannot be read";
	if (!code.has_registers)
		return "it was built by a Go before 1.17, whose functions take their arguments on "
		       "the stack";
	if (!code.keeps_arguments)
		return "this Go compiles crypto/tls.(*Conn).Read in a way that sonde does not know";
	p->write = entry_of(r, WRITE);
	if (!p->write)
		return "the code of crypto/tls.(*Conn).Write cannot be read";
	p->handshakes[0] = entry_of(r, CLIENT);
	p->handshakes[1] = entry_of(r, SERVER);
	if (code.copy && code.frame <= SONDE_GO_FRAME_BITS) {
		p->copy = offset + code.copy;
		p->frame = code.frame;
		return NULL;
	}
	p->n_reads = code.n_returns;
	for (uint32_t i = 0; i < code.n_returns; i++)
		p->reads[i] = offset + code.returns[i];
	return NULL;
}

int go_program_read(int fd, struct go_program *out)
{
	struct go_program p = { .round_trip = 0 };
	struct reader r = { .fd = fd };
	int err = elf_file_open(fd, &r.elf), found = 0;

	if (err)
		return err;
	err = gelf_getclass(r.elf) == ELFCLASS64 ? read_sections(&r) : -ENOEXEC;
	if (err)
		goto out;
	elf_code_read(r.elf, &r.code);
	for (size_t i = 0; i < FUNCTIONS; i++)
		r.functions[i].name = names[i];
	if (r.symbols.sh_size)
		by_symbols(&r);
	else
		found = by_table(&r);
	p.round_trip = entry_of(&r, ROUND_TRIP);
	p.has_tls = r.functions[READ].start && r.functions[WRITE].start;
	if (p.has_tls)
		p.tls_off = read_tls(&r, &p);
	else if (found < 0)
		p.tls_off = "its table of functions is of a form that sonde does not know";
	*out = p;
out:
	elf_end(r.elf);
	return err;
}
