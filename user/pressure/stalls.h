/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pressure stalls (PSI): time in which tasks waited for want of a resource, as the kernel counts it
 * for the host and for each control group of the unified hierarchy; version 1 has none.
 * Documentation/accounting/psi.rst, admin-guide/cgroup-v2.rst
 */
#ifndef STALLS_H
#define STALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "metrics/series.h"
#include "util/slice.h"

enum { STALLS_RESOURCES = 3, STALLS_KINDS = 2 }; /* cpu, memory, io; some, full */

/* Of a moment, since the group was made. */
struct stalls {
	uint64_t ns[STALLS_RESOURCES][STALLS_KINDS];
	bool is_known[STALLS_RESOURCES][STALLS_KINDS];
	uint64_t group; /* the control group's number, as the kernel's cgroup_id(); 0: not known */
};

const char *stalls_resource(size_t resource); /* "cpu", "memory", "io" */

/* The text of a .pressure file, as that of a resource. Pure. */
void stalls_parse(struct slice text, size_t resource, struct stalls *out);
/* What is known of a service's control group, or of the host (NULL), into its series. */
void stalls_publish(const struct stalls *s, const struct service *service,
		    struct series_store *store, uint64_t now_ns);

struct stalls_source;

struct stalls_opts {
	const char *proc; /* as /proc */
	const char *root; /* of the hierarchy; NULL: where it is mounted for the host, else for us */
	const char *view; /* of it in our own cgroup namespace; NULL: where it is mounted for us */
};

/* NULL: it is not mounted, or out of memory. Keeps the folder open: what is read later takes no
 * rights. */
struct stalls_source *stalls_open(const struct stalls_opts *opts);
void stalls_close(struct stalls_source *src); /* NULL accepted */

/* Of the control group that a process is in. False: in none but the root, which is the host; or it
 * cannot be read; its number may be known all the same. */
bool stalls_read(const struct stalls_source *src, uint32_t tgid, struct stalls *out);

/* Are there such figures on this host? `out`: where from, or why not. */
bool stalls_check(const char *proc, char *out, size_t size);

#endif
