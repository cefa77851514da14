/* SPDX-License-Identifier: Apache-2.0 */
#include "util/protobuf.h"

#include <stdbool.h>

static bool take_varint(struct slice *in, uint64_t *out)
{
	*out = 0;
	for (unsigned int shift = 0; in->n && shift < 64; shift += 7) {
		uint8_t byte = *in->p++;

		in->n--;
		*out |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80)
			return true;
	}
	return false;
}

static bool take_bytes(struct slice *in, uint64_t n, struct slice *out)
{
	if (n > in->n)
		return false;
	*out = (struct slice){ in->p, (size_t)n };
	in->p += n;
	in->n -= (size_t)n;
	return true;
}

static bool take_fixed(struct slice *in, size_t n, uint64_t *out)
{
	struct slice raw;

	if (!take_bytes(in, n, &raw))
		return false;
	while (n)
		*out = *out << 8 | raw.p[--n];
	return true;
}

int protobuf_next(struct slice *in, struct protobuf_field *out)
{
	uint64_t tag, n;
	bool ok = false;

	*out = (struct protobuf_field){ .bytes = SLICE("") };
	if (in->n == 0)
		return 0;
	if (!take_varint(in, &tag) || tag >> 3 == 0 || tag >> 3 > UINT32_MAX)
		return -1;
	out->number = (uint32_t)(tag >> 3);
	switch (tag & 7) {
	case 0: ok = take_varint(in, &out->value); break;
	case 1:
	case 5:
		out->kind = PROTOBUF_FIXED;
		ok = take_fixed(in, (tag & 7) == 1 ? 8 : 4, &out->value);
		break;
	case 2:
		out->kind = PROTOBUF_BYTES;
		ok = take_varint(in, &n) && take_bytes(in, n, &out->bytes);
		break;
	default: break; /* groups are of another time */
	}
	return ok ? 1 : -1;
}
