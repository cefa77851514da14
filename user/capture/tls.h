/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which TLS libraries are watched. The host's own are from the start, so that a program that lives
 * for milliseconds is seen too. Others (in containers, bundled, linked into a program) are found
 * shortly after a process has begun, or when it is seen to speak TLS, attached once for each file,
 * and let go when the last process that was seen to use them is gone.
 */
#ifndef TLS_H
#define TLS_H

#include <stdint.h>
#include "capture/probe.h"
#include "capture/tls_symbols.h"

enum {
	TLS_FILES_MAX = 256,   /* watched at a time; beyond, none is added and that is counted */
	TLS_USERS_MAX = 16384, /* processes known to use them */
	TLS_WAITING_MAX = 128, /* to be looked at soon; those beyond are when they speak TLS */
};

struct tls;

struct tls_stats {
	uint32_t files, links; /* watched now */
	uint64_t attached, detached, failed, left_out;
};

/* Attaches to the host's libraries and to those of all processes. Borrows p. NULL: the probe has no
 * programs for it (probe_tls_off()), or out of memory. */
struct tls *tls_open(struct probe *p);
void tls_close(struct tls *t); /* detaches; NULL accepted */

/* A process was seen to speak TLS: what does it map? Looks once a second at most. */
void tls_seen(struct tls *t, uint32_t tgid, uint64_t now_ns);
void tls_forked(struct tls *t, uint32_t parent, uint32_t tgid);
void tls_exited(struct tls *t, uint32_t tgid);
/* Became another program: one that is known to have a library within is looked at at once. */
void tls_execed(struct tls *t, uint32_t tgid, const char *filename, uint64_t now_ns);
/* Looks at some of those that became another program a while ago, which map their libraries by
 * then, most of them before they speak. Often: an observer that is woken or polls. */
void tls_turn(struct tls *t, uint64_t now_ns);
void tls_tick(struct tls *t, uint64_t now_ns); /* detaches what nobody uses */

/* What a process was found to use; TLS_LIB_NONE: nothing that is watched, or more than one. */
enum tls_library tls_used_by(const struct tls *t, uint32_t tgid);
/* Since when the one that it uses is watched; 0: none is known. */
uint64_t tls_watched_since(const struct tls *t, uint32_t tgid);
/* Which by name, or what else encrypts for it as far as its maps tell; NULL: not known. */
const char *tls_library_of_process(const struct tls *t, uint32_t tgid);
const struct tls_stats *tls_stats(const struct tls *t);

#endif
