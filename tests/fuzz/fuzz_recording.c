/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Input: a recording, or records without the header of one. Whatever it is, replay ends, stays
 * within its memory, and what it prints is whole lines of JSON.
 */
#include <stdint.h>
#include "capture/recording.h"
#include "capture/recording_format.h"
#include "replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct recording_header header = {
		.magic = RECORDING_MAGIC,
		.abi_version = SONDE_ABI_VERSION,
		.header_size = sizeof(header),
		.realtime_offset_ns = 1700000000000000000,
	};
	bool has_magic = size >= 8 && memcmp(data, header.magic, 8) == 0;
	const char *path = fuzz_file(&header, has_magic ? 0 : sizeof(header), data, size);
	char err[512] = "";
	struct source *source = recording_open(path, err, sizeof(err));
	uint64_t bad;

	if (source)
		fuzz_replay(source, &bad);
	else
		must(has_magic && err[0] && !strchr(err, '\n'));
	return 0;
}
