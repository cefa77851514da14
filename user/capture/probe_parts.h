/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the probe share: the only ones that know the skeleton. */
#ifndef PROBE_PARTS_H
#define PROBE_PARTS_H

#include <bpf/libbpf.h>

#include "capture/probe.h"
#include "capture/uprobe.h"
#include "sonde.skel.h"

enum { PROBE_FEATURES = 22, PROBE_PAIRS = 4 };

/* A program that is attached: the tiers it belongs to, what it stands on, what is lost without. */
struct probe_feature {
	const char *name, *hook, *gives;
	unsigned int tiers; /* 1 << enum probe_tier */
	bool is_required;
	enum { ALWAYS, BY_THREADS, BY_CLIENTS_AND_THREADS } need;
	bool is_aid; /* makes others' records better, makes none itself */
};

/* At hooks that fire in threads and in softirqs alike a second program does what the first is left
 * out of (bpf/again.bpf.h); in the order of its turns. Where each message would pay for it, it is
 * attached when the first was left out once. */
struct probe_pair {
	const char *first, *second;
	bool is_at_once;
};

extern const struct probe_feature probe_features[PROBE_FEATURES];
extern const struct probe_pair probe_pairs[PROBE_PAIRS];

struct probe {
	struct sonde_bpf *skel;
	enum probe_tier tier;
	struct bpf_link *links[PROBE_FEATURES];
	struct bpf_link *seconds[PROBE_FEATURES]; /* attached behind, where there is one */
	char reasons[PROBE_FEATURES][160];	  /* empty: on */
	bool is_absent[PROBE_FEATURES];		  /* the kernel has no such hook */
	struct sonde_verdict *verdicts;		  /* mapped, shared with the kernel */
	int ring_fd;
	int stats_fd;
	size_t ring_size;
	enum uprobe_means means; /* of attaching to functions */
	bool is_tls;
	bool is_go;   /* the program for handovers is loaded */
	bool is_bare; /* the kernel has no loops of its own: probe_bare.h */
	bool is_propagating;
	char propagate_off[160]; /* why not */
	char tls_off[160];	 /* why not */
	struct bpf_link *moved;	 /* where processes are asked for by where they are */
};

/* --- probe_features.c --- */

bool probe_is_of_tier(const struct probe *p, size_t feature);
size_t probe_pair_of(size_t feature); /* PROBE_PAIRS: it has one program */
struct bpf_program *probe_program_of(const struct sonde_bpf *skel, size_t feature);
struct bpf_program *probe_second_of(const struct sonde_bpf *skel, size_t feature); /* or NULL */
struct bpf_program *probe_tls_program_of(const struct sonde_bpf *skel, enum probe_tls which);

/* --- probe.c --- */

/* NULL: it is not attached. */
struct bpf_link *probe_link_of(const struct probe *p, const char *name);

/* --- probe_load.c --- */

/* Loads the programs of the tier asked for, else of the better one that this kernel takes, found by
 * trying. Writes one line into err on failure. */
enum probe_error probe_load(struct probe *p, const struct probe_opts *opts, char *err, size_t size);

/* What libbpf said last of what went wrong; "": nothing. Static. */
const char *probe_complaint(void);

#endif
