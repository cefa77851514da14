/* SPDX-License-Identifier: Apache-2.0 */
/* The filter's word on processes older than the observer: the kernel decides about new ones at
 * exec, where it is given the program's path; of old ones it can see the last part only. */
#ifndef FILTER_H
#define FILTER_H

#include <stdbool.h>
#include "capture/probe.h"

/* '*' any run of bytes, '?' any one. The same as the kernel's side. */
bool filter_glob(const char *glob, const char *text);

/* Is a process that lives asked for? By its number and its files under /proc. */
bool filter_asks(const struct sonde_filter *f, uint32_t tgid);

/* Walks /proc once and tells `set` about every process, if any list names programs. */
void filter_seed(const struct sonde_filter *f, struct probe *p,
		 int (*set)(struct probe *p, uint32_t tgid, uint32_t flags));

#endif
