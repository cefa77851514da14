/* SPDX-License-Identifier: Apache-2.0 */
/* The files a process maps that may hold a TLS library. */
#ifndef TLS_MAPS_H
#define TLS_MAPS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "capture/tls_symbols.h"

struct tls_mapped {
	uint64_t dev, inode;
	uint64_t start, end;	  /* of its code in the process */
	enum tls_library library; /* by its name; TLS_LIB_NONE: the program itself */
	bool is_deleted;	  /* the name now is another file's, or nobody's */
	const char *path;	  /* as the process sees it; while fn is called */
};

/* Calls fn for each, once per file; the program itself comes last and only if no library was found.
 * 0, or -errno. */
int tls_maps_each(uint32_t tgid, void (*fn)(void *ctx, const struct tls_mapped *m), void *ctx);

/* A path of what a process has mapped, below the root of that process. Where that is a folder
 * (chroot(2)) and we are outside, both are told from the root of the file system they are on. */
const char *tls_maps_below(const char *path, const char *root);

enum { TLS_PATH_MAX = PATH_MAX + 32 }; /* of what tls_maps_path() writes */

/* Where the observer can open what a process has mapped: by the mapping itself, which also finds
 * what was deleted; without the right to that, by the process's own root. */
void tls_maps_path(uint32_t tgid, const struct tls_mapped *m, char *out, size_t size);

#endif
