// SPDX-License-Identifier: Apache-2.0
#include "capture/tls_dark.h"

#include <fcntl.h>
#include <gelf.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/elf_file.h"

#define COMPILED  "its TLS is compiled while it runs: there is no function in a file to watch"
#define NO_SYMBOL "it is linked into the program, whose symbols were stripped"
#define NOT_KNOWN "sonde knows no function of this library"

/* The first that fits: a virtual machine may have been given a library of its own. */
static const struct {
	const char *part; /* of a mapped file's path */
	struct tls_dark dark;
} mapped[] = {
	{ "tcnative", { "tcnative", "its functions are not among the symbols of its file" } },
	{ "/libconscrypt", { "conscrypt", "its functions are not among the symbols of its file" } },
	{ "/libssl3.so",
	  { "nss", "no NSPR is mapped beside it, whose functions are watched for it" } },
	{ "/libwolfssl.so", { "wolfssl", NOT_KNOWN } },
	{ "/libmbedtls.so", { "mbedtls", NOT_KNOWN } },
	{ "/libs2n.so", { "s2n", NOT_KNOWN } },
	{ "/libjvm.so", { "java", COMPILED } },
	{ "/libcoreclr.so", { "dotnet", "it maps no OpenSSL yet, by which it encrypts" } },
};

/* Names of source files, as error messages have them. The first that fits. */
static const struct {
	const char *text;
	struct tls_dark dark;
} within[] = {
	/* below a folder of that name, whichever else the build has around it; or built in its own */
	{ "/boringssl", { "stripped-boringssl", NO_SYMBOL } },
	{ "ssl/ssl_lib.cc", { "stripped-boringssl", NO_SYMBOL } },
	{ "ssl/ssl_lib.c", { "stripped-openssl", NO_SYMBOL } },
	{ "/rustls-", { "rustls", NO_SYMBOL } },
	{ "mbedtls/library", { "mbedtls", NOT_KNOWN } },
};

static const struct tls_dark go = { "go",
				    "it is a Go program, whose crypto/tls could not be watched" };

enum { TEXT_MAX = 32 << 20 }; /* bytes looked through: it is done while others wait */

/* Not by the library, which would read all of it. */
static const struct tls_dark *text_of(int fd, const GElf_Shdr *sh)
{
	size_t n = sh->sh_size < TEXT_MAX ? sh->sh_size : TEXT_MAX;
	const struct tls_dark *found = NULL;
	char *text = n ? malloc(n) : NULL;
	ssize_t got = text ? pread(fd, text, n, (off_t)sh->sh_offset) : 0;

	for (size_t i = 0; got > 0 && !found && i < sizeof(within) / sizeof(within[0]); i++)
		if (memmem(text, (size_t)got, within[i].text, strlen(within[i].text)))
			found = &within[i].dark;
	free(text);
	return found;
}

const struct tls_dark *tls_dark_in(const char *path)
{
	const struct tls_dark *found = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool has_looked = false;
	Elf_Scn *scn = NULL;
	const char *name;
	GElf_Shdr sh;
	size_t names;
	Elf *elf;

	if (fd < 0)
		return NULL;
	if (elf_file_open(fd, &elf) || elf_getshdrstrndx(elf, &names))
		goto out;
	while ((scn = elf_nextscn(elf, scn))) {
		name = gelf_getshdr(scn, &sh) ? elf_strptr(elf, names, sh.sh_name) : NULL;
		if (name && strcmp(name, ".go.buildinfo") == 0) {
			found = &go;
		} else if (name && !found && !has_looked && strcmp(name, ".rodata") == 0) {
			found = text_of(fd, &sh);
			has_looked = true;
		}
	}
out:
	elf_end(elf);
	close(fd);
	return found;
}

static const struct tls_dark *mapped_by(uint32_t tgid)
{
	size_t best = sizeof(mapped) / sizeof(mapped[0]);
	char path[64], line[1024];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%u/maps", tgid);
	f = fopen(path, "re");
	if (!f)
		return NULL;
	while (fgets(line, sizeof(line), f))
		for (size_t i = 0; i < best; i++)
			if (strstr(line, mapped[i].part))
				best = i;
	fclose(f);
	return best < sizeof(mapped) / sizeof(mapped[0]) ? &mapped[best].dark : NULL;
}

const struct tls_dark *tls_dark_of(uint32_t tgid)
{
	const struct tls_dark *found = mapped_by(tgid);
	char path[64];

	snprintf(path, sizeof(path), "/proc/%u/exe", tgid);
	return found ? found : tls_dark_in(path);
}
