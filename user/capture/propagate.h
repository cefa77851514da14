/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A traceparent in outgoing HTTP/1 requests (bpf/propagate.bpf.c): attached while this is open,
 * after it was seen on a connection of our own that a request arrives whole with the line in it and
 * the answer as it was sent. Nothing of it is left when it is closed, or when the process dies.
 */
#ifndef PROPAGATE_H
#define PROPAGATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "capture/probe.h"
#include "sonde_abi.h"

/* Why only a connection's first request gets one on some kernels. */
#define PROPAGATE_BRIEFLY "this kernel's FIONREAD fails where sockets are looked at for longer"

struct propagation;

/* NULL with one line in why that says what is missing. The probe outlives it. */
struct propagation *propagate_open(struct probe *p, char *why, size_t size);
void propagate_close(struct propagation *pr); /* NULL accepted */
/* Only a connection's first request gets one, the kernel misleading programs about sockets that are
 * looked at for longer. */
bool propagate_is_brief(const struct propagation *pr);

/* The same for as long as a look takes, and at connections of this process's own alone: would it
 * work? */
bool propagate_would(struct probe *p, bool *is_brief, char *why, size_t size);

/* What became of requests, by enum sonde_passed, since it was opened. */
void propagate_passed(const struct propagation *pr, uint64_t out[SONDE_PASSED_MAX]);
const char *propagate_reason(enum sonde_passed what); /* the words of it, static */

/* Each second: lets go of connections that are looked at no more. NULL accepted. */
void propagate_tick(struct propagation *pr);

#endif
