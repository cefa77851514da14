/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-1 (RFC 3174), for names by UUIDv5 alone: it protects nothing. None of the libraries the
 * program links has it. */
#ifndef SHA1_H
#define SHA1_H

#include <stdint.h>
#include "util/slice.h"

enum { SHA1_LEN = 20 };

void sha1(struct slice in, uint8_t out[SHA1_LEN]);

#endif
