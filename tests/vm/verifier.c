// SPDX-License-Identifier: Apache-2.0
/*
 * Loads each BPF program by itself and prints what the verifier had to do: a line
 * "PROGRAM INSTRUCTIONS" with the instructions it walked, or "PROGRAM - REASON" where this kernel
 * does not take it. Every list of the filter is in use and plaintext of TLS is wanted, so that
 * nothing is pruned as dead.
 */
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "sonde_abi.h"
#include "sonde.skel.h"

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

static int load_alone(const char *name, int level, char *log)
{
	struct sonde_bpf *skel = sonde_bpf__open();
	struct bpf_program *p;
	int err;

	if (!skel)
		return -errno;
	configure(skel, name);
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
static void explain(const char *name, char *log)
{
	const char *at;
	int lines = 0;

	load_alone(name, LOG_ALL, log);
	for (at = log + strlen(log); at > log && lines < 24; at--)
		lines += at[-1] == '\n';
	fprintf(stderr, "== %s\n%s\n", name, at);
}

static void measure(const char *name, char *log)
{
	int err = load_alone(name, LOG_STATS, log);
	const char *processed = strstr(log, "processed ");

	if (err) {
		printf("%s - %s\n", name, strerror(-err));
		explain(name, log);
	} else {
		printf("%s %ld\n", name, processed ? atol(processed + 10) : -1);
	}
}

int main(void)
{
	struct sonde_bpf *all = sonde_bpf__open();
	char *log = malloc(LOG_SIZE);
	struct bpf_program *p;

	if (!all || !log)
		return 1;
	libbpf_set_print(quiet);
	bpf_object__for_each_program (p, all->obj)
		measure(bpf_program__name(p), log);
	sonde_bpf__destroy(all);
	free(log);
	return 0;
}
