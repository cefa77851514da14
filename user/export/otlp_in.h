/* SPDX-License-Identifier: Apache-2.0 */
/* What a header of an answer holds in base64. Pure. */
#ifndef OTLP_IN_H
#define OTLP_IN_H

#include <stdint.h>
#include "util/slice.h"

/* The bytes that a text in base64 (RFC 4648, 4; padded or not) stands for, up to the first
 * character that is none of it. out: room for strlen(text). */
struct slice otlp_in_base64(const char *text, uint8_t *out);

#endif
