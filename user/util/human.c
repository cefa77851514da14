/* SPDX-License-Identifier: Apache-2.0 */
#include "util/human.h"

#include <stdio.h>

static const char *const durations[] = { "ns", "us", "ms", "s", NULL };
static const char *const sizes[] = { "B", "kB", "MB", "GB", "TB", NULL };

/* 999.5 and more would print as 1000 of the smaller unit: these are some of the next. */
static const char *scale(double *value, const char *const *units)
{
	while (*value >= 999.5 && units[1]) {
		*value /= 1000;
		units++;
	}
	return *units;
}

static struct human in_text(double value, const char *const *units)
{
	const char *unit = scale(&value, units);
	struct human h;

	snprintf(h.text, sizeof(h.text), value >= 999.5 ? "%.0f %s" : "%.3g %s", value, unit);
	return h;
}

static struct human in_column(double value, const char *const *units)
{
	const char *unit = scale(&value, units);
	/* there are no parts of the smallest one */
	int places = unit == units[0] || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
	struct human h;

	snprintf(h.text, sizeof(h.text), "%.*f %s", places, value, unit);
	return h;
}

struct human human_duration(uint64_t ns)
{
	return in_text((double)ns, durations);
}

struct human human_bytes(uint64_t bytes)
{
	return in_text((double)bytes, sizes);
}

struct human human_duration_column(uint64_t ns)
{
	return in_column((double)ns, durations);
}

struct human human_bytes_column(uint64_t bytes)
{
	return in_column((double)bytes, sizes);
}
