/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <sys/stat.h>
#include "cmd/cmd.h"
#include "cmd/observe.h"
#include "util/log.h"

/* Nothing else is done here: where nothing can be kept there is nothing to go on for. */
static void end_if_full(void *ctx, uint64_t now_ns)
{
	struct observer *o = ctx;

	if (recorder_failed(o->recorder))
		observer_stop(o);
}

int cmd_record(const struct cmd_args *a)
{
	struct observer o;
	struct stat st;
	int res = observer_open(&o, a, a->config->file, a->config->duration_ns);

	o.on_tick = end_if_full;
	o.ctx = &o;
	if (!res)
		res = observer_run(&o, NULL);
	observer_close(&o);
	if (!res && stat(a->config->file, &st) == 0)
		log_info("%" PRIu64 " events, %lld bytes in %s; next: sonde replay %s",
			 o.recorded.kept, (long long)st.st_size, a->config->file, a->config->file);
	return !res && o.recorded.failed ? EXIT_CANNOT : res;
}
