// SPDX-License-Identifier: Apache-2.0
/* The table of a Go program's functions; then the same bytes as one function's code. */
#include <assert.h>
#include "capture/go_code.h"
#include "identity/gopclntab.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gopclntab_function f[] = { { .name = "crypto/tls.(*Conn).Read" }, { .name = "a" } };
	struct go_code code;
	size_t at = 0;

	if (gopclntab_search((struct slice){ data, size }, &at))
		assert(at < size);
	if (gopclntab_find((struct slice){ data, size }, 0x401000, f, 2) > 0)
		assert(f[0].start < f[0].end || f[1].start < f[1].end);
	if (go_code_read((struct slice){ data, size }, 0x4e, &code))
		return 0;
	for (uint32_t i = 0; i < code.n_returns; i++)
		assert(code.returns[i] < size);
	return 0;
}
