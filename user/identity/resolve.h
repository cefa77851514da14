/* SPDX-License-Identifier: Apache-2.0 */
/* What /proc tells of one living process, gathered into names. */
#ifndef RESOLVE_H
#define RESOLVE_H

#include <stdbool.h>
#include <stdint.h>
#include "identity/container.h"
#include "identity/otel_env.h"
#include "identity/procfs.h"
#include "identity/program.h"
#include "identity/service.h"

enum { RESOLVE_CGROUP_LEN = 512 };

struct resolved {
	struct procfs_stat stat;
	struct otel_env env;
	char unit[SERVICE_NAME_LEN]; /* empty: in no systemd service */
	char program[SERVICE_NAME_LEN];
	enum program_is is;
	char cgroup[RESOLVE_CGROUP_LEN]; /* a longer path is cut */
	bool is_unified;		 /* the path is that of the cgroup's id */
	struct container_ref container;
};

/* Reads stat, exe, cmdline, cwd, environ and cgroup: five small files, some 50 us. 0, or -errno
 * when the process is gone or a zombie; what else could not be read is empty. */
int resolve_process(const char *root, uint32_t tgid, struct resolved *out);

/* The cgroup alone. False: not to be read. */
bool resolve_cgroup(const char *root, uint32_t tgid, struct resolved *out);

#endif
