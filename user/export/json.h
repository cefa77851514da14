/* SPDX-License-Identifier: Apache-2.0 */
/* A transaction as one line of JSON or text, the words of the contract. */
#ifndef JSON_H
#define JSON_H

#include <stddef.h>
#include <stdint.h>
#include "txn.h"

enum { TXN_JSON_MAX = 16384 }; /* a buffer of this size is always enough */

/* Writes one JSON object without a newline. Hostile bytes become valid UTF-8 (U+FFFD).
 * realtime_offset_ns turns monotonic into wall time. Not NUL terminated. Returns the length, 0 when
 * it does not fit. */
size_t txn_json(const struct txn *t, int64_t realtime_offset_ns, char *out, size_t size);

/* The same for people: time in UTC, service, role, method, target or route, status, duration,
 * sizes, a client's peer, error type. Safe to print on a terminal. */
size_t txn_text(const struct txn *t, int64_t realtime_offset_ns, char *out, size_t size);

#endif
