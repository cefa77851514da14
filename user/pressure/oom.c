// SPDX-License-Identifier: Apache-2.0
#include "pressure/oom.h"

#include <stdio.h>

enum { WHO_LEN = 128 };

static void put_who(const char *name, unsigned int tgid, const char *group, char out[WHO_LEN])
{
	snprintf(out, WHO_LEN, "%s (pid %u%s%s)", *name ? name : "a process", tgid,
		 *group ? ", cgroup " : "", group);
}

void oom_line(const struct sonde_ev_oom *ev, const char *victim, const char *asker,
	      char out[OOM_LINE_LEN])
{
	char killed[WHO_LEN], wanted[WHO_LEN];

	put_who(victim, ev->tgid, ev->group, killed);
	put_who(asker, ev->asker_tgid, ev->asker_group, wanted);
	if (ev->tgid == ev->asker_tgid)
		snprintf(out, OOM_LINE_LEN, "%s is killed for want of memory", killed);
	else
		snprintf(out, OOM_LINE_LEN,
			 "%s is killed for want of memory, which %s had asked for", killed, wanted);
}
