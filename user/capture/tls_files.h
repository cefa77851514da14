/* SPDX-License-Identifier: Apache-2.0 */
/* The files with TLS libraries in them that are watched: each once, whatever names and mounts it is
 * reached by, for all processes; let go some seconds after the last that uses it is gone. */
#ifndef TLS_FILES_H
#define TLS_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "capture/real_file.h"
#include "capture/tls.h"
#include "capture/tls_symbols.h"
#include "capture/uprobe.h"
#include "util/map.h"

enum { TLS_OTHERS_MAX = 4096 }; /* files known to hold nothing, before they are forgotten */

struct tls_file {
	struct real_file id;	  /* inode 0: the place is free */
	uint64_t unused_since_ns; /* 0: it is used, or of the host */
	uint64_t since_ns;	  /* it is watched */
	struct tls_symbols symbols;
	struct uprobe_links links;
	uint32_t users;
	bool is_host;
};

struct tls_files {
	struct probe *probe; /* borrowed */
	struct tls_file files[TLS_FILES_MAX];
	size_t n;
	struct map others; /* by real_file_stamp() */
	struct tls_stats stats;
};

/* The file at `path`, attached to now if it was not. Borrowed until its last user is gone. NULL: it
 * holds no library that is known, it cannot be read or attached to, or there are too many. */
struct tls_file *tls_files_get(struct tls_files *t, const char *path);

/* Attaches to the libraries of the host, which are never let go. */
void tls_files_add_host(struct tls_files *t);

/* One user more, or (-1) less. */
void tls_files_used(struct tls_file *f, int by, uint64_t now_ns);
void tls_files_tick(struct tls_files *t, uint64_t now_ns); /* detaches what nobody uses */

/* Moves the links of all files to *fds, which has room for stats.links; the caller closes them. How
 * many. */
size_t tls_files_take_links(struct tls_files *t, int *fds);
void tls_files_free(struct tls_files *t); /* closes no links */

#endif
