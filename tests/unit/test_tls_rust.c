// SPDX-License-Identifier: Apache-2.0
/* rustls by its symbols, and what its code says. Names and code as compilers made them. */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>
#include "capture/tls_rust.h"
#include "sonde_abi.h"

#define WRITE_TO "_ZN6rustls6vecbuf14ChunkVecBuffer8write_to17h86ed2b862ed6ed3aE.llvm.545"
#define READ	 "_ZN54_$LT$rustls..conn..Reader$u20$as$u20$std..io..Read$GT$4read17h6308c7c8c4dc589bE"
#define GIVE	 "_ZN6rustls4conn11CommonState19send_some_plaintext17h1f32a65c64644adeE"

#define PIECES "_ZN6rustls12common_state11CommonState16buffer_plaintext17h5d1f0a3c9b7e2468E"

#define V0(path) "_RNv" path
#define RUSTLS	 "NtCsf1uEo7TpsJf_6rustls"

static void names_of_either_form(void **state)
{
	static const struct {
		const char *name;
		enum tls_rust_fn fn; /* TLS_RUST_FNS: none of them */
	} known[] = {
		{ READ, TLS_RUST_READ },
		{ GIVE, TLS_RUST_GIVE },
		{ WRITE_TO, TLS_RUST_SEND },
		{ "_ZN6rustls12common_state11CommonState9write_tls17h707058bfce221488E",
		  TLS_RUST_WRITE_TLS },
		{ V0("Xs2_" RUSTLS "4connNtB5_6ReaderNtNtCsdyIG5SqMl5y_3std2io4Read4read"),
		  TLS_RUST_READ },
		{ V0("Msa_" RUSTLS "4connNtB5_11CommonState19send_some_plaintext"), TLS_RUST_GIVE },
		{ V0("MNt" RUSTLS "6vecbufNtB2_14ChunkVecBuffer8write_to"), TLS_RUST_SEND },
		{ PIECES, TLS_RUST_PIECES },
		{ V0("Msa_" RUSTLS "4connNtB5_11CommonState9write_tls"), TLS_RUST_WRITE_TLS },
		{ "_ZN6rustls4conn11CommonState16current_io_state17ha1769eb86103f99dE",
		  TLS_RUST_FNS },
		{ "_ZN74_$LT$rustls..stream..StreamOwned$LT$C$C$T$GT$$u20$as$u20$std..io..Read$GT$"
		  "4read17h4e1304881368a017E",
		  TLS_RUST_FNS },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		struct tls_rust r = { .is_there = false };

		tls_rust_take(&r, known[i].name, 64);
		assert_true(r.is_there);
		for (int fn = 0; fn < TLS_RUST_FNS; fn++)
			assert_int_equal(r.at[fn], fn == (int)known[i].fn ? 64 : 0);
	}
}

static void what_is_not_whole_is_off(void **state)
{
	struct tls_rust r = { .is_there = false };
	uint32_t bits = 1;

	tls_rust_take(&r, "SSL_read", 64);
	tls_rust_take(&r, "_ZN4core3fmt5write17h0E", 64);
	assert_null(tls_rust_read(&r, -1, &bits));
	assert_int_equal(bits, 0);
	tls_rust_take(&r, READ, 64);
	tls_rust_take(&r, WRITE_TO, 128);
	assert_non_null(strstr(tls_rust_read(&r, -1, &bits), "send_some_plaintext"));
	tls_rust_take(&r, PIECES, 160);
	assert_non_null(strstr(tls_rust_read(&r, -1, &bits), "0.23"));
	tls_rust_take(&r, GIVE, 192);
	assert_non_null(strstr(tls_rust_read(&r, -1, &bits), "sends"));
	tls_rust_take(&r, GIVE, 256);
	assert_non_null(strstr(tls_rust_read(&r, -1, &bits), "several"));
}

enum { AT = 0x3caa0 };

/* add $0xa8,%rdi; jmp: by rustc 1.95 */
static const uint8_t in_registers[] = { 0x48, 0x81, 0xc7, 0xa8, 0,    0,
					0,    0xe9, 0x04, 0x5c, 0xfd, 0xff };
/* push %rbx; mov %rdi,%rbx; add $0xf0,%rsi; call: by rustc 1.63 */
static const uint8_t in_memory[] = { 0x53, 0x48, 0x89, 0xfb, 0x48, 0x81, 0xc6, 0xf0, 0,	   0,
				     0,	   0xe8, 0x60, 0x11, 0x01, 0,	 0x48, 0x89, 0xd8, 0x5b };

static void where_the_records_lie(void **state)
{
	int bits = tls_rust_place(in_memory, sizeof(in_memory), AT, 0x4dc10);

	assert_int_equal(bits & 63, SONDE_TLS_RUST | SONDE_TLS_RUST_MEMORY);
	assert_int_equal(SONDE_TLS_RUST_PLACE(bits), 0xf0);
	bits = tls_rust_place(in_registers, sizeof(in_registers), 0xbfe70, 0x95a80);
	assert_int_equal(bits & 63, SONDE_TLS_RUST);
	assert_int_equal(SONDE_TLS_RUST_PLACE(bits), 0xa8);
	/* a call of another function */
	assert_int_equal(tls_rust_place(in_memory, sizeof(in_memory), AT, 0x4dc20), -1);
	for (size_t n = 0; n < sizeof(in_registers); n++)
		assert_int_equal(tls_rust_place(in_registers, n, 0xbfe70, 0x95a80), -1);
}

static void places_that_no_state_has(void **state)
{
	uint8_t code[sizeof(in_registers)];

	memcpy(code, in_registers, sizeof(code));
	code[3] = 0xa9; /* within a word */
	assert_int_equal(tls_rust_place(code, sizeof(code), 0xbfe70, 0x95a80), -1);
	code[3] = 0xa8;
	code[4] = 4; /* too far */
	assert_int_equal(tls_rust_place(code, sizeof(code), 0xbfe70, 0x95a80), -1);
	code[4] = 0xff;
	code[5] = code[6] = 0xff; /* before it */
	assert_int_equal(tls_rust_place(code, sizeof(code), 0xbfe70, 0x95a80), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_of_either_form),
		cmocka_unit_test(what_is_not_whole_is_off),
		cmocka_unit_test(where_the_records_lie),
		cmocka_unit_test(places_that_no_state_has),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
