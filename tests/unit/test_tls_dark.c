// SPDX-License-Identifier: Apache-2.0
/* What encrypts in a program without symbols is told by the names of source files in its text. */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "capture/tls_dark.h"
#include "fake_elf.h"

/* A program with these words among its constants; "": nothing is known of it. */
static const char *told_of(const char *section, const char *text)
{
	struct fake_elf elf = fake_elf(section);
	char path[] = "/tmp/sonde-dark-XXXXXX";
	const struct tls_dark *dark;
	int fd = mkstemp(path);
	FILE *f = fdopen(fd, "w");

	assert_non_null(f);
	elf.sections[2].sh_offset = sizeof(elf);
	elf.sections[2].sh_size = strlen(text) + 1;
	assert_int_equal(fwrite(&elf, sizeof(elf), 1, f), 1);
	assert_int_equal(fwrite(text, strlen(text) + 1, 1, f), 1);
	fclose(f);
	dark = tls_dark_in(path);
	unlink(path);
	if (dark)
		assert_true(strlen(dark->why));
	return dark ? dark->library : "";
}

/* As Debian's OpenSSL has them; as those of Android, Chromium, Bun and workerd, and BoringSSL that
 * was built in its own folder. */
static void names_of_source_files(void **state)
{
	static const struct {
		const char *text, *library;
	} cases[] = {
		{ "../ssl/ssl_lib.c", "stripped-openssl" },
		{ "ssl/ssl_lib.c", "stripped-openssl" },
		{ "external/boringssl/src/ssl/ssl_lib.cc", "stripped-boringssl" },
		{ "../../third_party/boringssl/src/ssl/ssl_lib.cc", "stripped-boringssl" },
		{ "../../vendor/boringssl/ssl/../crypto/mem_internal.h", "stripped-boringssl" },
		{ "external/boringssl+/crypto/evp/internal.h", "stripped-boringssl" },
		{ "src/ssl/ssl_lib.cc", "stripped-boringssl" },
		{ "/home/x/.cargo/registry/src/y/rustls-0.23.1/src/conn.rs", "rustls" },
		{ "./mbedtls/library/ssl_tls.c", "mbedtls" },
		{ "ssl_lib.c", "" },
		{ "", "" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(told_of(".rodata", cases[i].text), cases[i].library);
}

static void elsewhere_than_among_constants(void **state)
{
	assert_string_equal(told_of(".data", "ssl/ssl_lib.c"), "");
	assert_string_equal(told_of(".go.buildinfo", "ssl/ssl_lib.c"), "go");
	assert_null(tls_dark_in("/proc/self/status"));
	assert_null(tls_dark_in("/nowhere"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_of_source_files),
		cmocka_unit_test(elsewhere_than_among_constants),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
