/* SPDX-License-Identifier: Apache-2.0 */
/* What stands before the records in a recording. Private to recording.c and replayed.c. */
#ifndef RECORDING_FORMAT_H
#define RECORDING_FORMAT_H

#include <stdint.h>

#define RECORDING_MAGIC                                \
	{                                              \
		'S', 'O', 'N', 'D', 'E', 'R', 'E', 'C' \
	}

struct recording_header {
	uint8_t magic[8];
	uint32_t abi_version;
	uint32_t header_size; /* records begin here: fields may be appended */
	int64_t realtime_offset_ns;
	uint64_t reserved[5];
};

_Static_assert(sizeof(struct recording_header) == 64, "recording header");

#endif
