/* SPDX-License-Identifier: Apache-2.0 */
/* What check found out, and its two forms. */
#ifndef CHECK_REPORT_H
#define CHECK_REPORT_H

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/utsname.h>
#include "capture/probe.h"
#include "capture/propagate.h"
#include "capture/rights.h"
#include "cmd/inquiry.h"
#include "cmd/watch.h"

enum { CHECK_PROGRAMS_MAX = 64, CHECK_SHOWN = 10 };

/* One process in depth. */
struct check_process {
	uint32_t pid; /* 0: nobody asked */
	bool is_found;
	bool is_go;
	char comm[16];
	char exe[PATH_MAX];
	char service[128];
	const char *tls_name; /* of what encrypts for it, static; NULL: nothing that is known */
	char tls_library[PATH_MAX]; /* path of its file; empty: there is none, or it is not known */
	bool is_tls_read;
	char tls_why[160]; /* why it is not, or nothing is known; empty: no reason is known */
};

struct check_report {
	struct utsname kernel;
	enum probe_error error;
	char reason[512]; /* why it cannot work, when error */
	enum probe_tier tier;
	struct probe_program programs[CHECK_PROGRAMS_MAX];
	size_t n_programs;
	size_t ring_size;
	uint64_t bpf_memory, propagate_memory; /* as run has it, and what --propagate adds */
	struct right missing[RIGHTS_MAX];      /* rights it can do without */
	size_t n_missing;
	uint64_t watched_ns;
	const struct watch *watch;		/* borrowed; NULL: not observed */
	const struct asked *asked[INQUIRY_MAX]; /* about containers; borrowed */
	size_t n_asked;
	bool has_stalls;  /* pressure of control groups: */
	char stalls[160]; /* where from, or why not */
	bool can_propagate, can_propagate_briefly;
	char propagate_off[256]; /* why not */
	struct check_process process;
};

/* Is it a process to name as yielding no data? */
static inline bool check_is_dark(const struct watched *p)
{
	return p->bytes && !p->transactions;
}

void check_text(const struct check_report *r, FILE *out);
int check_json(const struct check_report *r, FILE *out); /* 0, -ENOMEM */

#endif
