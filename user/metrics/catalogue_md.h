/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CATALOGUE_MD_H
#define CATALOGUE_MD_H

#include <stdio.h>

/* docs/metrics.md, from the tables. */
void catalogue_markdown(FILE *out);

#endif
