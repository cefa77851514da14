/* SPDX-License-Identifier: Apache-2.0 */
/* What the tables of columns share. */
#ifndef COLUMN_IMPL_H
#define COLUMN_IMPL_H

#include <stdio.h>
#include "top/column.h"
#include "util/clock.h"
#include "util/human.h"

extern const struct columns columns_of_rows[];
extern const struct columns columns_of_requests;

/* Nothing was counted: that is no 0. */
static inline enum style column_none(char *out)
{
	snprintf(out, COLUMN_TEXT_LEN, "-");
	return STYLE_DIM;
}

static inline enum style column_bytes(uint64_t bytes, char *out)
{
	if (!bytes)
		return column_none(out);
	snprintf(out, COLUMN_TEXT_LEN, "%s", human_bytes_column(bytes).text);
	return STYLE_NORMAL;
}

/* What a person waits for, and what they wait too long for. */
static inline enum style column_time_style(uint64_t ns)
{
	return ns >= NS_PER_S ? STYLE_BAD : ns >= 250 * NS_PER_MS ? STYLE_WARN : STYLE_NORMAL;
}

#endif
