/* SPDX-License-Identifier: Apache-2.0 */
/* Names and counts of everything that can be missed. */
#ifndef LOSS_H
#define LOSS_H

#include <stdint.h>

enum loss {
#define LOSS(ID, reason, help) LOSS_##ID,
#include "capture/losses.def"
#undef LOSS
	LOSS_MAX
};

struct losses {
	uint64_t n[LOSS_MAX];
};

const char *loss_reason(enum loss l);
const char *loss_help(enum loss l);

#endif
