/* SPDX-License-Identifier: Apache-2.0 */
#include "exchange.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return exchange_fuzz(PROTO_REDIS, true, data, size);
}
