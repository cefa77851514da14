/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the host as a whole is doing: processors, memory, disks, file systems, interfaces, load and
 * pressure stalls, as the kernel counts them. Read when somebody asks for metrics.
 */
#ifndef HOST_H
#define HOST_H

#include <stdint.h>
#include "metrics/series.h"
#include "util/slice.h"

/* Reads proc (as /proc) and writes what it says into the store. A file that is absent or odd leaves
 * its metrics out. Bounded: some ten files, none of which blocks. */
void host_publish(const char *proc, struct series_store *store, uint64_t now_ns);

/* The same from texts, pure: the contents of stat, meminfo, loadavg, diskstats and net/dev.
 * ticks_per_s: sysconf(_SC_CLK_TCK). */
void host_stat(struct slice text, uint64_t ticks_per_s, struct series_store *store,
	       uint64_t now_ns);
void host_meminfo(struct slice text, struct series_store *store, uint64_t now_ns);
void host_loadavg(struct slice text, struct series_store *store, uint64_t now_ns);
void host_diskstats(struct slice text, struct series_store *store, uint64_t now_ns);
void host_netdev(struct slice text, struct series_store *store, uint64_t now_ns);

#endif
