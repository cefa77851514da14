/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of options, for the files of config alone: one line describes a flag, its YAML key,
 * its SONDE_ variable, its value, and its text in help and reference.
 */
#ifndef CONFIG_OPTION_H
#define CONFIG_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include "config.h"

enum option_kind {
	OPT_SWITCH,   /* bool; a flag without a value, and only a flag */
	OPT_BOOL,     /* bool: place in words */
	OPT_ENUM,     /* int-sized enum: place in words */
	OPT_STRING,   /* char *, owned */
	OPT_LIST,     /* struct config_list; repeatable and comma separated */
	OPT_COUNT,    /* uint64_t > 0 */
	OPT_SIZE,     /* uint64_t, bytes */
	OPT_DURATION, /* uint64_t, ns, > 0 */
	OPT_CORES,    /* double > 0 */
	OPT_LISTEN,   /* listen_addr and listen_port */
};

/* 0, or -EINVAL with what was expected in `expected`. */
typedef int (*option_check)(const char *item, char *expected, size_t size);

struct option {
	const char *name;
	const char *metavar;
	enum option_kind kind;
	bool is_flag_only;
	size_t offset;		  /* in struct config */
	uint32_t commands;	  /* bit mask by enum command */
	const char *const *words; /* OPT_BOOL, OPT_ENUM: ends with NULL */
	const char *def;	  /* default, as a value and in the help; NULL: none */
	option_check check;	  /* of each item of a list, or of a string */
	size_t max_items;	  /* OPT_LIST: the kernel takes no more; 0: any number */
	const char *missing; /* what this build does not do, to end "this build does not ..." */
	const char *help;
	const char *check_help; /* what it is for the command `check`; NULL: the same */
};

extern const struct option options[];
extern const size_t options_n;

struct command_info {
	const char *name;
	const char *args;    /* positional arguments in the usage line */
	const char *missing; /* as of an option */
	const char *help;
};

extern const struct command_info commands[];
enum { COMMANDS_N = CMD_HELP + 1 };

/* NULL when there is none; out gets "; did you mean ...". `prefix` is put before that name. */
const struct option *option_find(const char *name, const char *prefix, char *hint, size_t size);

/* Takes `value` into c as coming from `origin`; `what` is how the person wrote it ("--port",
 * "SONDE_PORT", "file.yaml:3: port") and begins the error. 0 or -EINVAL with one line in err. */
int option_set(struct config *c, const struct option *o, const char *value,
	       enum config_origin origin, const char *what, char *err, size_t size);
/* Back to nothing. */
void option_free(struct config *c, const struct option *o);
bool option_equal(const struct config *a, const struct config *b, const struct option *o);

int config_read_file(struct config *c, const char *path, char *err, size_t size);
int config_read_env(struct config *c, char **envp, char *err, size_t size);
/* The lists as the kernel takes them, and the mask of protocols. */
void config_filter(struct config *c);

/* SONDE_RING_SIZE of ring-size. */
void option_env_name(const struct option *o, char *out, size_t size);

#endif
