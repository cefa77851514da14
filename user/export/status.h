/* SPDX-License-Identifier: Apache-2.0 */
/* /api/v1/status: hooks and tier, losses by reason, coverage, own cost. */
#ifndef STATUS_H
#define STATUS_H

#include <stdbool.h>
#include "metrics/self.h"

/* JSON, malloc'd, the caller's; NULL: out of memory. */
char *status_json(const struct self *s, const struct series_store *st, bool is_ready,
		  const char *version, const char *commit);

#endif
