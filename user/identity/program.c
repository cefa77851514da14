/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/program.h"

#include "util/utf8.h"

/*
 * How an interpreter's own options are told from what it runs. Single letters may be bundled
 * behind one dash; those in `value` take the rest of the argument or the next one as their value,
 * those in `attached` the rest only.
 */
struct interpreter {
	const char *name; /* base name; digits and dots may follow */
	const char *value;
	const char *attached;
	const char *module;	 /* the value is a module, and is run */
	const char *script;	 /* the value is a file, and is run */
	const char *code;	 /* the value is program text: there is no name in it */
	const char *long_value;	 /* words: long options whose value is the next argument */
	const char *subcommands; /* words that may stand before the script */
};

#define SHELL(NAME)                                                                            \
	{                                                                                      \
		.name = NAME, .value = "oO", .code = "c", .long_value = "--rcfile --init-file" \
	}

static const struct interpreter interpreters[] = {
	{ .name = "python",
	  .value = "WX",
	  .module = "m",
	  .code = "c",
	  .long_value = "--check-hash-based-pycs" },
	{ .name = "pypy", .value = "WX", .module = "m", .code = "c" },
	{ .name = "node",
	  .value = "rC",
	  .code = "ep",
	  .long_value = "--require --import --loader --experimental-loader --conditions --title" },
	{ .name = "nodejs",
	  .value = "rC",
	  .code = "ep",
	  .long_value = "--require --import --loader --experimental-loader --conditions --title" },
	{ .name = "deno",
	  .value = "cr",
	  .code = "",
	  .long_value = "--config --import-map --reload",
	  .subcommands = "run serve task test eval" },
	{ .name = "bun",
	  .value = "r",
	  .code = "ep",
	  .long_value = "--preload --cwd --config",
	  .subcommands = "run" },
	{ .name = "ruby", .value = "IrCEK", .attached = "xFiTW", .code = "e" },
	{ .name = "perl", .value = "I", .attached = "MmCDFixdV", .code = "eE" },
	{ .name = "php", .value = "cdtSzBRFE", .script = "f", .code = "r" },
	{ .name = "lua", .value = "l", .code = "e" },
	{ .name = "dotnet",
	  .long_value = "--fx-version --roll-forward --additionalprobingpath "
			"--depsfile --runtimeconfig",
	  .subcommands = "exec" },
	SHELL("bash"),
	SHELL("sh"),
	SHELL("dash"),
	SHELL("zsh"),
	SHELL("ksh"),
	SHELL("ash"),
};

/* One binary that is many programs. */
static const char multi_calls[] = "busybox toybox coreutils";

/* Is `word` one of the space separated words? */
static bool is_word_of(struct slice word, const char *words)
{
	while (words && *words) {
		size_t n = strcspn(words, " ");

		if (slice_eq(word, (struct slice){ (const uint8_t *)words, n }))
			return true;
		words += n + (words[n] == ' ');
	}
	return false;
}

static bool has_letter(const char *letters, uint8_t c)
{
	return letters && c && strchr(letters, c);
}

bool program_next_arg(struct slice *args, struct slice *arg)
{
	const uint8_t *end;

	if (!args->n)
		return false;
	end = memchr(args->p, '\0', args->n);
	*arg = (struct slice){ args->p, end ? (size_t)(end - args->p) : args->n };
	args->p += arg->n + (end != NULL);
	args->n -= arg->n + (end != NULL);
	return true;
}

/* The executable's own name: no " (deleted)", no memfd dressing. */
static struct slice exe_base(struct slice exe)
{
	static const char memfd[] = "/memfd:";
	static const char deleted[] = " (deleted)";
	size_t n = sizeof(deleted) - 1;

	if (exe.n > n && memcmp(exe.p + exe.n - n, deleted, n) == 0)
		exe.n -= n;
	if (slice_starts(exe, SLICE(memfd))) {
		const uint8_t *colon;

		exe.p += sizeof(memfd) - 1;
		exe.n -= sizeof(memfd) - 1;
		colon = memchr(exe.p, ':', exe.n);
		if (colon)
			exe.n = (size_t)(colon - exe.p);
	}
	exe = program_base(exe);
	for (size_t i = 0; i < exe.n; i++)
		if (exe.p[i] < '0' || exe.p[i] > '9')
			return exe;
	return SLICE(""); /* a number of a descriptor: fexecve() */
}

/* "-bash" of a login, "/usr/bin/python3" -> base name */
static struct slice arg_base(struct slice arg)
{
	if (arg.n && arg.p[0] == '-')
		return program_base((struct slice){ arg.p + 1, arg.n - 1 });
	return program_base(arg);
}

static bool is_versioned(struct slice base, const char *name)
{
	size_t n = strlen(name);

	if (base.n < n || memcmp(base.p, name, n) != 0)
		return false;
	for (; n < base.n; n++)
		if (base.p[n] != '.' && (base.p[n] < '0' || base.p[n] > '9'))
			return false;
	return true;
}

static const struct interpreter *interpreter_of(struct slice base)
{
	for (size_t i = 0; i < sizeof(interpreters) / sizeof(interpreters[0]); i++)
		if (is_versioned(base, interpreters[i].name))
			return &interpreters[i];
	return NULL;
}

static struct slice script_name(struct slice script, struct slice args, struct slice cwd)
{
	struct slice name = program_path_name(script, cwd), app;

	/* a descriptor's number, a pipe of the shell: no name of anything */
	if (slice_starts(script, SLICE("/dev/")) || slice_starts(script, SLICE("/proc/")))
		return SLICE("");
	return program_server_app(name, args, cwd, &app) ? app : name;
}

static struct slice module_name(struct slice module, struct slice args, struct slice cwd)
{
	struct slice app;

	if (program_server_app(module, args, cwd, &app))
		return app;
	/* http.server is what it is; a lone "server" is one of many */
	return memchr(module.p, '.', module.n) ? module : program_path_name(module, cwd);
}

enum option { OPTION_NONE, OPTION_DONE, OPTION_CODE, OPTION_MODULE, OPTION_SCRIPT };

/* One bundle of short options; *value is what the last letter was given. */
static enum option short_options(const struct interpreter *in, struct slice arg, struct slice *args,
				 struct slice *value)
{
	for (size_t i = 1; i < arg.n; i++) {
		uint8_t c = arg.p[i];

		if (has_letter(in->code, c))
			return OPTION_CODE;
		if (has_letter(in->attached, c))
			return OPTION_NONE;
		if (!has_letter(in->value, c) && !has_letter(in->module, c) &&
		    !has_letter(in->script, c))
			continue;
		*value = (struct slice){ arg.p + i + 1, arg.n - i - 1 };
		if (!value->n && !program_next_arg(args, value))
			return OPTION_DONE;
		if (has_letter(in->module, c))
			return OPTION_MODULE;
		return has_letter(in->script, c) ? OPTION_SCRIPT : OPTION_NONE;
	}
	return OPTION_NONE;
}

/* What an interpreter was given to run; args begin behind its own name. */
static bool interpreted_name(const struct interpreter *in, struct slice args, struct slice cwd,
			     struct slice *out)
{
	const char *subcommands = in->subcommands;
	struct slice arg, value;

	while (program_next_arg(&args, &arg)) {
		enum option found = OPTION_NONE;

		if (arg.n > 1 && (arg.p[0] == '-' || arg.p[0] == '+')) {
			if (slice_starts(arg, SLICE("--")) && arg.n > 2) {
				if (slice_eq(arg, SLICE("--eval")) ||
				    slice_eq(arg, SLICE("--print")))
					return false;
				if (is_word_of(arg, in->long_value))
					program_next_arg(&args, &value);
			} else if (arg.n > 2 || arg.p[1] != '-') {
				found = short_options(in, arg, &args, &value);
			}
		} else if (!arg.n || slice_eq(arg, SLICE("-"))) {
			return false; /* padding of a title, or standard input */
		} else if (is_word_of(arg, subcommands)) {
			subcommands = NULL;
		} else {
			value = arg;
			found = OPTION_SCRIPT;
		}
		if (found == OPTION_CODE || found == OPTION_DONE)
			return false;
		if (found == OPTION_NONE)
			continue;
		*out = found == OPTION_MODULE ? module_name(value, args, cwd)
					      : script_name(value, args, cwd);
		return out->n > 0;
	}
	return false;
}

/* multiprocessing's "spawn" and "forkserver" start Python anew with a fixed text. */
static bool is_worker(struct slice args)
{
	struct slice arg;

	while (program_next_arg(&args, &arg))
		if (slice_eq(arg, SLICE("--multiprocessing-fork")) ||
		    slice_starts(arg, SLICE("from multiprocessing.")))
			return true;
	return false;
}

static enum program_is finish(enum program_is is, struct slice name, char *out, size_t size)
{
	return utf8_clean(out, size, name) ? is : PROGRAM_NAMELESS;
}

/* Debian's redis-server is a link to this program; what it is called has its address behind it. */
static bool redis_name(struct slice base, struct slice arg0, struct slice *name)
{
	size_t n = 0;

	while (n < arg0.n && arg0.p[n] != ' ')
		n++;
	arg0.n = n;
	arg0 = program_base(arg0);
	if (!slice_eq(base, SLICE("redis-check-rdb")) || !slice_starts(arg0, SLICE("redis-")))
		return false;
	*name = arg0;
	return true;
}

void program_says(const struct program *p, struct java_says *out)
{
	struct slice base = exe_base(p->exe), args = p->args, arg0 = SLICE("");

	program_next_arg(&args, &arg0);
	if (!base.n)
		base = arg_base(arg0);
	if (slice_eq(base, SLICE("java")))
		program_java_says(args, out);
	else
		*out = (struct java_says){ .is_java = false };
}

enum program_is program_name(const struct program *p, char *out, size_t size)
{
	struct slice base = exe_base(p->exe), args = p->args, own = SLICE(""), name;
	struct slice arg0 = SLICE("");
	const struct interpreter *in;

	if (program_next_arg(&args, &arg0))
		own = arg_base(arg0);
	if (!base.n)
		base = own;
	if (is_word_of(base, multi_calls) && own.n) {
		base = own;
		if (is_word_of(own, multi_calls) && program_next_arg(&args, &arg0))
			base = program_base(arg0);
	}
	if (redis_name(base, arg0, &name))
		base = name;
	in = interpreter_of(base);
	if (!in && interpreter_of(own)) {
		/* a script run by its first line: execve was given the script */
		struct slice rest = args, script;

		while (program_next_arg(&rest, &script) && !in)
			if (slice_eq(script, p->exe))
				in = interpreter_of(own);
	}
	if (slice_eq(base, SLICE("java")) && program_java_name(args, p->cwd, &name))
		return finish(PROGRAM_NAMED, name, out, size);
	if (!in)
		return finish(slice_eq(base, SLICE("java")) ? PROGRAM_INTERPRETER : PROGRAM_NAMED,
			      base, out, size);
	if (interpreted_name(in, args, p->cwd, &name) || program_title_name(arg0, p->cwd, &name))
		return finish(PROGRAM_NAMED, name, out, size);
	/* python3.11 -> python: an update of the interpreter makes no new service */
	if (is_versioned(base, in->name))
		base = slice_str(in->name);
	return finish(is_worker(p->args) ? PROGRAM_WORKER : PROGRAM_INTERPRETER, base, out, size);
}
