/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the files of pipeline.h; nobody else includes it.
 *   pipeline.c  records in, transactions out    pipeline_made.c  records that are made here
 */
#ifndef PIPELINE_IMPL_H
#define PIPELINE_IMPL_H

#include "pipeline.h"

/* Both stand in the recording before the record that needs them. */
void pipeline_tell_process(void *ctx, const struct process *proc); /* ctx: the pipeline */
void pipeline_tell_address(struct pipeline *p, const struct sonde_ev_address *news);

#endif
