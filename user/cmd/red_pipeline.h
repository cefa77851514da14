/* SPDX-License-Identifier: Apache-2.0 */
/* Statistics over what a pipeline gives, as run, top and replay --metrics keep them. */
#ifndef RED_PIPELINE_H
#define RED_PIPELINE_H

#include "config.h"
#include "metrics/red.h"
#include "pipeline.h"

/* Adds itself to the pipeline, which it borrows. host_name: NULL for a replay; borrowed. To be
 * freed by red_free() after the pipeline. NULL: out of memory. */
struct red *red_of_pipeline(struct pipeline *p, const struct config *c, const char *host_name,
			    uint64_t now_ns);

#endif
