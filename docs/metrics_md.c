/* SPDX-License-Identifier: Apache-2.0 */
/* Prints docs/metrics.md; see `make docs`. */
#include "metrics/catalogue_md.h"

int main(void)
{
	catalogue_markdown(stdout);
	return 0;
}
