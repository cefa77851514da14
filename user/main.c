/* SPDX-License-Identifier: Apache-2.0 */
#include <unistd.h>
#include "cmd/cmd.h"
#include "util/log.h"

static int cmd_help(const struct cmd_args *a)
{
	if (a->config->json)
		config_markdown();
	else
		config_usage(a->config->help_of);
	return EXIT_DONE;
}

static int (*const commands[])(const struct cmd_args *a) = {
	[CMD_RUN] = cmd_run,	     [CMD_TOP] = cmd_top,	[CMD_TAIL] = cmd_tail,
	[CMD_RECORD] = cmd_record,   [CMD_REPLAY] = cmd_replay, [CMD_CHECK] = cmd_check,
	[CMD_VERSION] = cmd_version, [CMD_HELP] = cmd_help,
};

int main(int argc, char **argv)
{
	struct config config;
	struct cmd_args args = { &config, argc, argv };
	int res;

	if (config_load(&config, argc, argv))
		return EXIT_USAGE;
	log_init(config.log_level, config.log_json);
	if (config.command <= CMD_RECORD)
		config_warn_otel(environ);
	res = commands[config.command](&args);
	config_free(&config);
	return res;
}
