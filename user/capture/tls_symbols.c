// SPDX-License-Identifier: Apache-2.0
#include "capture/tls_symbols.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <string.h>
#include <unistd.h>

#include "capture/elf_code.h"
#include "capture/tls_rust.h"
#include "capture/uprobe_place.h"
#include "util/elf_file.h"

static const struct {
	const char *name;
	enum tls_library library;
	enum sonde_tls_fn fn;
} functions[] = {
	/* OpenSSL 1.1 and 3, BoringSSL, LibreSSL */
	{ "SSL_read", TLS_LIB_OPENSSL, SONDE_TLS_READ },
	{ "SSL_write", TLS_LIB_OPENSSL, SONDE_TLS_WRITE },
	{ "SSL_read_ex", TLS_LIB_OPENSSL, SONDE_TLS_READ_EX },
	{ "SSL_write_ex", TLS_LIB_OPENSSL, SONDE_TLS_WRITE_EX },
	{ "SSL_do_handshake", TLS_LIB_OPENSSL, SONDE_TLS_HANDSHAKE },
	{ "SSL_free", TLS_LIB_OPENSSL, SONDE_TLS_FREE },
	{ "gnutls_record_recv", TLS_LIB_GNUTLS, SONDE_TLS_READ },
	{ "gnutls_record_send", TLS_LIB_GNUTLS, SONDE_TLS_WRITE },
	{ "gnutls_handshake", TLS_LIB_GNUTLS, SONDE_TLS_HANDSHAKE },
	{ "gnutls_deinit", TLS_LIB_GNUTLS, SONDE_TLS_FREE },
	{ "PR_Read", TLS_LIB_NSS, SONDE_TLS_READ },
	{ "PR_Recv", TLS_LIB_NSS, SONDE_TLS_RECV },
	{ "PR_Write", TLS_LIB_NSS, SONDE_TLS_WRITE },
	{ "PR_Send", TLS_LIB_NSS, SONDE_TLS_SEND },
	{ "PR_Close", TLS_LIB_NSS, SONDE_TLS_FREE },
};

struct reader {
	Elf *elf;
	struct elf_code code;
	struct tls_symbols found;
	struct tls_rust rust;
};

static void take_symbol(struct reader *r, const char *name, const GElf_Sym *sym)
{
	uint64_t at;

	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		if (strcmp(name, functions[i].name) != 0)
			continue;
		at = elf_code_offset(&r->code, sym->st_value);
		/* of one library only: a program can have two within */
		if (!at || (r->found.library && r->found.library != functions[i].library))
			return;
		r->found.library = functions[i].library;
		r->found.at[functions[i].fn] = at;
		return;
	}
}

static void read_table(struct reader *r, Elf_Scn *scn, const GElf_Shdr *sh)
{
	Elf_Data *data = elf_getdata(scn, NULL);
	size_t n = data && sh->sh_entsize ? sh->sh_size / sh->sh_entsize : 0;
	const char *name;
	GElf_Sym sym;

	for (size_t i = 0; i < n; i++) {
		if (!gelf_getsym(data, (int)i, &sym) || GELF_ST_TYPE(sym.st_info) != STT_FUNC ||
		    sym.st_shndx == SHN_UNDEF)
			continue;
		name = elf_strptr(r->elf, sh->sh_link, sym.st_name);
		/* most names are others' */
		if (name && (strncmp(name, "SSL_", 4) == 0 || strncmp(name, "gnutls_", 7) == 0 ||
			     strncmp(name, "PR_", 3) == 0))
			take_symbol(r, name, &sym);
		else if (name && name[0] == '_')
			tls_rust_take(&r->rust, name, elf_code_offset(&r->code, sym.st_value));
	}
}

static void read_tables(struct reader *r)
{
	Elf_Scn *scn = NULL;
	GElf_Shdr sh;

	while ((scn = elf_nextscn(r->elf, scn)))
		if (gelf_getshdr(scn, &sh) &&
		    (sh.sh_type == SHT_DYNSYM || sh.sh_type == SHT_SYMTAB))
			read_table(r, scn, &sh);
}

/* --- where the probes lie --- */

enum { CODE_MAX = 96 }; /* bytes of a function that are looked at */

static size_t code_at(int fd, uint64_t at, uint8_t code[CODE_MAX])
{
	ssize_t n = at ? pread(fd, code, CODE_MAX, (off_t)at) : 0;

	return n > 0 ? (size_t)n : 0;
}

static int place_of(int fd, uint64_t at)
{
	uint8_t code[CODE_MAX];
	size_t n = code_at(fd, at, code);

	return uprobe_place(code, n);
}

/* OpenSSL's SSL_read and SSL_read_ex are small and call the same function with what SSL_read_ex was
 * given (ssl/ssl_lib.c since 1.1.1); likewise for writing. Where a probe is dear in them and cheap
 * in that one, it is put there, and serves both. */
static void follow(int fd, struct tls_symbols *s, enum sonde_tls_fn plain, enum sonde_tls_fn ex)
{
	uint8_t code[2][CODE_MAX];
	struct uprobe_code a = { s->at[ex], code[0], code_at(fd, s->at[ex], code[0]) };
	struct uprobe_code b = { s->at[plain], code[1], code_at(fd, s->at[plain], code[1]) };
	uint64_t within;

	if (!a.n || !b.n || (uprobe_place(a.bytes, a.n) >= 0 && uprobe_place(b.bytes, b.n) >= 0))
		return;
	within = uprobe_common_call(&a, &b);
	if (!within || place_of(fd, within) < 0)
		return;
	s->at[plain] = 0;
	s->at[ex] = within;
}

/* Where other instructions are spoken, or a function begins otherwise: at its beginning. */
static void place_all(int fd, Elf *elf, struct tls_symbols *s)
{
	GElf_Ehdr head;

	if (!gelf_getehdr(elf, &head) || head.e_machine != EM_X86_64)
		return;
	if (s->library == TLS_LIB_OPENSSL) {
		follow(fd, s, SONDE_TLS_READ, SONDE_TLS_READ_EX);
		follow(fd, s, SONDE_TLS_WRITE, SONDE_TLS_WRITE_EX);
	}
	for (int fn = 0; fn < SONDE_TLS_FN_MAX; fn++) {
		int more = s->at[fn] ? place_of(fd, s->at[fn]) : 0;

		s->at[fn] += more > 0 ? (uint64_t)more : 0;
	}
}

/* One half of the functions alone would show half of each exchange. */
static bool is_whole(const struct tls_symbols *s)
{
	return (s->at[SONDE_TLS_READ] || s->at[SONDE_TLS_READ_EX]) &&
	       (s->at[SONDE_TLS_WRITE] || s->at[SONDE_TLS_WRITE_EX]);
}

static void take_rust(struct reader *r, int fd)
{
	struct tls_symbols *s = &r->found;

	s->rustls_off = tls_rust_read(&r->rust, fd, &s->cookie_bits);
	if (s->rustls_off || !s->cookie_bits)
		return;
	s->library = TLS_LIB_RUSTLS;
	s->at[SONDE_TLS_READ] = r->rust.at[TLS_RUST_READ];
	s->at[SONDE_TLS_WRITE] = r->rust.at[TLS_RUST_GIVE];
	s->at[SONDE_TLS_HANDSHAKE] = r->rust.at[TLS_RUST_SEND];
}

int tls_symbols_read(const char *path, struct tls_symbols *out)
{
	struct reader r = { 0 };
	int fd, err;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = elf_file_open(fd, &r.elf);
	if (err)
		goto out;
	elf_code_read(r.elf, &r.code);
	read_tables(&r);
	if (!is_whole(&r.found))
		r.found = (struct tls_symbols){ 0 };
	if (!r.found.library)
		take_rust(&r, fd);
	place_all(fd, r.elf, &r.found);
	*out = r.found;
out:
	elf_end(r.elf);
	close(fd);
	return err;
}

enum tls_library tls_library_of(const char *path)
{
	const char *base = strrchr(path, '/');

	base = base ? base + 1 : path;
	if (!strstr(base, ".so"))
		return TLS_LIB_NONE;
	/* also as wheels and other bundles rename them: libssl-1a2b3c4d.so.1.1 */
	if (strncmp(base, "libssl.", 7) == 0 || strncmp(base, "libssl-", 7) == 0)
		return TLS_LIB_OPENSSL;
	if (strncmp(base, "libgnutls.", 10) == 0 || strncmp(base, "libgnutls-", 10) == 0)
		return TLS_LIB_GNUTLS;
	if (strncmp(base, "libnspr4.", 9) == 0)
		return TLS_LIB_NSS;
	return TLS_LIB_NONE;
}

const char *tls_library_name(enum tls_library l)
{
	switch (l) {
	case TLS_LIB_OPENSSL: return "openssl";
	case TLS_LIB_GNUTLS: return "gnutls";
	case TLS_LIB_NSS: return "nss";
	case TLS_LIB_RUSTLS: return "rustls";
	case TLS_LIB_NONE: break;
	}
	return "unknown";
}
