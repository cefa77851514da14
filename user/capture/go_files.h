/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which Go programs are watched: for requests that a goroutine hands to another, and for the
 * plaintext of crypto/tls. Attached once for each file, for all processes that run it; let go some
 * seconds after the last of them has ended.
 */
#ifndef GO_FILES_H
#define GO_FILES_H

#include <stdbool.h>
#include <stdint.h>
#include "capture/probe.h"

enum {
	GO_FILES_MAX = 256,   /* watched at a time; beyond, none is added and that is counted */
	GO_USERS_MAX = 16384, /* processes known to run them */
	GO_WAITING_MAX = 256, /* to be looked at; those beyond are once it is known who they are */
	GO_OTHERS_MAX = 4096, /* files known not to be Go's, before they are forgotten */
};

struct go_files;

struct go_stats {
	uint32_t files, links; /* watched now */
	uint64_t attached, detached, failed, left_out;
};

/* Looks at all processes. Borrows p. NULL: the probe has no program for it, or out of memory. */
struct go_files *go_files_open(struct probe *p);
void go_files_close(struct go_files *g); /* detaches; NULL accepted, here and below */

/* A process was made another program: is it Go's? */
void go_files_exec(struct go_files *g, uint32_t tgid);
void go_files_seen(struct go_files *g, uint32_t tgid); /* it is */
void go_files_exited(struct go_files *g, uint32_t tgid);
void go_files_turn(struct go_files *g);			 /* looks at some of those */
void go_files_tick(struct go_files *g, uint64_t now_ns); /* detaches what nobody uses */

/* Since when crypto/tls of this process's program is watched; 0: it is not. */
uint64_t go_files_tls_since(const struct go_files *g, uint32_t tgid);
const struct go_stats *go_files_stats(const struct go_files *g);

#endif
