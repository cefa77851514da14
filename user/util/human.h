/* SPDX-License-Identifier: Apache-2.0 */
/* Quantities in three significant digits and a unit, for people. */
#ifndef HUMAN_H
#define HUMAN_H

#include <stddef.h>
#include <stdint.h>

enum { HUMAN_MAX = 32 };

struct human {
	char text[HUMAN_MAX];
};

struct human human_duration(uint64_t ns); /* "1.23 ms", "456 us" */
struct human human_bytes(uint64_t bytes); /* "1.2 kB" */

/* All three digits always, so that a column can be read downwards: "2.00 ms", "1.20 kB". */
struct human human_duration_column(uint64_t ns);
struct human human_bytes_column(uint64_t bytes);

#endif
