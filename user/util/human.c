/* SPDX-License-Identifier: Apache-2.0 */
#include "util/human.h"

#include <stdio.h>

static struct human scaled(double value, const char *const *units)
{
	struct human h;

	/* 999.5 and more would print as 1000 of the smaller unit */
	while (value >= 999.5 && units[1]) {
		value /= 1000;
		units++;
	}
	snprintf(h.text, sizeof(h.text), value >= 999.5 ? "%.0f %s" : "%.3g %s", value, units[0]);
	return h;
}

struct human human_duration(uint64_t ns)
{
	static const char *const units[] = { "ns", "us", "ms", "s", NULL };

	return scaled((double)ns, units);
}

struct human human_bytes(uint64_t bytes)
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB", NULL };

	return scaled((double)bytes, units);
}
