/* SPDX-License-Identifier: Apache-2.0 */
/* https://docs.oracle.com/en/java/javase/21/docs/specs/man/java.html */
#include "identity/program.h"

#include <string.h>

static bool is_one_of(struct slice s, const char *const words[])
{
	for (; *words; words++)
		if (slice_eq(s, slice_str(*words)))
			return true;
	return false;
}

/* shop-1.2.3-SNAPSHOT -> shop: a version begins at the first dash before a digit. */
static struct slice jar_unversioned(struct slice name)
{
	for (size_t i = 1; i + 1 < name.n; i++)
		if (name.p[i] == '-' && name.p[i + 1] >= '0' && name.p[i + 1] <= '9')
			return (struct slice){ name.p, i };
	return name;
}

/* What starts other people's programs: a folder it is told of is theirs. */
static const struct launcher {
	const char *prefix; /* of the class, or a jar's name */
	const char *folders[3];
	const char *name; /* where there is none; NULL: the class or jar is all that is known */
} launchers[] = {
	{ "org.apache.catalina.startup.", { "-Dcatalina.base=", "-Dcatalina.home=" }, "tomcat" },
	{ "start", { "-Djetty.base=", "-Djetty.home=" }, NULL },
	{ "org.springframework.boot.loader.",
	  { NULL },
	  "spring-boot" }, /* of the folder it is in */
};

/* Classes and packages that only begin something, beside those of every language. */
static const char *const begins[] = { "Application", "Bootstrap", "Launcher", "JarLauncher",
				      "WarLauncher", "Runner",	  "Start",    "Startup",
				      "bootstrap",   "launcher",  "startup",  "boot",
				      "loader",	     "launch",	  NULL };

/* The next one that begins so; args are then behind it. */
static bool property(struct slice *args, struct slice begin, struct slice *value)
{
	struct slice arg;

	while (program_next_arg(args, &arg)) {
		if (!slice_starts(arg, begin))
			continue;
		*value = (struct slice){ arg.p + begin.n, arg.n - begin.n };
		return true;
	}
	return false;
}

/* What is named by a folder may be numbered: apache-tomcat-10.1.5 */
static bool folder_name(struct slice folder, struct slice cwd, struct slice *out)
{
	*out = jar_unversioned(program_path_name(folder, cwd));
	return out->n > 0;
}

/* False: it is no launcher, or its program is not told. */
static bool launched(struct slice what, struct slice args, struct slice cwd, struct slice *out)
{
	const struct launcher *l = launchers;
	struct slice folder;

	while (!slice_starts(what, slice_str(l->prefix)))
		if (++l == launchers + sizeof(launchers) / sizeof(launchers[0]))
			return false;
	if (what.n > strlen(l->prefix) && !strchr(l->prefix, '.'))
		return false;
	for (size_t i = 0; l->folders[i]; i++) {
		struct slice rest = args;

		if (property(&rest, slice_str(l->folders[i]), &folder) &&
		    folder_name(folder, cwd, out))
			return true;
	}
	if (!l->folders[0] && folder_name(SLICE("."), cwd, out))
		return true;
	if (l->name)
		*out = slice_str(l->name);
	return l->name != NULL;
}

static struct slice last_part(struct slice name)
{
	size_t from = name.n;

	while (from && name.p[from - 1] != '.' && name.p[from - 1] != '/')
		from--;
	return (struct slice){ name.p + from, name.n - from };
}

/* com.acme.shop.Orders -> Orders, com.acme.shop.boot.Main -> shop; false when nothing is left */
static bool telling_part(struct slice name, struct slice *out)
{
	while (program_module_name(name, &name)) {
		struct slice last = last_part(name);

		if (!is_one_of(last, begins)) {
			*out = last;
			return true;
		}
		name.n -= last.n + (last.n < name.n);
	}
	return false;
}

/* The jar that comes first on the class path. */
static bool first_jar(struct slice path, struct slice cwd, struct slice *out)
{
	const uint8_t *end = path.n ? memchr(path.p, ':', path.n) : NULL;

	if (end)
		path.n = (size_t)(end - path.p);
	if (path.n < 5 || memcmp(path.p + path.n - 4, ".jar", 4) != 0)
		return false;
	return folder_name(path, cwd, out);
}

static struct slice class_name(struct slice name, struct slice args, struct slice class_path,
			       struct slice cwd)
{
	struct slice out;

	if (launched(name, args, cwd, &out) || telling_part(name, &out) ||
	    first_jar(class_path, cwd, &out) || folder_name(SLICE("."), cwd, &out))
		return out;
	return name;
}

static struct slice jar_name(struct slice jar, struct slice args, struct slice cwd)
{
	struct slice name = jar_unversioned(program_path_name(jar, cwd)), out;

	return launched(name, args, cwd, &out) ? out : name;
}

/* What a Java virtual machine was given to run. */
struct java_main {
	struct slice what; /* a jar, a class, or a module with its class; empty: not told */
	bool is_jar;
	struct slice options; /* the machine's own, up to there */
	struct slice args;    /* of the program, behind it */
	struct slice class_path;
};

static const char *const class_paths[] = { "-cp", "-classpath", "--class-path", NULL };
static const char *const modules[] = { "-m", "--module", NULL };
static const char *const with_value[] = {
	"-p",
	"--module-path",
	"--upgrade-module-path",
	"--add-modules",
	"--add-exports",
	"--add-opens",
	"--add-reads",
	"--limit-modules",
	"--enable-native-access",
	"--source",
	"-d",
	"--describe-module",
	"-splash",
	NULL,
};

static struct java_main java_main(struct slice args)
{
	struct slice all = args, before = args, arg, value;
	struct java_main m = { .is_jar = false };

	for (; program_next_arg(&args, &arg); before = args) {
		m.is_jar = slice_eq(arg, SLICE("-jar"));
		if (m.is_jar || is_one_of(arg, modules)) {
			program_next_arg(&args, &m.what);
			break;
		}
		if (is_one_of(arg, class_paths))
			program_next_arg(&args, &m.class_path);
		else if (is_one_of(arg, with_value))
			program_next_arg(&args, &value);
		else if (arg.n && arg.p[0] != '-' && arg.p[0] != '@') {
			m.what = arg;
			break;
		}
	}
	m.options = (struct slice){ all.p, all.n - before.n };
	m.args = args;
	return m;
}

bool program_java_name(struct slice args, struct slice cwd, struct slice *out)
{
	struct java_main m = java_main(args);

	if (!m.what.n)
		return false;
	*out = m.is_jar ? jar_name(m.what, args, cwd) : class_name(m.what, args, m.class_path, cwd);
	return true;
}

/* The last one holds. One that is to be filled in by Spring says nothing yet. */
static void take(struct slice args, struct slice begin, struct slice *out)
{
	struct slice value;

	while (property(&args, begin, &value))
		if (!memmem(value.p, value.n, "${", 2))
			*out = value;
}

void program_java_says(struct slice args, struct java_says *out)
{
	struct java_main m = java_main(args);

	*out = (struct java_says){ .is_java = true };
	take(m.options, SLICE("-Dotel.service.name="), &out->service_name);
	take(m.options, SLICE("-Dotel.resource.attributes="), &out->attributes);
	take(m.options, SLICE("-Dspring.application.name="), &out->application);
	take(m.args, SLICE("--spring.application.name="), &out->application);
}
