/* SPDX-License-Identifier: Apache-2.0 */
/* Help and reference, all from the table of options. */
#include "config_option.h"

#include <stdio.h>
#include <string.h>

static void print_wrapped(const char *s, int indent, int width)
{
	int at = 0;

	for (const char *word = s; *word;) {
		int n = (int)strcspn(word, " ");

		if (at && at + 1 + n > width) {
			printf("\n%*s", indent, "");
			at = 0;
		}
		at += printf("%s%.*s", at ? " " : "", n, word);
		word += n;
		word += strspn(word, " ");
	}
	putchar('\n');
}

struct lack {
	char text[64];
};

static struct lack lack(const struct option *o)
{
	struct lack l = { "" };

	if (o->missing)
		snprintf(l.text, sizeof(l.text), " (not in this build)");
	return l;
}

static void print_option(const struct option *o, enum command cmd)
{
	const char *help = cmd == CMD_CHECK && o->check_help ? o->check_help : o->help;
	char left[48], right[256];

	snprintf(left, sizeof(left), "--%s%s%s", o->name, o->metavar ? " " : "",
		 o->metavar ? o->metavar : "");
	snprintf(right, sizeof(right), "%s%s%s%s%s", help, o->def ? " (default " : "",
		 o->def ? o->def : "", o->def ? ")" : "", lack(o).text);
	printf("  %-36s", left);
	if (strlen(left) > 36)
		printf("\n%38s", "");
	print_wrapped(right, 38, 60);
}

static void print_commands(void)
{
	puts("usage: sonde [COMMAND] [FLAGS]\n\n"
	     "Shows every request on this host, its latency and its errors, without touching the\n"
	     "programs it observes.\n\ncommands:");
	for (int i = 0; i < COMMANDS_N; i++)
		printf("  %-8s%-10s  %s\n", commands[i].name, commands[i].args, commands[i].help);
}

/* Those that are flags alone, or the others. How many there are. */
static size_t print_options(enum command cmd, bool is_flag_only, const char *heading)
{
	size_t n = 0;

	for (size_t i = 0; i < options_n; i++) {
		if (!(options[i].commands & 1U << cmd) || options[i].is_flag_only != is_flag_only)
			continue;
		if (!n++)
			puts(heading);
		print_option(&options[i], cmd);
	}
	return n;
}

void config_usage(enum command cmd)
{
	const struct command_info *info = &commands[cmd];
	const char *flags = cmd == CMD_VERSION ? "" : " [FLAGS]";

	if (cmd == CMD_HELP) {
		print_commands();
		puts("\nWhat follows is of run; sonde help COMMAND for another's.");
		cmd = CMD_RUN;
	} else {
		printf("usage: sonde %s%s%s%s\n\n%s\n", info->name, *info->args ? " " : "",
		       info->args, flags, info->help);
	}
	print_options(cmd, true, "\nflags:");
	if (print_options(cmd, false,
			  "\nflags that are also keys of the YAML file, and variables:"))
		puts("\n--ring-size is ring-size there, and SONDE_RING_SIZE. A flag goes over the\n"
		     "environment, that over the file.");
}

static void markdown_option(const struct option *o)
{
	char env[80];
	bool first = true;

	option_env_name(o, env, sizeof(env));
	printf("| `--%s%s", o->name, o->metavar ? " " : "");
	for (const char *s = o->metavar ? o->metavar : ""; *s; s++)
		printf("%s%c", *s == '|' ? "\\" : "", *s);
	if (o->is_flag_only)
		printf("` | only a flag | ");
	else if (strcmp(o->name, "config") == 0)
		printf("` | `%s` | ", env);
	else
		printf("` | `%s`, `%s` | ", o->name, env);
	if (o->def)
		printf("`%s`", o->def);
	printf(" | ");
	for (int i = 0; i < COMMANDS_N; i++) {
		if (!(o->commands & 1U << i))
			continue;
		printf("%s%s", first ? "" : ", ", commands[i].name);
		first = false;
	}
	printf(" | %s%s%s%s |\n", o->help, o->check_help ? "; check: " : "",
	       o->check_help ? o->check_help : "", lack(o).text);
}

void config_markdown(void)
{
	puts("# Configuration\n\n"
	     "Generated from the table in `user/config_options.c` by `make docs`; do not edit.\n\n"
	     "Every option is a flag (`--name value` or `--name=value`), most are also a key of "
	     "the\n"
	     "YAML file given by `--config` and an environment variable. A flag goes over the\n"
	     "environment, that over the file, that over the default. Lists are repeatable and\n"
	     "comma separated, in YAML also sequences; a list given by a flag replaces the one of\n"
	     "the environment or the file. Durations are `300ms`, `5s`, `2m`; sizes `16MiB`.\n\n"
	     "A wrong flag, value, key or `SONDE_` variable is told in one line on stderr with "
	     "the\n"
	     "accepted form and the nearest valid word, and ends sonde with exit code 2. So does\n"
	     "asking for what this build does not do, or `check` of a process that is not there:\n"
	     "nothing is silently ignored. Of a list the value that is wrong is named. A wrong "
	     "`OTEL_`\n"
	     "value is a warning, and the default of its specification stands.\n\n"
	     "`SIGHUP` reads everything again: `log-level`, `log-format` and `cpu-limit` change "
	     "at\n"
	     "once, of the others sonde says that they wait for a start.\n\n"
	     "```yaml\nlisten: 0.0.0.0:9464\nport: [80, 8080]\nexclude-comm: curl\nsizes: "
	     "on\n```\n\n"
	     "| flag | key, variable | default | commands | what it does |\n|---|---|---|---|---|");
	for (size_t i = 0; i < options_n; i++)
		markdown_option(&options[i]);
}
