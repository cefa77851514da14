/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Giving up what is needed no more once everything is attached: capabilities, gaining others, and
 * the system calls the loop does not make, execve among them.
 */
#ifndef CONFINE_H
#define CONFINE_H

#include <stdbool.h>
#include <stddef.h>

/* With whom connections are still made. */
enum confine_reach {
	CONFINE_ALONE, /* nobody: what is accepted stays */
	CONFINE_HOST,  /* unix sockets */
	CONFINE_WORLD, /* anybody, names are looked up */
};

/* For good, and for whatever the process may run. 0, or -errno with one line in err: then some of
 * it may be in force already, and what was not possible is named. needs_perf: perf events for
 * functions of programs that begin later are still to be made, which takes CAP_SYS_ADMIN. */
int confine(enum confine_reach reach, bool needs_perf, char *err, size_t size);

#endif
