/* SPDX-License-Identifier: Apache-2.0 */
/* https://docs.oracle.com/en/java/javase/21/docs/specs/man/java.html */
#include "identity/program.h"

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

/* com.acme.shop.Orders -> Orders, com.acme.shop.Main -> shop */
static struct slice class_name(struct slice name)
{
	size_t from;

	if (!program_module_name(name, &name))
		return name;
	for (from = name.n; from && name.p[from - 1] != '.' && name.p[from - 1] != '/';)
		from--;
	return (struct slice){ name.p + from, name.n - from };
}

bool program_java_name(struct slice args, struct slice cwd, struct slice *out)
{
	static const char *const with_value[] = {
		"-cp",
		"-classpath",
		"--class-path",
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
	struct slice arg;

	while (program_next_arg(&args, &arg)) {
		if (slice_eq(arg, SLICE("-jar"))) {
			if (!program_next_arg(&args, &arg))
				return false;
			*out = jar_unversioned(program_path_name(arg, cwd));
			return true;
		}
		if (slice_eq(arg, SLICE("-m")) || slice_eq(arg, SLICE("--module"))) {
			if (!program_next_arg(&args, &arg))
				return false;
			*out = class_name(arg); /* module, or module/class */
			return true;
		}
		if (is_one_of(arg, with_value)) {
			program_next_arg(&args, &arg);
			continue;
		}
		if (!arg.n || arg.p[0] == '-' || arg.p[0] == '@')
			continue;
		*out = class_name(arg);
		return true;
	}
	return false;
}
