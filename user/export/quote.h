/* SPDX-License-Identifier: Apache-2.0 */
#ifndef QUOTE_H
#define QUOTE_H

#include "export/line.h"
#include "util/slice.h"

enum { QUOTE_BYTE_MAX = 6 }; /* what one byte becomes at most */

/* How many bytes of it, from the first on, may stand in a JSON string as they are. */
size_t quote_plain(struct slice s);

/* A JSON string, quotes included. Bytes that are no UTF-8 become U+FFFD. */
void quote_json(struct line *l, struct slice s);

#endif
