/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Input: two bytes of statuses, a byte of flags, then a collector's answer; behind the byte 0x1e
 * the details of a gRPC status. Whatever it says, a verdict is whole, and the reason it gives can
 * be printed.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "export/otlp_answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct otlp_verdict *v, const struct otlp_reply *r)
{
	size_t n = strnlen(v->why, sizeof(v->why));

	if (n == sizeof(v->why) || v->fate > OTLP_REFUSED)
		abort();
	for (size_t i = 0; i < n; i++)
		if (v->why[i] < 0x20 || v->why[i] > 0x7e)
			abort();
	if (v->rejected && v->fate != OTLP_TAKEN)
		abort();
	if (!r->is_grpc && (v->fate == OTLP_TAKEN) != (r->status == 200))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct otlp_reply r = { .grpc_status = GRPC_NO_STATUS };
	struct otlp_verdict v;
	const uint8_t *end;

	if (size < 3)
		return 0;
	r.status = data[0] ? 100 + data[0] * 2 : 0;
	r.grpc_status = data[1] == 0xff ? GRPC_NO_STATUS : data[1] % 20;
	r.is_grpc = data[2] & 1;
	r.is_json = data[2] & 2;
	data += 3;
	size -= 3;
	end = memchr(data, 0x1e, size);
	r.body = (struct slice){ data, end ? (size_t)(end - data) : size };
	if (end)
		slice_copy(r.details, sizeof(r.details),
			   (struct slice){ end + 1, size - r.body.n - 1 });
	slice_copy(r.message, sizeof(r.message), r.body);
	otlp_judge(&r, &v);
	check(&v, &r);
	return 0;
}
