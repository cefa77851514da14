/* SPDX-License-Identifier: Apache-2.0 */
/* May this process observe at all? */
#ifndef RIGHTS_H
#define RIGHTS_H

#include <stddef.h>
#include "capture/probe.h"

/* PROBE_OK, PROBE_NO_RIGHTS or PROBE_NO_BTF with one line in err that says what to do. */
enum probe_error rights_check(char *err, size_t size);

#endif
