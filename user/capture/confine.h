/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Giving up what is needed no more once everything is attached: capabilities, gaining others, and
 * the system calls the loop does not make, execve among them.
 */
#ifndef CONFINE_H
#define CONFINE_H

#include <stdbool.h>
#include <stddef.h>

/* connects: to others it goes on making connections, and looking up names. For good, and for
 * whatever the process may run. 0, or -errno with one line in err: then some of it may be in force
 * already, and what was not possible is named. */
int confine(bool connects, char *err, size_t size);

#endif
