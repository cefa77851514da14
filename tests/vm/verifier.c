// SPDX-License-Identifier: Apache-2.0
/*
 * Loads each BPF program by itself and prints what the verifier had to do: a line
 * "PROGRAM INSTRUCTIONS" with the instructions it walked, or "PROGRAM - REASON" where this kernel
 * does not take it. Every list of the filter is in use and plaintext of TLS is wanted, so that
 * nothing is pruned as dead.
 *
 * With "bare" in the environment a second time as Linux 5.15 is to take them, "bare/PROGRAM":
 * without what it lacks, and with what its verifier forgets forgotten. Only on 6.1 does that say
 * what 5.15 would say: later verifiers know more of constants, too.
 */
#include <bpf/libbpf.h>
#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "capture/bare.h"
#include "capture/probe_bare.h"
#include "sonde_abi.h"

enum { LOG_STATS = 4, LOG_ALL = 1, LOG_SIZE = 16 << 20 };

static int quiet(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	return 0;
}

/* Programs of the syscall tier alone; those that serve both are measured in the socket tier. */
static bool is_of_syscall_tier(const char *name)
{
	return !strncmp(name, "sonde_syscall", 13) || !strncmp(name, "sonde_sweep_", 12);
}

static void configure(struct sonde_bpf *skel, const char *name)
{
	struct sonde_filter *f = &skel->rodata->filter;

	f->n_pids = SONDE_PIDS;
	f->n_ports = SONDE_PORTS;
	f->n_comms = f->n_exes = f->n_cgroups = f->n_not_comms = SONDE_GLOBS;
	skel->rodata->is_syscall_tier = is_of_syscall_tier(name);
	skel->rodata->is_tls_wanted = 1;
	skel->rodata->is_propagating = 1;
	bpf_map__set_max_entries(skel->maps.scratches, 2 * (uint32_t)libbpf_num_possible_cpus());
}

/* Before Linux 5.16 the verifier knew nothing of a number any more that was put on the stack in
 * less than eight bytes. Here it is made to know as little: what is put there is any constant. */
static void forget_narrow(struct bpf_insn *insns, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct bpf_insn *insn = &insns[i];

		if (insn->code == (BPF_LD | BPF_IMM | BPF_DW))
			i++;
		else if (BPF_CLASS(insn->code) == BPF_STX && BPF_MODE(insn->code) == BPF_MEM &&
			 BPF_SIZE(insn->code) != BPF_DW && insn->dst_reg == BPF_REG_10)
			*insn = (struct bpf_insn){ .code = BPF_ST | BPF_MEM | BPF_SIZE(insn->code),
						   .dst_reg = BPF_REG_10,
						   .off = insn->off,
						   .imm = 1 };
	}
}

static void edit(void *elf)
{
	const Elf64_Ehdr *head = elf;
	const Elf64_Shdr *s = (Elf64_Shdr *)((char *)elf + head->e_shoff);

	bare_edit(elf);
	for (size_t i = 0; i < head->e_shnum; i++)
		if (s[i].sh_flags & SHF_EXECINSTR)
			forget_narrow((struct bpf_insn *)((char *)elf + s[i].sh_offset),
				      s[i].sh_size / sizeof(struct bpf_insn));
}

static int load_alone(const char *name, bool is_bare, int level, char *log)
{
	struct sonde_bpf *skel = probe_skel_open(is_bare ? edit : NULL);
	struct bpf_program *p;
	int err;

	if (!skel)
		return -errno;
	configure(skel, name);
	if (is_bare)
		skel->rodata->is_syscall_tier = 1;
	bpf_object__for_each_program (p, skel->obj)
		bpf_program__set_autoload(p, !strcmp(bpf_program__name(p), name));
	p = bpf_object__find_program_by_name(skel->obj, name);
	bpf_program__set_log_level(p, level);
	bpf_program__set_log_buf(p, log, LOG_SIZE);
	log[0] = '\0';
	err = sonde_bpf__load(skel);
	sonde_bpf__destroy(skel);
	return err;
}

/* The verifier's last words, for whoever has to find out why. */
static void explain(const char *name, bool is_bare, char *log)
{
	const char *at;
	int lines = 0;

	load_alone(name, is_bare, LOG_ALL, log);
	for (at = log + strlen(log); at > log && lines < 24; at--)
		lines += at[-1] == '\n';
	fprintf(stderr, "== %s%s\n%s\n", is_bare ? "bare/" : "", name, at);
}

static void measure(const char *name, bool is_bare, char *log)
{
	int err = load_alone(name, is_bare, LOG_STATS, log);
	const char *as = is_bare ? "bare/" : "";
	const char *processed = strstr(log, "processed ");

	if (err) {
		printf("%s%s - %s\n", as, name, strerror(-err));
		explain(name, is_bare, log);
	} else {
		printf("%s%s %ld\n", as, name, processed ? atol(processed + 10) : -1);
	}
}

/* What is named, or all there is. */
int main(int argc, char **argv)
{
	struct sonde_bpf *all = probe_skel_open(NULL);
	char *log = malloc(LOG_SIZE);
	struct bpf_program *p;
	bool is_bare = getenv("bare");

	if (!all || !log)
		return 1;
	libbpf_set_print(quiet);
	for (int i = 1; i < argc; i++) {
		bool is_named_bare = !strncmp(argv[i], "bare/", 5);

		measure(argv[i] + (is_named_bare ? 5 : 0), is_named_bare, log);
	}
	bpf_object__for_each_program (p, all->obj) {
		if (argc > 1)
			break;
		measure(bpf_program__name(p), false, log);
		if (is_bare)
			measure(bpf_program__name(p), true, log);
	}
	sonde_bpf__destroy(all);
	free(log);
	return 0;
}
