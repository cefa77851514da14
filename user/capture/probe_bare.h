/* SPDX-License-Identifier: Apache-2.0 */
/* The programs as a kernel takes them that has no loops of its own: before Linux 5.17. */
#ifndef PROBE_BARE_H
#define PROBE_BARE_H

#include "sonde_abi.h"
#include "sonde.skel.h"

/* Opens the object as `edit` leaves it: bare_edit(), or more than that. As sonde_bpf__open(): NULL
 * and errno on failure, else the caller's to destroy. */
struct sonde_bpf *probe_bare_open(void (*edit)(void *elf));

#endif
