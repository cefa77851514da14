// SPDX-License-Identifier: Apache-2.0
#include "util/full.h"

static const struct {
	const char *table, *help;
} names[FULL_MAX] = {
#define FULL(ID, t, h) [FULL_##ID] = { t, h },
#include "util/full.def"
#undef FULL
};

const char *full_table(enum full f)
{
	return names[f].table;
}

const char *full_help(enum full f)
{
	return names[f].help;
}
