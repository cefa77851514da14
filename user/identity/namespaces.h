/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which processes are in pods of the Kubernetes namespaces that are asked for. The kernel asks of
 * each process it meets; where nobody knows its container yet the answer waits until somebody does,
 * and until then the process is not observed.
 */
#ifndef NAMESPACES_H
#define NAMESPACES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "identity/containers.h"

enum { NAMESPACES_WAITING_MAX = 16384 }; /* beyond it a process waits for its next program */

struct namespaces_opts {
	char *const *names; /* borrowed */
	size_t n_names;
	struct containers *containers; /* borrowed */
	const char *proc_root;	       /* borrowed; NULL: "/proc" */
	void (*on_known)(void *ctx, uint32_t tgid, bool is_inside);
	void *ctx;
};

struct namespaces;

struct namespaces *namespaces_new(const struct namespaces_opts *opts); /* NULL: out of memory */
void namespaces_free(struct namespaces *n);			       /* NULL accepted */

/* Every process there is: some 20 us each. */
void namespaces_walk(struct namespaces *n);
/* One that the kernel has met. */
void namespaces_met(struct namespaces *n, uint32_t tgid);
/* Each second: those whose containers have become known, a bounded number of them; and forgets some
 * that are no more. */
void namespaces_tick(struct namespaces *n);

uint64_t namespaces_left_out(const struct namespaces *n); /* there was no room to wait, so often */
size_t namespaces_waiting(const struct namespaces *n);	  /* of whom nothing is known yet */

#endif
