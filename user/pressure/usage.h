/* SPDX-License-Identifier: Apache-2.0 */
/* What one process has used up, from its files under /proc. */
#ifndef USAGE_H
#define USAGE_H

#include <stdbool.h>
#include <stdint.h>
#include "util/slice.h"

struct usage {
	uint64_t start_ns; /* since boot */
	uint64_t user_ns, system_ns;
	uint64_t minor_faults, major_faults;
	uint64_t threads;
	uint64_t virtual_bytes, resident_bytes, swap_bytes;
	/* that went to and came from disks, of it and of all children it has waited for */
	uint64_t read_bytes, written_bytes;
	uint64_t voluntary, involuntary; /* context switches, of all threads that live */
	uint64_t descriptors;
	char comm[16];
	bool is_kernel;	       /* a thread of the kernel's */
	bool is_over;	       /* it has ended, and nobody has waited for it yet */
	bool has_io;	       /* its input and output could be read: that takes rights */
	bool ignores_children; /* they end without being waited for */
	bool has_descriptors;
};

/* Texts of /proc/PID/stat, status and io, pure. False: that is none. */
bool usage_stat(struct slice text, uint64_t ticks_per_s, uint64_t page_size, struct usage *out);
bool usage_status(struct slice text, struct usage *out); /* adds its thread's context switches */
bool usage_io(struct slice text, struct usage *out);

/* All of a process, `proc` being /proc. False: it is gone. */
bool usage_read(const char *proc, uint32_t tgid, struct usage *out);

/*
 * Of a process that has ended and used run_ns in all, divided as its ticks were. `u` holds what was
 * known before: neither part falls, and both are run_ns together.
 */
void usage_end(struct usage *u, uint64_t run_ns, uint64_t user_ticks_ns, uint64_t system_ticks_ns);

#endif
