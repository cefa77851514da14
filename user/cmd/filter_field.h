/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of a transaction a condition can name, as text or number. */
#ifndef FILTER_FIELD_H
#define FILTER_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "txn.h"

enum field_kind {
	FIELD_TEXT,
	FIELD_NUMBER,
	FIELD_DURATION, /* a number of ns, written 300ms */
	FIELD_WORD,	/* a text out of `words` */
};

enum { FIELD_TEXT_MAX = 1280 };

struct field {
	const char *name;
	enum field_kind kind;
	const char *const *words;
	/* One of them. False: does not apply or is not known. A text is NUL terminated, borrowed
	 * from t or written into buf (FIELD_TEXT_MAX bytes). */
	bool (*text)(const struct txn *t, char *buf, const char **out);
	bool (*number)(const struct txn *t, uint64_t *out);
};

/* NULL when there is none; hint then gets "; did you mean ...". */
const struct field *field_find(const char *name, char *hint, size_t size);

#endif
