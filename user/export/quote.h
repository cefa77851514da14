/* SPDX-License-Identifier: Apache-2.0 */
#ifndef QUOTE_H
#define QUOTE_H

#include "export/line.h"
#include "util/slice.h"

enum { QUOTE_BYTE_MAX = 6 }; /* what one byte becomes at most */

/* A JSON string, quotes included. Bytes that are no UTF-8 become U+FFFD. */
void quote_json(struct line *l, struct slice s);

#endif
