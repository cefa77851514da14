/* SPDX-License-Identifier: Apache-2.0 */
/* Probes on the functions of one TLS library's file. */
#ifndef TLS_ATTACH_H
#define TLS_ATTACH_H

#include <stdint.h>
#include "capture/probe.h"
#include "capture/tls_symbols.h"
#include "capture/uprobe.h"

/* What the kernel has: entry and return by one program (Linux 6.13), one link for all functions of
 * a file; one link for a program's functions; perf events. With the first no process needs the
 * returns of its writes watched apart. */
enum tls_attach_by { TLS_ATTACH_PERF, TLS_ATTACH_MULTI, TLS_ATTACH_SESSION };

enum tls_attach_by tls_attach_by(struct probe *p);

/* Attaches to the file at `path`. Returns of writes are watched for one process only, `tgid`, and
 * nothing else then, which where the kernel has sessions is no link at all; 0: all but those, for
 * all. Adds to *to. 0, or -errno and nothing was added. */
int tls_attach(struct probe *p, const char *path, const struct tls_symbols *s, uint32_t tgid,
	       struct uprobe_links *to);

#endif
