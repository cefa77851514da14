// SPDX-License-Identifier: Apache-2.0
#include "capture/uprobe_place.h"

#include <stdbool.h>
#include <string.h>

enum {
	CALL = 0xe8,
	CALL_LEN = 5,
	FUNCTIONS_ALIGNED = 16,
};

/* Intel SDM, volume 2. What Linux's arch/x86/kernel/uprobes.c carries out itself: push of a
 * register, nop, and jumps and calls that say how far. */
static bool is_emulated(const uint8_t *p, size_t n)
{
	if (n >= 2 && p[0] == 0x41) /* push of r8 to r15 */
		return p[1] >= 0x50 && p[1] <= 0x57;
	if (n >= 2 && p[0] == 0x0f)
		return p[1] >= 0x80 && p[1] <= 0x8f;
	return n && ((p[0] >= 0x50 && p[0] <= 0x57) || (p[0] >= 0x70 && p[0] <= 0x7f) ||
		     p[0] == 0x90 || p[0] == 0xe8 || p[0] == 0xe9 || p[0] == 0xeb);
}

/* Clears a register that holds none of the first three arguments: xor of one with itself. */
static size_t clears_other(const uint8_t *p, size_t n)
{
	static const uint8_t others[] = { 0xc0, 0xc9, 0xdb, 0xed }; /* eax, ecx, ebx, ebp */
	size_t rex = n && p[0] == 0x45;				    /* both of r8 to r15 */

	if (n < rex + 2 || (p[rex] != 0x31 && p[rex] != 0x33))
		return 0;
	if (rex)
		return (p[2] & 0xc0) == 0xc0 && (p[2] >> 3 & 7) == (p[2] & 7) ? 3 : 0;
	return memchr(others, p[1], sizeof(others)) ? 2 : 0;
}

/* A Go function's first question, how much of its stack is left: cmp 0x10(%r14),%rsp; of a large
 * frame lea -frame(%rsp),%r12; cmp 0x10(%r14),%r12. */
static size_t asks_for_stack(const uint8_t *p, size_t n)
{
	static const struct {
		uint8_t code[4], len;
	} known[] = {
		{ { 0x49, 0x3b, 0x66, 0x10 }, 4 },
		{ { 0x4d, 0x3b, 0x66, 0x10 }, 4 },
		{ { 0x4c, 0x8d, 0x64, 0x24 }, 5 }, /* and a byte: how far */
		{ { 0x4c, 0x8d, 0xa4, 0x24 }, 8 }, /* and four */
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (n >= known[i].len && memcmp(p, known[i].code, sizeof(known[i].code)) == 0)
			return known[i].len;
	return 0;
}

/* Length of an instruction that leaves arguments and stack alone; 0: it is none that is known. */
static size_t passes(const uint8_t *p, size_t n)
{
	static const uint8_t endbr64[] = { 0xf3, 0x0f, 0x1e, 0xfa };
	size_t rex = n && p[0] == 0x48, len;

	if (n >= 4 && memcmp(p, endbr64, 4) == 0)
		return 4;
	if (n >= rex + 2 && p[rex] == 0x85 && p[rex + 1] >= 0xc0) /* test of registers */
		return rex + 2;
	if (n >= 7 && p[0] == 0x80 && p[1] == 0xbf) /* cmpb of a byte behind rdi */
		return 7;
	len = asks_for_stack(p, n);
	return len ? len : clears_other(p, n);
}

int uprobe_place(const uint8_t *code, size_t n)
{
	size_t at = 0, len;

	while (!is_emulated(code + at, n - at)) {
		len = passes(code + at, n - at);
		if (!len)
			return -1;
		at += len;
	}
	return (int)at;
}

/* The target of what may be a call at i; 0: it is none. */
static uint64_t target_of(const struct uprobe_code *c, size_t i)
{
	uint64_t to;
	int32_t by;

	if (i + CALL_LEN > c->n || c->bytes[i] != CALL)
		return 0;
	memcpy(&by, c->bytes + i + 1, sizeof(by));
	to = c->at + i + CALL_LEN + (uint64_t)(int64_t)by;
	return to % FUNCTIONS_ALIGNED ? 0 : to;
}

static bool calls(const struct uprobe_code *c, uint64_t target)
{
	for (size_t i = 0; i < c->n; i++)
		if (target_of(c, i) == target)
			return true;
	return false;
}

uint64_t uprobe_common_call(const struct uprobe_code *a, const struct uprobe_code *b)
{
	for (size_t i = 0; i < a->n; i++) {
		uint64_t target = target_of(a, i);

		if (target && calls(b, target))
			return target;
	}
	return 0;
}
