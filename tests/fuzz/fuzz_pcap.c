/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Input: a capture; or, so that mutations reach the packets, one byte for the link type and then
 * packets, each behind its length in two bytes. Whatever it is, the records made of it follow the
 * contract.
 */
#include <stdint.h>
#include "capture/pcapfile.h"
#include "replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct packet_header {
	uint32_t s, us, caplen, len;
};

/* The bytes of a capture in the host's order; returns how many. */
static size_t wrap(const uint8_t *data, size_t size, uint8_t *out, size_t room)
{
	static const uint32_t links[] = { 1, 0, 108, 101, 113, 276, 228, 229 };
	uint32_t header[6] = { 0xa1b2c3d4, 2 | 4 << 16, 0, 0, 65535, 0 };
	struct packet_header h = { .s = 1700000000 };
	size_t n = sizeof(header);

	header[5] = links[size ? data[0] % 8 : 0];
	memcpy(out, header, n);
	for (size_t at = 1; at + 2 <= size && n + sizeof(h) + size < room;) {
		uint32_t len = (uint32_t)(data[at] << 8 | data[at + 1]);

		at += 2;
		h.len = len;
		h.caplen = len < size - at ? len : (uint32_t)(size - at);
		h.us += 77777;
		h.s += h.us / 1000000;
		h.us %= 1000000;
		memcpy(out + n, &h, sizeof(h));
		memcpy(out + n + sizeof(h), data + at, h.caplen);
		n += sizeof(h) + h.caplen;
		at += h.caplen;
	}
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t wrapped[1 << 17];
	char err[512] = "";
	struct source *source;
	uint64_t bad;

	if (pcapfile_is_capture(data, size))
		source = pcapfile_open(fuzz_file(NULL, 0, data, size), err, sizeof(err));
	else
		source = pcapfile_open(
			fuzz_file(NULL, 0, wrapped, wrap(data, size, wrapped, sizeof(wrapped))),
			err, sizeof(err));
	if (!source) {
		must(err[0] && !strchr(err, '\n'));
		return 0;
	}
	fuzz_replay(source, &bad);
	must(bad == 0);
	return 0;
}
