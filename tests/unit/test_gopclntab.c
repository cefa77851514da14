// SPDX-License-Identifier: Apache-2.0
/* Functions of Go programs: by the runtime's table in each of its forms, and what their code says. */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "capture/go_code.h"
#include "guard.h"
#include "identity/gopclntab.h"

enum { TEXT = 0x401000, TABLE_MAX = 512 };

static const char *const names[] = { "main.main", "crypto/tls.(*Conn).Read",
				     "crypto/tls.(*Conn).ReadX", "crypto/tls.(*Conn).Write" };
static const uint64_t entries[] = { 0, 0x20, 0x460, 0x500, 0x900 };

enum { N = sizeof(names) / sizeof(names[0]) };

struct form {
	uint32_t magic;
	bool is_1_16;
};

static const struct form forms[] = { { 0xfffffffa, true },
				     { 0xfffffff0, false },
				     { 0xfffffff1, false } };

struct table {
	uint8_t bytes[TABLE_MAX];
	size_t n;
};

static void put(struct table *t, size_t at, uint64_t v, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		t->bytes[at + i] = (uint8_t)(v >> (8 * i));
	if (t->n < at + bytes)
		t->n = at + bytes;
}

/* The linker's table as far as names and entries go. `text` 0: not written, as since Go 1.26. */
static struct table made(const struct form *f, uint64_t text)
{
	size_t field = f->is_1_16 ? 8 : 4, at_names = 80, at_functions = 200;
	size_t func = (2 * N + 1) * field, name = 0;
	uint64_t base = f->is_1_16 ? TEXT : 0;
	struct table t = { .n = 0 };

	put(&t, 0, f->magic, 4);
	put(&t, 6, 1, 1);
	put(&t, 7, 8, 1);
	put(&t, 8, N, 8);
	if (!f->is_1_16)
		put(&t, 8 + 2 * 8, text, 8);
	put(&t, 8 + (f->is_1_16 ? 2 : 3) * 8, at_names, 8);
	put(&t, 8 + (f->is_1_16 ? 6 : 7) * 8, at_functions, 8);
	for (size_t i = 0; i < N; i++) {
		put(&t, at_functions + 2 * i * field, base + entries[i], field);
		put(&t, at_functions + (2 * i + 1) * field, func, field);
		put(&t, at_functions + func, base + entries[i], field);
		put(&t, at_functions + func + field, name, 4);
		func += field + 4;
		memcpy(t.bytes + at_names + name, names[i], strlen(names[i]) + 1);
		name += strlen(names[i]) + 1;
	}
	put(&t, at_functions + 2 * N * field, base + entries[N], field);
	assert_true(at_names + name <= at_functions && t.n <= TABLE_MAX);
	return t;
}

static int find(struct slice table, struct gopclntab_function f[3])
{
	f[0].name = "crypto/tls.(*Conn).Read";
	f[1].name = "crypto/tls.(*Conn).Write";
	f[2].name = "net/http.(*persistConn).roundTrip";
	return gopclntab_find(table, TEXT, f, 3);
}

static void functions_in_every_form(void **state)
{
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		for (int has_text = 0; has_text < 2; has_text++) {
			struct table t = made(&forms[i], has_text ? TEXT : 0);
			struct gopclntab_function f[3];

			assert_int_equal(find((struct slice){ t.bytes, t.n }, f), 2);
			assert_int_equal(f[0].start, TEXT + 0x20);
			assert_int_equal(f[0].end, TEXT + 0x460);
			assert_int_equal(f[1].start, TEXT + 0x500);
			assert_int_equal(f[1].end, TEXT + 0x900);
			assert_int_equal(f[2].start, 0);
		}
}

/* Behind other things, where a linker has put it; what only begins like one is passed by. */
static void table_among_other_things(void **state)
{
	struct table t = made(&forms[2], 0), nothing = made(&forms[1], TEXT);
	struct gopclntab_function f[3];
	uint8_t bytes[4 * TABLE_MAX] = { 0 };
	struct slice all = { bytes, sizeof(bytes) };
	size_t at = 0;

	put(&nothing, 8, UINT64_MAX, 8);
	memcpy(bytes + GOPCLNTAB_ALIGN, nothing.bytes, nothing.n);
	memcpy(bytes + 2 * TABLE_MAX, t.bytes, t.n);
	assert_true(gopclntab_search(all, &at));
	assert_int_equal(at, 2 * TABLE_MAX);
	assert_int_equal(find((struct slice){ bytes + at, sizeof(bytes) - at }, f), 2);
	at += GOPCLNTAB_ALIGN;
	assert_false(gopclntab_search(all, &at));
	at = sizeof(bytes);
	assert_false(gopclntab_search(all, &at));
}

static void older_and_other_tables(void **state)
{
	struct gopclntab_function f[3];
	struct table t = made(&(struct form){ 0xfffffffb, false }, TEXT);

	assert_int_equal(find((struct slice){ t.bytes, t.n }, f), -ENOTSUP);
	put(&t, 0, 0xfffffff7, 4);
	assert_int_equal(find((struct slice){ t.bytes, t.n }, f), -ENOEXEC);
	t = made(&forms[1], TEXT);
	put(&t, 7, 4, 1); /* of 32 bits */
	assert_int_equal(find((struct slice){ t.bytes, t.n }, f), -ENOEXEC);
	t = made(&forms[1], TEXT);
	put(&t, 8, UINT64_MAX / 2, 8); /* more functions than there is room for */
	assert_int_equal(find((struct slice){ t.bytes, t.n }, f), -ENOEXEC);
	assert_int_equal(find((struct slice){ t.bytes, 0 }, f), -ENOEXEC);
}

/* Whatever is wrong: no byte outside is read, and what is found lies in order. */
static void any_wrong_byte_or_end(void **state)
{
	struct guard g = guard_new(TABLE_MAX);
	struct gopclntab_function f[3];

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct table t = made(&forms[i], TEXT);

		for (size_t n = 0; n < t.n; n++)
			assert_true(find(guard_put(&g, (struct slice){ t.bytes, n }), f) < 2);
		for (size_t at = 0; at < t.n; at++)
			for (int bit = 0; bit < 8; bit++) {
				t.bytes[at] ^= (uint8_t)(1 << bit);
				find(guard_put(&g, (struct slice){ t.bytes, t.n }), f);
				for (int k = 0; k < 3; k++)
					assert_true(f[k].start < f[k].end || !f[k].start);
				t.bytes[at] ^= (uint8_t)(1 << bit);
			}
	}
	guard_free(&g);
}

/*
 * As Go 1.19 compiles: arguments to [rsp+20] and [rsp+28] of a frame of 18; returns at 36 (a
 * value), 4d (0, by way of [rsp+8]), 59 (behind a place that is jumped to), 60 (0).
 */
static const char function[] =
	"\x49\x3b\x66\x10\x76\x5b\x48\x83\xec\x18\x48\x89\x6c\x24\x10\x48\x8d\x6c\x24\x10\x48\x89"
	"\x5c\x24\x28\x48\x89\x44\x24\x20\xe8\x2b\x00\x00\x00\x48\x85\xc0\x75\x0f\x48\x8b\x44\x24"
	"\x28\x48\x8b\x6c\x24\x10\x48\x83\xc4\x18\xc3\x48\xc7\x44\x24\x08\x00\x00\x00\x00\xff\xd0"
	"\x48\x8b\x44\x24\x08\x31\xdb\x48\x83\xc4\x18\xc3\x31\xc0\x74\x03\x48\x89\xc8\x48\x83\xc4"
	"\x18\xc3\x31\xc0\x48\x83\xc4\x18\xc3\x48\x89\x44\x24\x08\x48\x89\x5c\x24\x10\xe8\xf1\xff"
	"\xff\xff\xeb\x8e";

/* As Go 1.21, with a frame too large for a simple check. */
static const char large[] =
	"\x4c\x8d\xa4\x24\x00\xff\xff\xff\x4d\x3b\x66\x10\x76\xf2\x55\x48\x89\xe5\x48\x81\xec\x80"
	"\x01\x00\x00\x48\x89\x84\x24\x90\x01\x00\x00\x48\x89\x9c\x24\x98\x01\x00\x00\x48\x81\xc4"
	"\x80\x01\x00\x00\x5d\xc3";

static void returns_that_return_something(void **state)
{
	struct go_code c;

	if (!go_code_library())
		skip();
	assert_int_equal(go_code_read(SLICE(function), 0, &c), 0);
	assert_true(c.has_registers);
	assert_true(c.keeps_arguments);
	assert_int_equal(c.n_returns, 2);
	assert_int_equal(c.returns[0], 0x36);
	assert_int_equal(c.returns[1], 0x59);
	assert_int_equal(go_code_read(SLICE(large), 0, &c), 0);
	assert_true(c.has_registers);
	assert_true(c.keeps_arguments);
	assert_int_equal(c.n_returns, 1);
	assert_int_equal(c.returns[0], 0x31);
}

static void the_one_place_it_copies_at(void **state)
{
	uint8_t code[sizeof(function) - 1];
	struct go_code c;

	if (!go_code_library())
		skip();
	assert_int_equal(go_code_read(SLICE(function), 0x4e, &c), 0);
	assert_int_equal(c.copy, 0x1e);
	assert_int_equal(c.frame, 0x18);
	assert_int_equal(go_code_read(SLICE(function), 0x50, &c), 0);
	assert_int_equal(c.copy, 0);
	/* called twice: which one copies what is returned is not known */
	memcpy(code, function, sizeof(code));
	memcpy(code + 0x49, "\xe8\x00\x00\x00\x00", 5);
	assert_int_equal(go_code_read((struct slice){ code, sizeof(code) }, 0x4e, &c), 0);
	assert_int_equal(c.copy, 0);
	assert_int_equal(go_code_read(SLICE(large), 0x4e, &c), 0);
	assert_int_equal(c.frame, 0x188);
}

/* Of a function changed by one instruction: what was relied on is not there, and that is said. */
static void code_that_is_otherwise(void **state)
{
	static const struct {
		size_t at;
		const char *bytes;
		size_t n;
		bool has_registers, keeps;
	} changes[] = {
		{ 3, "\x18", 1, false, true },	  /* another word of g: no stack check */
		{ 0x1d, "\x30", 1, true, false }, /* rax to another place */
		{ 0x19, "\x48\x89\xcb\x90\x90", 5, true, false }, /* not put there at all */
		{ 0x0f, "\x48\x89\xc8\x90\x90", 5, true, false }, /* rax changed before */
		{ 0x0f, "\xe8\x00\x00\x00\x00", 5, true, false }, /* called something before */
	};
	uint8_t code[sizeof(function) - 1];
	struct go_code c;

	if (!go_code_library())
		skip();
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		memcpy(code, function, sizeof(code));
		memcpy(code + changes[i].at, changes[i].bytes, changes[i].n);
		assert_int_equal(go_code_read((struct slice){ code, sizeof(code) }, 0, &c), 0);
		assert_int_equal(c.has_registers, changes[i].has_registers);
		assert_int_equal(c.keeps_arguments, changes[i].keeps);
	}
	/* cut within an instruction; nothing; too many returns */
	assert_int_equal(go_code_read((struct slice){ code, 5 }, 0, &c), -EILSEQ);
	assert_int_equal(go_code_read((struct slice){ code, 0 }, 0, &c), -EILSEQ);
	memset(code, 0xc3, sizeof(code));
	assert_int_equal(go_code_read((struct slice){ code, sizeof(code) }, 0, &c), -E2BIG);
}

/* Each function is gone through: one program must not take all the time there is. */
static void no_program_has_as_many(void **state)
{
	const uint64_t most = 1 << 22, at = TABLE_MAX;
	struct table t = made(&forms[2], TEXT);
	size_t n = at + (most * 2 + 4) * 4;
	uint8_t *bytes = calloc(1, n);
	struct gopclntab_function f[3];

	assert_non_null(bytes);
	put(&t, 8, most, 8);
	put(&t, 8 + 7 * 8, at, 8);
	memcpy(bytes, t.bytes, t.n);
	assert_int_equal(find((struct slice){ bytes, n }, f), 0);
	put(&t, 8, most + 1, 8);
	memcpy(bytes, t.bytes, t.n);
	assert_int_equal(find((struct slice){ bytes, n }, f), -ENOEXEC);
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(functions_in_every_form),
		cmocka_unit_test(table_among_other_things),
		cmocka_unit_test(older_and_other_tables),
		cmocka_unit_test(no_program_has_as_many),
		cmocka_unit_test(any_wrong_byte_or_end),
		cmocka_unit_test(returns_that_return_something),
		cmocka_unit_test(the_one_place_it_copies_at),
		cmocka_unit_test(code_that_is_otherwise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
