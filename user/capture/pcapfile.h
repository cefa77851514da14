/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Captures (pcap and pcapng, read through libpcap) as a source. Packets are put together into TCP
 * connections and both ends of each are handed out as the kernel's records would be, with a tick
 * for each second of the capture's own time and a last one behind its end. Its clock is the wall
 * clock: realtime_offset_ns is 0.
 *
 * Records made of one packet are handed out together, so read() may exceed its budget by a few.
 */
#ifndef PCAPFILE_H
#define PCAPFILE_H

#include <stdbool.h>
#include <stddef.h>
#include "capture/source.h"

/* Do the first bytes of a file say that it is a capture? */
bool pcapfile_is_capture(const void *head, size_t size);

/* NULL on failure, one line in err. The caller closes the source. */
struct source *pcapfile_open(const char *path, char *err, size_t size);

/* After the end: did the file end inside a packet? */
bool pcapfile_is_cut(const struct source *s);
/* Why reading failed, in libpcap's words; "" if it did not. Valid until close. */
const char *pcapfile_error(const struct source *s);
/* What of the packets was missing or could not be used, as one line. False: nothing. */
bool pcapfile_flaws(const struct source *s, char *line, size_t size);

const char *pcapfile_library(void); /* name and version of what reads the files */

#endif
