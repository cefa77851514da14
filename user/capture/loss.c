/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/loss.h"

static const struct {
	const char *reason, *help;
} names[LOSS_MAX] = {
#define LOSS(ID, r, h) [LOSS_##ID] = { r, h },
#include "capture/losses.def"
#undef LOSS
};

const char *loss_reason(enum loss l)
{
	return names[l].reason;
}

const char *loss_help(enum loss l)
{
	return names[l].help;
}
