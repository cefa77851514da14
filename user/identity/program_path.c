/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/program.h"

/* Words that begin every second program: the folder knows better. The first four are documented;
 * the others are what frameworks generate. */
static const char *const says_nothing[] = {
	"index", "main", "app", "server", "__main__", "wsgi", "asgi", "www", "manage",
};

/* Folders that only hold the parts of what their parent is. */
static const char *const part_folders[] = { "src", "dist", "build", "lib", "bin" };

static const char *const extensions[] = {
	".py", ".pyc", ".pyz", ".js",	".mjs", ".cjs",	 ".ts",	 ".mts", ".tsx", ".jsx", ".rb",
	".ru", ".pl",  ".php", ".phar", ".sh",	".bash", ".lua", ".jar", ".war", ".dll", ".psgi",
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool is_one_of(struct slice s, const char *const words[], size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (slice_ieq(s, slice_str(words[i])))
			return true;
	return false;
}

struct slice program_base(struct slice path)
{
	size_t from = path.n;

	while (from && path.p[from - 1] != '/')
		from--;
	/* all of it, even where that is nothing at no address */
	return from ? (struct slice){ path.p + from, path.n - from } : path;
}

/* The path without its last part and the slashes before it; "/a" gives "". */
static struct slice path_parent(struct slice path)
{
	path.n -= program_base(path).n;
	while (path.n && path.p[path.n - 1] == '/')
		path.n--;
	return path;
}

static struct slice path_trim(struct slice path)
{
	while (path.n && path.p[path.n - 1] == '/')
		path.n--;
	return path;
}

static struct slice path_stem(struct slice name)
{
	for (size_t i = 0; i < COUNT(extensions); i++) {
		struct slice ext = slice_str(extensions[i]);

		if (name.n > ext.n &&
		    slice_ieq((struct slice){ name.p + name.n - ext.n, ext.n }, ext))
			return (struct slice){ name.p, name.n - ext.n };
	}
	return name;
}

static bool is_dots(struct slice s)
{
	return slice_eq(s, SLICE(".")) || slice_eq(s, SLICE(".."));
}

/* The folder that names what lies in it; empty when there is none. */
static struct slice folder_name(struct slice folder, struct slice cwd)
{
	bool is_absolute = folder.n && folder.p[0] == '/';

	for (int climbs = 0; climbs < 64; climbs++) {
		struct slice base;

		folder = path_trim(folder);
		while (slice_eq(program_base(folder), SLICE(".")))
			folder = path_parent(folder);
		if (!folder.n && !is_absolute) {
			folder = path_trim(cwd);
			is_absolute = true;
		}
		base = program_base(folder);
		if (is_dots(base)) /* "..": nobody followed it */
			return SLICE("");
		if (!is_one_of(base, part_folders, COUNT(part_folders)))
			return base;
		folder = path_parent(folder);
	}
	return SLICE("");
}

struct slice program_path_name(struct slice path, struct slice cwd)
{
	struct slice stem, folder;

	path = path_trim(path);
	if (is_dots(program_base(path)))
		return folder_name(path, cwd);
	stem = path_stem(program_base(path));
	if (!is_one_of(stem, says_nothing, COUNT(says_nothing)))
		return stem;
	folder = path_parent(path);
	if (!folder.n && path.n && path.p[0] == '/') /* "/app.py" */
		return stem;
	folder = folder_name(folder, cwd);
	return folder.n ? folder : stem;
}

bool program_module_name(struct slice module, struct slice *out)
{
	while (module.n) {
		size_t dot = module.n;

		while (dot && module.p[dot - 1] != '.')
			dot--;
		if (!is_one_of((struct slice){ module.p + dot, module.n - dot }, says_nothing,
			       COUNT(says_nothing))) {
			*out = module;
			return true;
		}
		module.n = dot ? dot - 1 : 0;
	}
	return false;
}
