// SPDX-License-Identifier: Apache-2.0
#include "util/procs.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>

int procs_each(void (*fn)(void *ctx, uint32_t tgid), void *ctx)
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	unsigned long tgid;

	if (!d)
		return -errno;
	while ((e = readdir(d))) {
		tgid = strtoul(e->d_name, NULL, 10); /* 0: no process's folder */
		if (tgid)
			fn(ctx, (uint32_t)tgid);
	}
	closedir(d);
	return 0;
}
