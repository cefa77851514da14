/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes from the wire, file names and environments become text that exporters may print. */
#ifndef UTF8_H
#define UTF8_H

#include <stddef.h>
#include <stdint.h>
#include "util/slice.h"

#define UTF8_REPLACEMENT     "\xef\xbf\xbd" /* U+FFFD */
#define UTF8_REPLACEMENT_LEN 3

/* Bytes of the well-formed code point that `in` begins with (1-4), 0 when it begins with none:
 * no overlong forms, no surrogates, nothing past U+10FFFF (Unicode 15, table 3-7). */
size_t utf8_next(struct slice in);

/* Copies `in` as a NUL terminated string of at most size - 1 bytes (size > 0), each byte that is
 * no UTF-8, and each NUL, replaced by U+FFFD. Cut at a whole code point. Returns its length. */
size_t utf8_clean(char *out, size_t size, struct slice in);

/* Does the code point of n bytes at `p` steer a terminal? C0, DEL, and C1 (U+0080-U+009F) too. */
bool utf8_is_control(const uint8_t *p, size_t n);

/* Does a terminal give the code point of n bytes at `p` two columns? East Asian wide and full-width
 * ones, and emoji (Unicode 15, UAX #11), by their blocks; needs no locale. */
bool utf8_is_wide(const uint8_t *p, size_t n);

/* For a terminal, in place: each byte of a control, and each that is no UTF-8, becomes "?". */
void utf8_tame(char *s);

#endif
