/* SPDX-License-Identifier: Apache-2.0 */
/* The programs as a kernel takes them that has no loops of its own: before Linux 5.17. */
#ifndef PROBE_BARE_H
#define PROBE_BARE_H

#include "sonde_abi.h"
#include "sonde.skel.h"

/* Opens the object; where `edit` is given as that leaves it: bare_edit(), or more than that. NULL
 * and errno on failure, else the caller's to destroy. Every file that calls sonde_bpf__open() has
 * an object of its own in it, of 0.7 MiB. */
struct sonde_bpf *probe_skel_open(void (*edit)(void *elf));

#endif
