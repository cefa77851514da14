/* SPDX-License-Identifier: Apache-2.0 */
/* May this process observe at all? */
#ifndef RIGHTS_H
#define RIGHTS_H

#include <stdbool.h>
#include <stddef.h>
#include "capture/probe.h"

/* May this process look at the types of the kernel's modules? */
bool rights_modules(void);

/* PROBE_OK, PROBE_NO_RIGHTS or PROBE_NO_BTF with one line in err that says what to do. */
enum probe_error rights_check(char *err, size_t size);

/* May it put something into the requests of others, too? False: one line in why. */
bool rights_propagate(char *why, size_t size);

/* May it attach to functions of programs, of TLS libraries above all? False: one line in why. */
bool rights_uprobes(char *why, size_t size);

/* A right that one can do without, and what that costs; both strings are static. */
struct right {
	const char *name, *costs;
};

enum { RIGHTS_MAX = 3 };

/* Those that this process does not have. Returns how many. */
size_t rights_missing(struct right out[RIGHTS_MAX]);

#endif
