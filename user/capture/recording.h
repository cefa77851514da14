/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recordings: a header, then records of include/sonde_abi.h back to back, each padded to 8 bytes.
 * Holds payload: created 0600.
 */
#ifndef RECORDING_H
#define RECORDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "capture/source.h"

struct recorder;

struct recorder_sums {
	uint64_t kept;	 /* whole records that are in the file */
	uint64_t failed; /* records that could not be written */
};

/* NULL on failure, one line in err. Writes are buffered; a full disk is reported once and counted,
 * and the file ends with its last whole record. */
struct recorder *recorder_open(const char *path, int64_t realtime_offset_ns, char *err,
			       size_t size);
void recorder_write(struct recorder *r, const void *rec, size_t size); /* size = header's size */
uint64_t recorder_failed(const struct recorder *r);		       /* so far */
/* Flushes. 0 or -errno; sums as of the end, may be NULL, as may the recorder. */
int recorder_close(struct recorder *r, struct recorder_sums *sums);

/* Opens a recording for replay. A file that is none, of another version, or cut in the header:
 * NULL and one line in err. A file cut anywhere later gives its whole records, then -ENODATA. */
struct source *recording_open(const char *path, char *err, size_t size);
/* After the end was reached: did the file end inside a record? */
bool recording_is_cut(const struct source *s);

#endif
