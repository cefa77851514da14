/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A condition over transactions, as in 'status>=500 and service=shop':
 *
 *	or    = and { "or" and }
 *	and   = not { "and" not }
 *	not   = "not" not | "(" or ")" | field op value
 *	op    = "=" | "!=" | "~" | "<" | ">" | "<=" | ">="
 *	value = a word, or anything between a pair of ' or "
 *
 * Fields are the names of the JSON form, and `duration`, in words such as 300ms. "~" compares a
 * text with a glob as the shell does, fnmatch(3). A field that does not apply or is not known is
 * unequal to every value, and neither less nor greater.
 */
#ifndef FILTER_H
#define FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include "txn.h"

struct filter;

/* NULL, with one line in err that names what is wrong, the accepted form and the nearest word. */
struct filter *filter_new(const char *expr, char *err, size_t size);
void filter_free(struct filter *f);				/* NULL accepted */
bool filter_match(const struct filter *f, const struct txn *t); /* f NULL: true */

#endif
