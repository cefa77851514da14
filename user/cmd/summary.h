/* SPDX-License-Identifier: Apache-2.0 */
/* The first five seconds, told once on stderr: what is seen, what is dark and why, where to look
 * and what to try next. */
#ifndef SUMMARY_H
#define SUMMARY_H

#include "cmd/observe.h"
#include "cmd/stats.h"

/* url: of the server, "http://127.0.0.1:9464"; empty: there is none. */
void summary_print(const struct observer *o, struct stats *stats, const char *url, uint64_t now_ns);

#endif
