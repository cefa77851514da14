// SPDX-License-Identifier: Apache-2.0
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <elf.h>
#include <linux/bpf.h>
#include <stdbool.h>

#include "capture/bare.h"
#include "capture/probe_bare.h"

enum { CALLS_MAX = 256 };

/* What of the object's relocations names the kernel, and what does not. */
struct names {
	size_t n_calls, n_addresses, n_own;
	size_t calls[CALLS_MAX]; /* where in the file */
};

static struct names before, after;

static void add(struct names *n, const char *elf, size_t at, bool is_own)
{
	const struct bpf_insn *insn = (const struct bpf_insn *)(elf + at);

	if (is_own) {
		n->n_own++;
	} else if (insn->code == (BPF_JMP | BPF_CALL)) {
		assert_true(n->n_calls < CALLS_MAX);
		n->calls[n->n_calls++] = at;
	} else {
		n->n_addresses++;
	}
}

static struct names names_of(const char *elf)
{
	const Elf64_Ehdr *head = (const Elf64_Ehdr *)elf;
	const Elf64_Shdr *all = (const Elf64_Shdr *)(elf + head->e_shoff);
	struct names n = { 0 };

	for (size_t i = 0; i < head->e_shnum; i++) {
		const Elf64_Shdr *s = &all[i], *code = &all[s->sh_info];
		const Elf64_Sym *symbols = (const Elf64_Sym *)(elf + all[s->sh_link].sh_offset);
		const Elf64_Rel *rels = (const Elf64_Rel *)(elf + s->sh_offset);

		if (s->sh_type != SHT_REL || !(code->sh_flags & SHF_EXECINSTR))
			continue;
		for (size_t k = 0; k < s->sh_size / sizeof(*rels); k++)
			add(&n, elf, code->sh_offset + rels[k].r_offset,
			    symbols[ELF64_R_SYM(rels[k].r_info)].st_shndx != SHN_UNDEF);
	}
	return n;
}

static void edit(void *elf)
{
	before = names_of(elf);
	bare_edit(elf);
	after = names_of(elf);
	for (size_t i = 0; i < before.n_calls; i++) {
		const struct bpf_insn *insn =
			(const struct bpf_insn *)((char *)elf + before.calls[i]);

		assert_int_equal(insn->src_reg, 0); /* of a helper, and none there is */
		assert_true(insn->imm > 1000);
	}
}

/* The object itself: nothing in it names a function of the kernel any more, all else is as it was,
 * and libbpf takes it. */
static void test_kernel_is_not_named(void **state)
{
	struct sonde_bpf *skel = probe_skel_open(edit);

	assert_non_null(skel);
	assert_true(before.n_calls > 0 && before.n_addresses > 0);
	assert_int_equal(after.n_calls + after.n_addresses, 0);
	assert_int_equal(after.n_own, before.n_own);
	assert_int_equal(skel->rodata->is_bare, 1);
	sonde_bpf__destroy(skel);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kernel_is_not_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
