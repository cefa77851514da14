/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets out of request targets, before anything keeps them. */
#ifndef MASK_H
#define MASK_H

#include <stddef.h>
#include "util/slice.h"

/* Copies a target, cut at size - 1 bytes; values of query keys that look secret, and a user's name
 * and password in an absolute target, become "***". NUL terminated; returns the length. */
size_t mask_target(char *out, size_t size, struct slice target);

#endif
