/* SPDX-License-Identifier: Apache-2.0 */
/* Both directions of a handshake: each input byte pair says whose piece comes next and how long. */
#include <stdlib.h>
#include <string.h>
#include "stream/hello.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hello h = { .start_ns = 0 };
	uint32_t seq[2] = { 0, 0 };
	struct hello_words words;
	int rc = 0;

	while (size >= 2 && !rc) {
		enum sonde_dir d = data[0] & 1;
		size_t n = data[1] < size - 2 ? data[1] : size - 2;
		uint32_t hole = data[0] & 2 ? data[0] : 0;
		uint8_t *piece = malloc(n ? n : 1); /* its end is where the sanitizer looks */

		if (!piece)
			break;
		memcpy(piece, data + 2, n);
		rc = hello_take(&h, d, seq[d], (uint32_t)n + hole, (struct slice){ piece, n });
		seq[d] += (uint32_t)n + hole;
		free(piece);
		data += 2 + n;
		size -= 2 + n;
	}
	hello_read(&h, &words);
	return 0;
}
