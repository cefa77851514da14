/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "config_check.h"
#include "config_option.h"
#include "proto/proto.h"
#include "util/clock.h"
#include "util/nearest.h"

enum { ARGS_MAX = 16 };

struct ask {
	const char *args[ARGS_MAX]; /* after the program's name */
	const char *env[ARGS_MAX];
	const char *file; /* contents; its name takes the place of FILE in args */
};

static char err[512];

/* As config_parse(), with the file written aside. */
static int ask(struct config *c, struct ask a)
{
	char path[] = "/tmp/sonde-test-XXXXXX";
	char *argv[ARGS_MAX + 2] = { (char *)"sonde" }, *envp[ARGS_MAX + 1] = { NULL };
	int fd = -1, argc = 1, res;

	if (a.file) {
		fd = mkstemp(path);
		assert_true(fd >= 0);
		assert_int_equal(write(fd, a.file, strlen(a.file)), strlen(a.file));
	}
	for (; argc <= ARGS_MAX && a.args[argc - 1]; argc++)
		argv[argc] =
			strcmp(a.args[argc - 1], "FILE") == 0 ? path : (char *)a.args[argc - 1];
	for (int i = 0; i < ARGS_MAX && a.env[i]; i++)
		envp[i] = (char *)a.env[i];
	err[0] = '\0';
	res = config_parse(c, argc, argv, envp, err, sizeof(err));
	if (fd >= 0) {
		close(fd);
		unlink(path);
	}
	return res;
}

#define ASK(c, ...) ask(c, (struct ask){ __VA_ARGS__ })
#define ARGS(...)   .args = { __VA_ARGS__ }
#define ENV(...)    .env = { __VA_ARGS__ }

/* The mistake is refused with a line that has all the parts. */
static void refused(struct ask a, const char *part, const char *other)
{
	struct config c;

	assert_int_equal(ask(&c, a), -EINVAL);
	if (!strstr(err, part) || !strstr(err, other))
		fail_msg("'%s' lacks '%s' or '%s'", err, part, other);
	assert_null(strchr(err, '\n'));
}

#define REFUSED(part, other, ...) refused((struct ask){ __VA_ARGS__ }, part, other)

static void defaults_are_those_of_the_table(void **state)
{
	struct config c;

	assert_int_equal(ASK(&c), 0);
	assert_int_equal(c.command, CMD_RUN);
	assert_string_equal(c.listen_addr, "127.0.0.1");
	assert_int_equal(c.listen_port, 9464);
	assert_true(c.routes && c.tls);
	assert_false(c.sizes || c.server_address || c.log_json || c.stats);
	assert_int_equal(c.tier, PROBE_TIER_AUTO);
	assert_int_equal(c.log_level, LOG_INFO);
	assert_int_equal(c.ring_size, 16 << 20);
	assert_int_equal(c.max_series, 2000);
	assert_int_equal(c.duration_ns, 0);
	assert_int_equal(c.protocol_mask, 0);
	assert_true(c.cpu_limit == 1.0);
	config_free(&c);
}

static void flags_take_both_forms(void **state)
{
	struct config c;

	assert_int_equal(ASK(&c, ARGS("tail", "--duration", "300ms", "--ring-size=64KiB", "--json",
				      "--filter", "status>=500")),
			 0);
	assert_int_equal(c.command, CMD_TAIL);
	assert_int_equal(c.duration_ns, 300 * NS_PER_MS);
	assert_int_equal(c.ring_size, 65536);
	assert_true(c.json);
	assert_string_equal(c.filter_expr, "status>=500");
	config_free(&c);
}

static void flags_stand_anywhere(void **state)
{
	struct config c;

	assert_int_equal(ASK(&c, ARGS("--duration", "5s", "record", "--", "--odd-name")), 0);
	assert_int_equal(c.command, CMD_RECORD);
	assert_string_equal(c.file, "--odd-name");
	config_free(&c);
}

static void flag_goes_over_environment_over_file(void **state)
{
	const char *file = "max-series: 1\ncpu-limit: 0.25\nport: [1, 2]\n";
	struct config c;

	assert_int_equal(ASK(&c, ARGS("--config", "FILE", "--max-series", "3"),
			     ENV("SONDE_MAX_SERIES=2", "SONDE_PORT=7", "HOME=/"), .file = file),
			 0);
	assert_int_equal(c.max_series, 3);
	assert_true(c.cpu_limit == 0.25);
	assert_int_equal(c.filter.n_ports, 1);
	assert_int_equal(c.filter.ports[0], 7);
	config_free(&c);
}

static void lists_repeat_and_take_commas(void **state)
{
	struct config c;

	assert_int_equal(ASK(&c, ARGS("--port", "80,8080", "--port=443", "--exclude-comm", "cu*")),
			 0);
	assert_int_equal(c.filter.n_ports, 3);
	assert_int_equal(c.filter.ports[1], 8080);
	assert_int_equal(c.filter.ports[2], 443);
	assert_int_equal(c.filter.n_not_comms, 1);
	assert_string_equal(c.filter.not_comms[0].text, "cu*");
	config_free(&c);
}

static void file_takes_scalars_and_sequences(void **state)
{
	const char *file = "# a comment\nlisten: \"[::1]:99\"\nport: [80, 443]\ncomm: a,b\n"
			   "sizes: on\nlog-format: json\nduration: 2m\nprotocols:\n  - http\n";
	struct config c;

	assert_int_equal(ASK(&c, ARGS("run", "--config", "FILE"), .file = file), 0);
	assert_string_equal(c.listen_addr, "::1");
	assert_int_equal(c.listen_port, 99);
	assert_int_equal(c.filter.n_ports, 2);
	assert_int_equal(c.filter.n_comms, 2);
	assert_true(c.sizes && c.log_json);
	assert_int_equal(c.duration_ns, 120 * NS_PER_S);
	assert_int_equal(c.protocol_mask, 1U << PROTO_HTTP1);
	config_free(&c);
	assert_int_equal(ASK(&c, ARGS("--config", "FILE"), .file = "# nothing\n"), 0);
	config_free(&c);
}

static void environment_names_the_file(void **state)
{
	struct config c;

	assert_int_equal(ASK(&c, ENV("SONDE_CONFIG=/nowhere/at.all")), -EINVAL);
	assert_non_null(strstr(err, "/nowhere/at.all: cannot read the configuration"));
}

static void file_mistakes_name_line_and_word(void **state)
{
	REFUSED(":2: prt: no such key", "did you mean port?", ARGS("--config", "FILE"),
		.file = "sizes: on\nprt: 80\n");
	REFUSED(":1: sizes: 'onn' is not valid: expected on|off", "did you mean on?",
		ARGS("--config", "FILE"), .file = "sizes: onn\n");
	REFUSED(":2: sizes: given twice", "", ARGS("--config", "FILE"),
		.file = "sizes: on\nsizes: off\n");
	REFUSED(":1: max-series: expected N", "", ARGS("--config", "FILE"),
		.file = "max-series: [1]\n");
	REFUSED(":2: port: expected a value or a sequence", "", ARGS("--config", "FILE"),
		.file = "port:\n  a: b\n");
	REFUSED(":1: json: only a flag, --json", "", ARGS("--config", "FILE"),
		.file = "json: on\n");
	REFUSED(":1: expected lines of the form NAME: VALUE", "", ARGS("--config", "FILE"),
		.file = "just words\n");
	REFUSED("not valid YAML", "", ARGS("--config", "FILE"), .file = "port: [80\n");
	REFUSED("more than one YAML document", "", ARGS("--config", "FILE"),
		.file = "sizes: on\n---\nsizes: off\n");
}

static void flag_mistakes_name_form_and_word(void **state)
{
	REFUSED("--lisen: no such flag", "did you mean --listen?", ARGS("--lisen", "off"));
	REFUSED("tial: no such command", "did you mean tail?", ARGS("tial"));
	REFUSED("--duration: '5x' is not valid", "300ms, 5s or 2m", ARGS("--duration", "5x"));
	REFUSED("--duration: '0s' is not valid", "300ms", ARGS("--duration", "0s"));
	REFUSED("--ring-size: '16mb' is not valid", "16MiB", ARGS("--ring-size=16mb"));
	REFUSED("--ring-size: '' is not valid", "expected SIZE", ARGS("--ring-size="));
	REFUSED("--capture-tier: 'soket'", "did you mean socket?", ARGS("--capture-tier", "soket"));
	REFUSED("--protocols: 'htp'", "did you mean http?", ARGS("--protocols", "htp"));
	REFUSED("--listen: '9464' is not valid", "ADDR:PORT", ARGS("--listen", "9464"));
	REFUSED("--port: '80,' is not valid", "each comma", ARGS("--port", "80,"));
	REFUSED("--comm: ", "at most 15 bytes", ARGS("--comm", "more-than-fifteen-bytes"));
	REFUSED("--json: takes no value", "", ARGS("tail", "--json=yes"));
	REFUSED("--listen: expected --listen ADDR:PORT", "", ARGS("--listen"));
	REFUSED("--sizes: given twice", "", ARGS("--sizes", "on", "--sizes", "off"));
	REFUSED("-j: no such flag", "", ARGS("-j"));
	REFUSED("--once: not a flag of tail", "but of top", ARGS("tail", "--once"));
	REFUSED("--namespace: 'Shop' is not valid", "at most 63", ARGS("--namespace", "Shop"));
	REFUSED("--namespace: 'shop-' is not valid", "at most 63", ARGS("--namespace", "shop-"));
	REFUSED("--port: at most 16", "",
		ARGS("--port", "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17"));
}

static void environment_mistakes_name_the_variable(void **state)
{
	REFUSED("SONDE_LISTN: no such variable", "did you mean SONDE_LISTEN?",
		ENV("SONDE_LISTN=off"));
	REFUSED("SONDE_SIZES: 'yes' is not valid", "on|off", ENV("SONDE_SIZES=yes"));
	REFUSED("SONDE_SIZES: '' is not valid", "on|off", ENV("SONDE_SIZES="));
	REFUSED("SONDE_SIZES: '' is not valid", "on|off", ENV("SONDE_SIZES"));
	/* a flag that overrides it does not hide that it is wrong */
	REFUSED("SONDE_SIZES: 'yes' is not valid", "on|off", ARGS("--sizes", "on"),
		ENV("SONDE_SIZES=yes"));
	REFUSED("SONDE_JSON: no such variable", "", ENV("SONDE_JSON=on"));
}

static void what_is_not_built_is_refused_when_asked_for(void **state)
{
	struct config c;

	REFUSED("--propagate: expected with --pid", "", ARGS("--propagate", "http"));
	REFUSED("--propagate: expected with --pid", "",
		ARGS("--propagate", "http", "--exclude-comm", "x"));
	assert_int_equal(ASK(&c, ARGS("--propagate", "http", "--comm", "x")), 0);
	config_free(&c);
	REFUSED("--spans: not together", "", ARGS("replay", "f", "--spans", "--json"));
	/* said in a shared environment, it is not asked of a command that has no use for it */
	assert_int_equal(ASK(&c, ARGS("check"), ENV("SONDE_PROPAGATE=http")), 0);
	config_free(&c);
	assert_int_equal(ASK(&c, ARGS("--tls", "off", "--propagate=off")), 0);
	config_free(&c);
}

static void commands_check_the_whole(void **state)
{
	REFUSED("record: expected sonde record FILE", "", ARGS("record"));
	REFUSED("replay: expected sonde replay FILE", "", ARGS("replay"));
	REFUSED("'b' is one argument too many", "sonde replay FILE", ARGS("replay", "a", "b"));
	REFUSED("'x' is one argument too many", "sonde tail", ARGS("tail", "x"));
	REFUSED("--record: sonde record a records already", "",
		ARGS("record", "a", "--record", "b"));
	REFUSED("--metrics: not together with --json", "",
		ARGS("replay", "a", "--json", "--metrics"));
	REFUSED("--connect: not together", "", ARGS("top", "f", "--connect", "http://x"));
	REFUSED("--record: only what", "", ARGS("top", "f", "--record", "g"));
	REFUSED("--health: ", "did you mean p95?", ARGS("--health", "shop.p96=1s"));
	REFUSED("--pid: check looks at one process", "", ARGS("check", "--pid", "1,2"));
}

static void messages_stay_one_line(void **state)
{
	REFUSED("a?b: no such command", "", ARGS("a\nb"));
	REFUSED("--x?y: no such flag", "", ARGS("--x\ny"));
}

static void help_asks_nothing_of_the_rest(void **state)
{
	struct config c;

	assert_int_equal(ASK(&c, ARGS("tail", "--help"), ENV("SONDE_NONSENSE=1")), 0);
	assert_int_equal(c.command, CMD_HELP);
	assert_int_equal(c.help_of, CMD_TAIL);
	config_free(&c);
	assert_int_equal(ASK(&c, ARGS("help", "replay")), 0);
	assert_int_equal(c.help_of, CMD_REPLAY);
	config_free(&c);
	assert_int_equal(ASK(&c, ARGS("--version")), 0);
	assert_int_equal(c.command, CMD_VERSION);
	config_free(&c);
}

static void numbers_have_bounds(void **state)
{
	uint64_t v = 7;
	double d = 7;

	assert_int_equal(parse_duration("18446744073709551615h", &v), -EINVAL);
	assert_int_equal(parse_size("99999999999999999999", &v), -EINVAL);
	assert_int_equal(parse_count("0", 10, &v), -EINVAL);
	assert_int_equal(parse_count("11", 10, &v), -EINVAL);
	assert_int_equal(parse_count(" 1", 10, &v), -EINVAL);
	assert_int_equal(parse_count("+1", 10, &v), -EINVAL);
	assert_int_equal(v, 7);
	assert_int_equal(parse_cores("0", &d), -EINVAL);
	assert_int_equal(parse_cores("1,5", &d), -EINVAL);
	assert_int_equal(parse_cores("1.", &d), -EINVAL);
	assert_int_equal(parse_cores("2.50", &d), 0);
	assert_true(d == 2.5);
}

static void listen_takes_addresses(void **state)
{
	char addr[64];
	uint16_t port;

	assert_int_equal(parse_listen("localhost:80", addr, sizeof(addr), &port), 0);
	assert_string_equal(addr, "127.0.0.1");
	assert_int_equal(parse_listen("[::]:80", addr, sizeof(addr), &port), 0);
	assert_string_equal(addr, "::");
	assert_int_equal(parse_listen("::1:80", addr, sizeof(addr), &port), -EINVAL);
	assert_int_equal(parse_listen("1.2.3.4:0", addr, sizeof(addr), &port), -EINVAL);
	assert_int_equal(parse_listen("1.2.3.4:65536", addr, sizeof(addr), &port), -EINVAL);
	assert_int_equal(parse_listen("1.2.3:80", addr, sizeof(addr), &port), -EINVAL);
	assert_int_equal(parse_listen(":80", addr, sizeof(addr), &port), -EINVAL);
}

static void distance_counts_edits(void **state)
{
	assert_int_equal(nearest_distance("", ""), 0);
	assert_int_equal(nearest_distance("listen", "listen"), 0);
	assert_int_equal(nearest_distance("lisen", "listen"), 1);
	assert_int_equal(nearest_distance("lsiten", "listen"), 1);
	assert_int_equal(nearest_distance("LISTEN", "listen"), 0);
	assert_int_equal(nearest_distance("abc", ""), 3);
	assert_int_equal(nearest_distance("kitten", "sitting"), 3);
}

static void table_is_whole(void **state)
{
	char env[80], hint[128];

	for (size_t i = 0; i < options_n; i++) {
		const struct option *o = &options[i];

		assert_ptr_equal(option_find(o->name, "", hint, sizeof(hint)), o);
		assert_true(o->commands && o->help && *o->help);
		assert_true(o->kind == OPT_SWITCH ? !o->metavar : !!o->metavar);
		option_env_name(o, env, sizeof(env));
		assert_int_equal(strlen(env), strlen("SONDE_") + strlen(o->name));
		assert_int_equal(strspn(env, "SONDE_ABCFGHIJKLMPQRTUVWXYZ"), strlen(env));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_those_of_the_table),
		cmocka_unit_test(flags_take_both_forms),
		cmocka_unit_test(flags_stand_anywhere),
		cmocka_unit_test(flag_goes_over_environment_over_file),
		cmocka_unit_test(lists_repeat_and_take_commas),
		cmocka_unit_test(file_takes_scalars_and_sequences),
		cmocka_unit_test(environment_names_the_file),
		cmocka_unit_test(file_mistakes_name_line_and_word),
		cmocka_unit_test(flag_mistakes_name_form_and_word),
		cmocka_unit_test(environment_mistakes_name_the_variable),
		cmocka_unit_test(what_is_not_built_is_refused_when_asked_for),
		cmocka_unit_test(commands_check_the_whole),
		cmocka_unit_test(messages_stay_one_line),
		cmocka_unit_test(help_asks_nothing_of_the_rest),
		cmocka_unit_test(numbers_have_bounds),
		cmocka_unit_test(listen_takes_addresses),
		cmocka_unit_test(distance_counts_edits),
		cmocka_unit_test(table_is_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
