/* SPDX-License-Identifier: Apache-2.0 */
/* How one who has a Kubernetes service account says who it is. */
#ifndef ACCOUNT_H
#define ACCOUNT_H

#include <stdbool.h>
#include <stdint.h>
#include "identity/asked.h"

enum { ACCOUNT_TOKEN_MAX = 16384, ACCOUNT_HEADER_MAX = ACCOUNT_TOKEN_MAX + 32 };

/* The header of a request, of the account's folder. Read anew each time: tokens are replaced while
 * they are in use. False: there is none, which is `a`'s failure. */
bool account_header(const char *folder, struct asked *a, uint64_t now_ns,
		    char out[ACCOUNT_HEADER_MAX]);

#endif
