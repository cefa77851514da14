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
#include "capture/probe.h"

struct propagation;

/* NULL with one line in why that says what is missing. The probe outlives it. */
struct propagation *propagate_open(struct probe *p, char *why, size_t size);
void propagate_close(struct propagation *pr); /* NULL accepted */
/* Only a connection's first request gets one, the kernel misleading programs about sockets that are
 * looked at for longer. */
bool propagate_is_brief(const struct propagation *pr);
/* Each second: lets go of connections that are looked at no more. NULL accepted. */
void propagate_tick(struct propagation *pr);

#endif
