/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which file it is that uprobes are put on. An overlay file system shows a file of the layers below
 * under numbers of its own, others at each place it is mounted at, while mappings, and so probes,
 * are of the one file below: two containers of one image share it.
 */
#ifndef REAL_FILE_H
#define REAL_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include "capture/probe.h"

/* The inode's address in the kernel, by which it is known as long as it is in use, as one with
 * probes on it is; and its number and device, of those that were forgotten and read again. Where
 * the kernel does not tell: as stat(2) has it, with size and time of change in place of the other
 * two. */
struct real_file {
	uint64_t address, inode, device;
};

/* Of an open regular file. Maps a page of it for the moment, which is not touched. 0 or -errno. */
int real_file_of(struct probe *p, int fd, struct real_file *out);

static inline bool real_file_is(const struct real_file *a, const struct real_file *b)
{
	return a->address == b->address && a->inode == b->inode && a->device == b->device;
}

/* Of an open file as stat(2) has it, for what was found in it, as long as it is not changed: asked
 * for less. 0: it cannot be told. */
uint64_t real_file_stamp(int fd);

#endif
