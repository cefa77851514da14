/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "config_option.h"
#include "util/nearest.h"

/* A flag as it was found, to be applied after file and environment. */
struct flag {
	const struct option *o;
	const char *value;
};

struct args {
	struct config *c;
	struct flag *flags; /* owned; room for argc */
	size_t n;
	const char *command;
	const char *file;
	bool is_help;
	char *err;
	size_t size;
};

static int fail(struct args *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int fail(struct args *a, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(a->err, a->size, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static int find_command(struct args *a, const char *word, enum command *out)
{
	struct nearest n = { 0 };
	char hint[64];

	for (int i = 0; i < COMMANDS_N; i++) {
		if (strcmp(commands[i].name, word) == 0) {
			*out = (enum command)i;
			return 0;
		}
		nearest_offer(&n, word, commands[i].name);
	}
	nearest_say(&n, "", hint, sizeof(hint));
	return fail(a, "%s: no such command%s", word, hint);
}

static int take_word(struct args *a, const char *word)
{
	if (!a->command) {
		a->command = word;
		return find_command(a, word, &a->c->command);
	}
	if (a->c->command == CMD_HELP && !a->file) {
		a->file = word;
		if (strcmp(word, "markdown") == 0)
			return 0;
		return find_command(a, word, &a->c->help_of);
	}
	if (!a->file && (a->c->command == CMD_RECORD || a->c->command == CMD_REPLAY ||
			 a->c->command == CMD_TOP)) {
		a->file = word;
		return 0;
	}
	return fail(a, "%s: '%s' is one argument too many: expected sonde %s%s%s [FLAGS]",
		    a->command, word, a->command, *commands[a->c->command].args ? " " : "",
		    commands[a->c->command].args);
}

/* argv[*at] is "--name", "--name=value" or "--name" and its value in the next one. */
static int take_flag(struct args *a, char **argv, int *at)
{
	char name[64], hint[128] = "";
	const char *arg = argv[*at] + 2, *eq = strchr(arg, '=');
	const struct option *o;

	snprintf(name, sizeof(name), "%.*s", eq ? (int)(eq - arg) : 60, arg);
	if (strcmp(name, "help") == 0 && !eq) {
		a->is_help = true;
		return 0;
	}
	if (strcmp(name, "version") == 0 && !eq && !a->command)
		return take_word(a, "version");
	o = option_find(name, "--", hint, sizeof(hint));
	if (!o)
		return fail(a, "--%s: no such flag%s", name, hint);
	if (o->kind == OPT_SWITCH && eq)
		return fail(a, "--%s: takes no value", name);
	if (o->kind != OPT_SWITCH && !eq && !argv[*at + 1])
		return fail(a, "--%s: expected --%s %s", name, name, o->metavar);
	a->flags[a->n++] = (struct flag){ o, o->kind == OPT_SWITCH ? "on"
					     : eq		   ? eq + 1
								   : argv[++*at] };
	return 0;
}

static int scan_args(struct args *a, int argc, char **argv)
{
	bool is_rest = false;
	int err = 0;

	a->flags = calloc((size_t)argc + 1, sizeof(*a->flags));
	if (!a->flags)
		return fail(a, "out of memory");
	for (int i = 1; i < argc && !err; i++) {
		if (!is_rest && strcmp(argv[i], "--") == 0)
			is_rest = true;
		else if (!is_rest && strcmp(argv[i], "-h") == 0)
			a->is_help = true;
		else if (!is_rest && strncmp(argv[i], "--", 2) == 0)
			err = take_flag(a, argv, &i);
		else if (!is_rest && argv[i][0] == '-' && argv[i][1])
			err = fail(a, "%s: no such flag; flags are whole words, as in --listen",
				   argv[i]);
		else
			err = take_word(a, argv[i]);
	}
	return err;
}

/* Which commands know the flag, for the message that this one does not. */
static int check_flags(struct args *a)
{
	const struct config *c = a->c;
	char known[128];
	size_t len;

	for (size_t i = 0; i < a->n; i++) {
		const struct option *o = a->flags[i].o;

		if (o->commands & 1U << c->command)
			continue;
		len = 0;
		for (int k = 0; k < COMMANDS_N; k++)
			if (o->commands & 1U << k)
				len += (size_t)snprintf(known + len, sizeof(known) - len, "%s%s",
							len ? ", " : "", commands[k].name);
		return fail(a, "--%s: not a flag of %s, but of %s", o->name,
			    commands[c->command].name, known);
	}
	return 0;
}

static const char *config_path(const struct args *a, char **envp)
{
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->flags[i].o->name, "config") == 0)
			return a->flags[i].value;
	for (; *envp; envp++)
		if (strncmp(*envp, "SONDE_CONFIG=", 13) == 0)
			return *envp + 13;
	return NULL;
}

/* Default, file, environment, flags: each overrides what came before. */
static int apply(struct args *a, char **envp)
{
	const char *path = config_path(a, envp);
	char what[80];
	int err;

	err = path && *path ? config_read_file(a->c, path, a->err, a->size) : 0;
	if (!err)
		err = config_read_env(a->c, envp, a->err, a->size);
	for (size_t i = 0; i < a->n && !err; i++) {
		snprintf(what, sizeof(what), "--%s", a->flags[i].o->name);
		err = option_set(a->c, a->flags[i].o, a->flags[i].value, CONFIG_FLAG, what, a->err,
				 a->size);
	}
	return err;
}

static int set_defaults(struct args *a)
{
	int err = 0;

	for (size_t i = 0; i < options_n && !err; i++)
		if (options[i].def)
			err = option_set(a->c, &options[i], options[i].def, CONFIG_DEFAULT,
					 options[i].name, a->err, a->size);
	return err;
}

/* Would it put something into requests, and is not said of which processes? */
static bool propagates_widely(const struct config *c)
{
	if (c->propagate == PROPAGATE_OFF || c->command > CMD_RECORD)
		return false;
	return !(c->pids.n || c->comms.n || c->exes.n || c->cgroups.n || c->ports.n ||
		 c->namespaces.n);
}

/* What no single option can tell. */
static int check_whole(struct args *a)
{
	struct config *c = a->c;

	if ((c->command == CMD_RECORD || c->command == CMD_REPLAY) && !a->file)
		return fail(a, "%s: expected sonde %s FILE", a->command, a->command);
	if (c->command == CMD_RECORD && c->record_file)
		return fail(a, "--record: sonde record %s records already; leave one out", a->file);
	if (c->command == CMD_TOP && a->file && c->connect_url)
		return fail(a, "--connect: not together with a file: read one or the other");
	if (c->command == CMD_TOP && (a->file || c->connect_url) && c->record_file)
		return fail(a, "--record: only what is observed here is recorded");
	if (c->json && c->metrics)
		return fail(a, "--metrics: not together with --json: print one or the other");
	if (c->json && c->spans)
		return fail(a, "--spans: not together with --json: print one or the other");
	if (c->spans && c->metrics)
		return fail(a, "--metrics: not together with --spans: print one or the other");
	if (c->filter_expr && c->metrics)
		return fail(a, "--filter: not together with --metrics, which count everything");
	if (propagates_widely(c))
		return fail(a, "--propagate: expected with --pid, --comm, --exe, --cgroup, "
			       "--namespace or --port, which say into whose requests");
	if (c->command == CMD_CHECK && c->pids.n > 1)
		return fail(a, "--pid: check looks at one process at a time");
	if (c->command == CMD_CHECK && c->pids.n)
		c->pid = (uint32_t)strtoul(c->pids.v[0], NULL, 10);
	if (a->file) {
		c->file = strdup(a->file);
		if (!c->file)
			return fail(a, "out of memory");
	}
	config_filter(c);
	return 0;
}

static int parse(struct args *a, int argc, char **argv, char **envp)
{
	struct config *c = a->c;
	int err;

	c->command = CMD_RUN;
	c->help_of = CMD_HELP;
	err = scan_args(a, argc, argv);
	if (err)
		return err;
	if (a->is_help) {
		c->help_of = a->command && c->command != CMD_HELP ? c->command : c->help_of;
		c->command = CMD_HELP;
		return 0;
	}
	err = check_flags(a);
	if (!err)
		err = set_defaults(a);
	if (!err && c->command == CMD_HELP)
		c->json = a->file && strcmp(a->file, "markdown") == 0;
	if (err || c->command == CMD_HELP || c->command == CMD_VERSION)
		return err;
	err = apply(a, envp);
	return err ? err : check_whole(a);
}

/* The message quotes what a person typed: it stays one line whatever that holds. */
static void one_line(char *s)
{
	for (; *s; s++)
		if (iscntrl((unsigned char)*s))
			*s = '?';
}

int config_parse(struct config *c, int argc, char **argv, char **envp, char *err, size_t size)
{
	struct args a = { .c = c, .err = err, .size = size };
	int res;

	*c = (struct config){ 0 };
	res = parse(&a, argc, argv, envp);
	free(a.flags);
	if (res) {
		one_line(err);
		config_free(c);
	}
	return res;
}

int config_load(struct config *c, int argc, char **argv)
{
	char err[512];
	int res = config_parse(c, argc, argv, environ, err, sizeof(err));

	if (res)
		log_error("%s", err);
	return res;
}

static bool is_live(const struct option *o)
{
	return o->offset == offsetof(struct config, log_level) ||
	       o->offset == offsetof(struct config, log_json) ||
	       o->offset == offsetof(struct config, cpu_limit) ||
	       o->offset == offsetof(struct config, health);
}

void config_reload(struct config *c, int argc, char **argv)
{
	struct config_list health = c->health;
	struct config fresh;

	if (config_load(&fresh, argc, argv)) {
		log_warn("the configuration stays as it was");
		return;
	}
	for (size_t i = 0; i < options_n; i++)
		if (!is_live(&options[i]) && !option_equal(c, &fresh, &options[i]))
			log_warn("%s changed: takes effect when sonde is started again",
				 options[i].name);
	c->log_level = fresh.log_level;
	c->log_json = fresh.log_json;
	c->cpu_limit = fresh.cpu_limit;
	c->health = fresh.health;
	fresh.health = health;
	log_init(c->log_level, c->log_json);
	log_info("configuration read again");
	config_free(&fresh);
}

bool config_keeps(const struct config *c, const char *word)
{
	for (size_t i = 0; i < c->traces_keep.n; i++)
		if (strcmp(c->traces_keep.v[i], word) == 0)
			return true;
	return false;
}

void config_free(struct config *c)
{
	for (size_t i = 0; i < options_n; i++)
		option_free(c, &options[i]);
	free(c->file);
	*c = (struct config){ 0 };
}
