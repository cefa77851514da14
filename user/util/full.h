/* SPDX-License-Identifier: Apache-2.0 */
/* Names and counts of tables that were at their cap. */
#ifndef FULL_H
#define FULL_H

#include <stdint.h>

enum full {
#define FULL(ID, table, help) FULL_##ID,
#include "util/full.def"
#undef FULL
	FULL_MAX
};

/* How often there was no room, by table. */
struct fulls {
	uint64_t n[FULL_MAX];
};

const char *full_table(enum full f);
const char *full_help(enum full f);

#endif
