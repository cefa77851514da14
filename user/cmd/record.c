/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/stat.h>
#include "cmd/cmd.h"
#include "cmd/observe.h"
#include "util/log.h"

int cmd_record(const struct cmd_args *a)
{
	struct observer o;
	struct stat st;
	uint64_t records = 0;
	int res = observer_open(&o, a, a->config->file, a->config->duration_ns);

	if (!res) {
		res = observer_run(&o, NULL);
		records = o.pipeline.records;
	}
	observer_close(&o);
	if (!res && stat(a->config->file, &st) == 0)
		log_info("%llu events, %lld bytes in %s; next: sonde replay %s",
			 (unsigned long long)records, (long long)st.st_size, a->config->file,
			 a->config->file);
	return res;
}
