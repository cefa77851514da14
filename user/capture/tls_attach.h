/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Uprobes on the functions of one file, for every process that maps it now or later: one link for
 * each program where the kernel has uprobe_multi (Linux 6.6), else one perf event for each function.
 */
#ifndef TLS_ATTACH_H
#define TLS_ATTACH_H

#include <stdbool.h>
#include <stdint.h>
#include "capture/probe.h"
#include "capture/tls_symbols.h"

enum { TLS_LINKS_MAX = 12 };

struct tls_links {
	int fd[TLS_LINKS_MAX]; /* of links, or of perf events */
	int n;
};

/* Attaches to the file at `path`. Returns of writes are watched for one process only, `tgid`, and
 * nothing else then; 0: all but those, for all. 0, or -errno and nothing is attached. */
int tls_attach(struct probe *p, const char *path, const struct tls_symbols *s, uint32_t tgid,
	       struct tls_links *out);
/* Any program at the beginning of a function, for every process: a link, or -errno. */
int tls_attach_entry(int program_fd, const char *path, uint64_t offset);
void tls_detach(struct tls_links *l);

/* What the kernel has: entry and return of one program (Linux 6.13), uprobe_multi, perf events.
 * With the first no process needs the returns of its writes watched apart. */
enum tls_attach_by { TLS_ATTACH_PERF, TLS_ATTACH_MULTI, TLS_ATTACH_SESSION };

enum tls_attach_by tls_attach_by(struct probe *p);

#endif
