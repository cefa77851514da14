/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which container a control group belongs to. Pure. Container runtimes put the id into the group's
 * name, each its own way, and differently for the two drivers of cgroups (cgroupfs, systemd) and
 * for the two versions of them; the forms are listed in docs/identity.md.
 */
#ifndef CONTAINER_H
#define CONTAINER_H

#include <stdbool.h>
#include <stdint.h>
#include "util/slice.h"

enum {
	CONTAINER_ID_LEN = 80,	    /* 64 hexadecimal digits, or what else names it */
	CONTAINER_POD_UID_LEN = 40, /* a UUID, or of static pods 32 hexadecimal digits */
};

struct container_ref {
	char id[CONTAINER_ID_LEN];	     /* empty: in none */
	char pod_uid[CONTAINER_POD_UID_LEN]; /* of the Kubernetes pod; empty: in none */
	const char *runtime; /* "docker", "containerd", ...; static; NULL: not known */
};

/* The innermost container of a group's path. False: it is in none, *out is empty. */
bool container_of_path(struct slice path, struct container_ref *out);

/* The same of the text of /proc/PID/cgroup (cgroups(7)): the unified hierarchy says it, or, where
 * that is not used for it, any of the others. *path: of the group that did, borrowed from `file`. */
bool container_of_file(struct slice file, struct container_ref *out, struct slice *path);

/* What tells containers apart in a hash map; 0: in none. */
uint64_t container_key(const char *id);

#endif
