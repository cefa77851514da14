/* SPDX-License-Identifier: Apache-2.0 */
#include "pressure/stalls.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include "identity/procfs.h"
#include "pressure/text.h"
#include "util/clock.h"

enum {
	FILE_MAX = 256,	      /* two lines */
	CGROUP_MAX = 4096,    /* of /proc/PID/cgroup */
	LOOKED_AT_MAX = 20000 /* groups, for our own */
};

struct stalls_source {
	char proc[64];
	int root;	    /* the hierarchy's */
	size_t depth;	    /* of our own view of it: so many groups below the root */
	char own[PATH_MAX]; /* and that group; empty: the root, or not found */
};

static const char *const resources[STALLS_RESOURCES] = { "cpu", "memory", "io" };
static const char *const kinds[STALLS_KINDS] = { "some", "full" };

const char *stalls_resource(size_t resource)
{
	return resources[resource];
}

/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=123", in microseconds */
void stalls_parse(struct slice text, size_t resource, struct stalls *out)
{
	struct slice line;

	while (text_line(&text, &line)) {
		struct slice kind = text_word(&line), word = text_word(&line);

		while (word.n && !slice_starts(word, SLICE("total=")))
			word = text_word(&line);
		for (size_t i = 0; word.n && i < STALLS_KINDS; i++) {
			if (!slice_eq(kind, slice_str(kinds[i])))
				continue;
			out->ns[resource][i] =
				text_u64((struct slice){ word.p + 6, word.n - 6 }) * NS_PER_US;
			out->is_known[resource][i] = true;
		}
	}
}

void stalls_publish(const struct stalls *s, const struct service *service,
		    struct series_store *store, uint64_t now_ns)
{
	const struct slice scope = service ? SLICE("cgroup") : SLICE("host");
	struct series *to;

	for (size_t r = 0; r < STALLS_RESOURCES; r++)
		for (size_t k = 0; k < STALLS_KINDS; k++) {
			const struct slice values[] = { slice_str(resources[r]),
							slice_str(kinds[k]), scope };

			to = s->is_known[r][k]
				     ? series_get(store, METRIC_PRESSURE, service, values, now_ns)
				     : NULL;
			if (to)
				to->value = s->ns[r][k];
		}
}

/* --- where the hierarchy is --- */

static bool is_unified(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC;
}

static bool find_under(const char *prefix, char *out, size_t size)
{
	static const char *const places[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		snprintf(out, size, "%s%s", prefix, places[i]);
		if (is_unified(out))
			return true;
	}
	return false;
}

/* As the host's first process sees it, for in a container there is another view. */
static bool find_host(const char *proc, char *out, size_t size)
{
	char prefix[96];

	snprintf(prefix, sizeof(prefix), "%s/1/root", proc);
	return find_under(prefix, out, size);
}

/* "0::/a/b" of /proc/PID/cgroup (cgroups(7)). Empty: there is none. */
static struct slice path_of(const char *proc, uint32_t tgid, char buf[CGROUP_MAX])
{
	ssize_t n = procfs_read(proc, tgid, "cgroup", buf, CGROUP_MAX);
	struct slice text = { (uint8_t *)buf, n > 0 ? (size_t)n : 0 }, line;

	while (text_line(&text, &line))
		if (slice_starts(line, SLICE("0::/")))
			return (struct slice){ line.p + 3, line.n - 3 };
	return SLICE("");
}

/* How many groups up a path begins; what is left of it is what is below that. */
static size_t take_ups(struct slice *path)
{
	size_t n = 0;

	while (slice_starts(*path, SLICE("/..")) && (path->n == 3 || path->p[3] == '/')) {
		*path = (struct slice){ path->p + 3, path->n - 3 };
		n++;
	}
	return n;
}

struct search {
	ino_t wanted;
	size_t left; /* groups to look at */
	char *path;
};

/* The group of that number, so deep below; its path is left in the search. */
static bool find_group(struct search *s, int at, size_t n, size_t depth)
{
	const struct dirent *d;
	bool is_found = false;
	struct stat st;
	DIR *dir;

	if (depth == 0)
		return fstat(at, &st) == 0 && st.st_ino == s->wanted;
	dir = fdopendir(openat(at, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	while (dir && !is_found && s->left && (d = readdir(dir))) {
		int len, fd;

		if (d->d_type != DT_DIR || d->d_name[0] == '.')
			continue;
		len = snprintf(s->path + n, PATH_MAX - n, "/%s", d->d_name);
		if (len < 0 || (size_t)len >= PATH_MAX - n)
			continue;
		s->left--;
		fd = openat(dirfd(dir), d->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		is_found = fd >= 0 && find_group(s, fd, n + (size_t)len, depth - 1);
		if (fd >= 0)
			close(fd);
	}
	if (dir)
		closedir(dir);
	return is_found;
}

/* In a cgroup namespace of our own (cgroup_namespaces(7)) paths begin at our group: how deep that
 * is says the way up to the first process', and which it is, its number. */
static void find_own(struct stalls_source *src, const char *view)
{
	struct search search = { .left = LOOKED_AT_MAX, .path = src->own };
	char buf[CGROUP_MAX], found[128];
	struct slice path = path_of(src->proc, 1, buf);
	struct stat st;

	src->depth = take_ups(&path);
	if (!src->depth)
		return;
	if (!view && find_under("", found, sizeof(found)))
		view = found;
	if (!view || stat(view, &st) < 0)
		return;
	search.wanted = st.st_ino;
	if (!find_group(&search, src->root, 0, src->depth))
		src->own[0] = '\0';
}

/* Where only our own view of it is there: how far above our group that begins (proc(5), mountinfo:
 * its fourth and fifth fields). */
static size_t ups_of_mount(const char *proc, const char *view)
{
	char path[96], line[4096], root[2048], point[2048];
	size_t ups = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/self/mountinfo", proc);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		struct slice at;

		if (sscanf(line, "%*s %*s %*s %2047s %2047s", root, point) != 2 ||
		    strcmp(point, view) != 0)
			continue;
		at = slice_str(root);
		ups = take_ups(&at);
	}
	if (f)
		fclose(f);
	return ups;
}

struct stalls_source *stalls_open(const struct stalls_opts *opts)
{
	struct stalls_source *src = calloc(1, sizeof(*src));
	const char *root = opts->root;
	bool is_host = true;
	char found[128];

	if (!src)
		return NULL;
	snprintf(src->proc, sizeof(src->proc), "%s", opts->proc);
	if (!root) {
		is_host = find_host(opts->proc, found, sizeof(found));
		root = is_host || find_under("", found, sizeof(found)) ? found : NULL;
	}
	src->root = root ? open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	if (src->root < 0) {
		free(src);
		return NULL;
	}
	if (is_host)
		find_own(src, opts->view);
	else
		src->depth = ups_of_mount(opts->proc, root);
	return src;
}

void stalls_close(struct stalls_source *src)
{
	if (!src)
		return;
	close(src->root);
	free(src);
}

/* --- of a process --- */

/* From the root of the hierarchy, without the first slash. False: not known, or the root. */
static bool place(const struct stalls_source *src, struct slice path, char out[PATH_MAX])
{
	size_t ups = take_ups(&path), n = 0;

	if (ups > src->depth || (ups < src->depth && !src->own[0]))
		return false;
	for (size_t kept = 0; src->own[n]; n++) /* of our own group what both are in */
		if (src->own[n] == '/' && kept++ == src->depth - ups)
			break;
	n = (size_t)snprintf(out, PATH_MAX, "%.*s%.*s", (int)n, src->own,
			     path.n > 1 ? (int)path.n : 0, (const char *)path.p);
	if (n < 2 || n >= PATH_MAX)
		return false;
	memmove(out, out + 1, n);
	return true;
}

static bool read_text(int folder, const char *name, char buf[FILE_MAX], struct slice *text)
{
	int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, buf, FILE_MAX);
	close(fd);
	*text = (struct slice){ (uint8_t *)buf, n > 0 ? (size_t)n : 0 };
	return n > 0;
}

bool stalls_read(const struct stalls_source *src, uint32_t tgid, struct stalls *out)
{
	char buf[CGROUP_MAX], where[PATH_MAX], name[32];
	struct slice path = path_of(src->proc, tgid, buf), text;
	bool any = false;
	struct stat st;
	int folder;

	*out = (struct stalls){ 0 };
	if (!path.n || !place(src, path, where))
		return false;
	folder = openat(src->root, where, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0)
		return false;
	if (fstat(folder, &st) == 0)
		out->group = st.st_ino;
	for (size_t r = 0; r < STALLS_RESOURCES; r++) {
		snprintf(name, sizeof(name), "%s.pressure", resources[r]);
		if (!read_text(folder, name, buf, &text))
			continue;
		stalls_parse(text, r, out);
		any = true;
	}
	close(folder);
	return any;
}

bool stalls_check(const char *proc, char *out, size_t size)
{
	char path[128], file[160];

	if (!find_host(proc, path, sizeof(path)) && !find_under("", path, sizeof(path))) {
		snprintf(out, size,
			 "no unified hierarchy of control groups (version 2) is mounted");
		return false;
	}
	snprintf(file, sizeof(file), "%s/cpu.pressure", path);
	if (access(file, F_OK) < 0) {
		snprintf(out, size, "the kernel counts no pressure stalls (PSI)");
		return false;
	}
	snprintf(out, size, "%s", path);
	return true;
}
