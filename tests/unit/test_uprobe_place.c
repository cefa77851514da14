// SPDX-License-Identifier: Apache-2.0
/* Where in a function a probe is cheap and sees what it would at the beginning. Code as compilers
 * make it. */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>
#include "capture/uprobe_place.h"

#define PLACE(...) \
	uprobe_place((const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

static void at_the_beginning(void **state)
{
	assert_int_equal(PLACE(0x55, 0x48, 0x89, 0xe5), 0);	  /* push %rbp */
	assert_int_equal(PLACE(0x41, 0x57, 0x41, 0x56), 0);	  /* push %r15 */
	assert_int_equal(PLACE(0xe9, 0x66, 0x9c, 0xff, 0xff), 0); /* jmp */
	assert_int_equal(PLACE(0x90), 0);
}

static void behind_what_changes_nothing(void **state)
{
	assert_int_equal(PLACE(0xf3, 0x0f, 0x1e, 0xfa, 0x53), 4); /* endbr64; push %rbx */
	assert_int_equal(PLACE(0x48, 0x85, 0xff, 0x0f, 0x84, 0x97, 3, 0, 0), 3); /* test %rdi; je */
	/* cmpb $0,0x126(%rdi); je */
	assert_int_equal(PLACE(0x80, 0xbf, 0x26, 1, 0, 0, 0, 0x74, 0x0c), 7);
	/* xor %r8d,%r8d; xor %ecx,%ecx; jmp */
	assert_int_equal(PLACE(0x45, 0x31, 0xc0, 0x31, 0xc9, 0xe9, 0, 0, 0, 0), 5);
	/* cmp 0x10(%r14),%rsp; jbe */
	assert_int_equal(PLACE(0x49, 0x3b, 0x66, 0x10, 0x76, 0x40), 4);
	/* lea -0x50(%rsp),%r12; cmp 0x10(%r14),%r12; jbe */
	assert_int_equal(
		PLACE(0x4c, 0x8d, 0x64, 0x24, 0xb0, 0x4d, 0x3b, 0x66, 0x10, 0x0f, 0x86, 1, 2, 0, 0),
		9);
	/* the same of a larger frame */
	assert_int_equal(PLACE(0x4c, 0x8d, 0xa4, 0x24, 0, 0xfe, 0xff, 0xff, 0x4d, 0x3b, 0x66, 0x10,
			       0x0f, 0x86, 1, 2, 0, 0),
			 12);
}

static void not_behind_what_does(void **state)
{
	assert_int_equal(PLACE(0x48, 0x83, 0xec, 0x18, 0x53), -1); /* sub $0x18,%rsp */
	assert_int_equal(PLACE(0x31, 0xff, 0x53), -1);		   /* xor %edi,%edi */
	assert_int_equal(PLACE(0x31, 0xd2, 0x53), -1);		   /* xor %edx,%edx */
	assert_int_equal(PLACE(0x31, 0xf6, 0x53), -1);		   /* xor %esi,%esi */
	assert_int_equal(PLACE(0x31, 0xd8, 0x53), -1);		   /* xor %ebx,%eax */
	assert_int_equal(PLACE(0x45, 0x31, 0xc8, 0x53), -1);	   /* xor %r9d,%r8d */
	assert_int_equal(PLACE(0x48, 0x89, 0xf8, 0x53), -1);	   /* mov %rdi,%rax */
	assert_int_equal(PLACE(0xff, 0x25, 0, 0, 0, 0), -1);	   /* jmp *: the kernel does not */
	assert_int_equal(PLACE(0x68, 0, 0, 0, 0), -1);		   /* push of a number */
	assert_int_equal(PLACE(0x85, 0x07, 0x53), -1);		   /* test of memory: not known */
}

static void no_byte_beyond_the_end(void **state)
{
	static const uint8_t code[] = { 0xf3, 0x0f, 0x1e, 0xfa, 0x48, 0x85, 0xff,
					0x45, 0x31, 0xc0, 0x31, 0xc9, 0x41, 0x54 };

	for (size_t n = 0; n < sizeof(code); n++)
		assert_int_equal(uprobe_place(code, n), -1);
	assert_int_equal(uprobe_place(code, sizeof(code)), 12);
}

/* sub $8,%rsp; call 0x35290, at 0x354c0; and one that does more before, at 0x35430 */
static const uint8_t brief[] = { 0x48, 0x83, 0xec, 0x08, 0xe8, 0xc7, 0xfd, 0xff, 0xff };
static const uint8_t longer[] = { 0x48, 0x83, 0xec, 0x18, 0x31, 0xc0, 0x85, 0xd2, 0x78,
				  0x31, 0xe8, 0x10, 0x10, 0x10, 0x10, 0x48, 0x89, 0xe1,
				  0x48, 0x63, 0xd2, 0xe8, 0x46, 0xfe, 0xff, 0xff };

static void what_two_functions_call(void **state)
{
	struct uprobe_code a = { 0x354c0, brief, sizeof(brief) };
	struct uprobe_code b = { 0x35430, longer, sizeof(longer) };

	assert_int_equal(uprobe_common_call(&a, &b), 0x35290);
	assert_int_equal(uprobe_common_call(&b, &a), 0x35290);
	for (b.n = 0; b.n < sizeof(longer); b.n++)
		assert_int_equal(uprobe_common_call(&a, &b), 0);
	b.n = sizeof(longer);
	b.at += 16; /* no longer the same */
	assert_int_equal(uprobe_common_call(&a, &b), 0);
	b.at -= 8; /* the same no more, and where no function begins */
	a.at -= 8;
	assert_int_equal(uprobe_common_call(&a, &b), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(at_the_beginning),
		cmocka_unit_test(behind_what_changes_nothing),
		cmocka_unit_test(not_behind_what_does),
		cmocka_unit_test(no_byte_beyond_the_end),
		cmocka_unit_test(what_two_functions_call),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
