/* SPDX-License-Identifier: Apache-2.0 */
/* Bounded reading of /proc/PID. A process may be gone at any line: every call may fail. */
#ifndef PROCFS_H
#define PROCFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "sonde_abi.h"

struct procfs_stat {
	uint32_t ppid;
	bool is_exiting;   /* a zombie, or about to be one */
	uint64_t start_ns; /* boot clock, in steps of a clock tick */
	char comm[SONDE_COMM_LEN];
};

/* `root` is "/proc". Reads at most `size` bytes; returns how many, or -errno. */
ssize_t procfs_read(const char *root, uint32_t tgid, const char *file, void *buf, size_t size);
ssize_t procfs_link(const char *root, uint32_t tgid, const char *file, char *buf, size_t size);
int procfs_open(const char *root, uint32_t tgid, const char *file); /* read only; fd or -errno */

int procfs_stat(const char *root, uint32_t tgid, struct procfs_stat *out); /* 0, -errno */

/* Are two start times those of one process? A record has nanoseconds, /proc clock ticks. */
int procfs_same_start(uint64_t a_ns, uint64_t b_ns);

/* What names this host over reboots: its machine-id, that of the process 1 we can see first, since
 * in a container our own is the image's; else its name. NUL terminated. */
void procfs_host_id(const char *root, char *out, size_t size);

#endif
