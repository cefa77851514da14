/* SPDX-License-Identifier: Apache-2.0 */
/* The commands. Each takes the configuration, does all its work and returns the exit code: 0 done,
 * 1 it could not be done, 2 it was asked for wrongly. */
#ifndef CMD_H
#define CMD_H

#include "config.h"

/* What main() got, for reading the configuration again. */
struct cmd_args {
	struct config *config;
	int argc;
	char **argv;
};

enum { EXIT_DONE = 0, EXIT_CANNOT = 1, EXIT_USAGE = 2 };

int cmd_run(const struct cmd_args *a);
int cmd_top(const struct cmd_args *a);
int cmd_tail(const struct cmd_args *a);
int cmd_record(const struct cmd_args *a);
int cmd_replay(const struct cmd_args *a);
int cmd_check(const struct cmd_args *a);
int cmd_version(const struct cmd_args *a);

#endif
