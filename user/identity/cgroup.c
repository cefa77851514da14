/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/cgroup.h"

#include "util/utf8.h"

static const char *const launchers[] = {
	"ssh",	      "sshd",	   "cron",	   "crond",	    "anacron",	      "atd",
	"containerd", "docker",	   "podman",	   "crio",	    "cri-o",	      "kubelet",
	"k3s",	      "k3s-agent", "rke2-server",  "rke2-agent",    "libvirtd",	      "lxc",
	"lxd",	      "rc-local",  "supervisor",   "supervisord",   "dbus",	      "init",
	"user",	      "getty",	   "serial-getty", "console-getty", "systemd-nspawn", "xinetd",
	"inetd",
};

static struct slice slice_line(struct slice *text)
{
	const uint8_t *end = text->n ? memchr(text->p, '\n', text->n) : NULL;
	struct slice line = { text->p, end ? (size_t)(end - text->p) : text->n };

	text->p += line.n + (end != NULL);
	text->n -= line.n + (end != NULL);
	return line;
}

static bool slice_cut_head(struct slice *s, struct slice head)
{
	if (!slice_starts(*s, head))
		return false;
	s->p += head.n;
	s->n -= head.n;
	return true;
}

static bool slice_cut_tail(struct slice *s, struct slice tail)
{
	if (s->n < tail.n || memcmp(s->p + s->n - tail.n, tail.p, tail.n) != 0)
		return false;
	s->n -= tail.n;
	return true;
}

struct slice cgroup_path(struct slice file)
{
	struct slice path = SLICE("");

	while (file.n) {
		struct slice line = slice_line(&file);

		slice_cut_tail(&line, SLICE(" (deleted)"));
		if (slice_cut_head(&line, SLICE("0::"))) {
			/* hybrid: everything may sit in the unified root */
			if (line.n > 1 || !path.n)
				path = line;
			continue;
		}
		while (line.n && line.p[0] >= '0' && line.p[0] <= '9')
			line = (struct slice){ line.p + 1, line.n - 1 };
		if (slice_cut_head(&line, SLICE(":name=systemd:")) && path.n <= 1)
			path = line;
	}
	return path;
}

struct slice cgroup_below(struct slice path)
{
	while (slice_starts(path, SLICE("/../")))
		path = (struct slice){ path.p + 3, path.n - 3 };
	return slice_eq(path, SLICE("/..")) ? SLICE("/") : path;
}

/* systemd-run's units: run-u123, run-r0123abc, run-p123-i456 */
static bool is_transient(struct slice unit)
{
	return slice_cut_head(&unit, SLICE("run-")) && unit.n > 1 &&
	       (unit.p[0] == 'u' || unit.p[0] == 'r' || unit.p[0] == 'p') &&
	       ((unit.p[1] >= '0' && unit.p[1] <= '9') || (unit.p[1] >= 'a' && unit.p[1] <= 'f'));
}

static int hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = slice_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* systemd.unit(5): \xNN. Returns the bytes written, at most size. */
static size_t unit_unescape(struct slice unit, uint8_t *out, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < unit.n && n < size; i++) {
		if (i + 3 < unit.n && unit.p[i] == '\\' && unit.p[i + 1] == 'x' &&
		    hex_digit(unit.p[i + 2]) >= 0 && hex_digit(unit.p[i + 3]) >= 0) {
			out[n++] =
				(uint8_t)(hex_digit(unit.p[i + 2]) << 4 | hex_digit(unit.p[i + 3]));
			i += 3;
		} else {
			out[n++] = unit.p[i];
		}
	}
	return n;
}

bool cgroup_unit(struct slice path, char *out, size_t size)
{
	struct slice unit = SLICE("");
	uint8_t text[256];
	const uint8_t *at;

	if (slice_starts(path, SLICE("/user.slice/")))
		return false;
	while (path.n) {
		const uint8_t *slash = memchr(path.p, '/', path.n);
		struct slice part = { path.p, slash ? (size_t)(slash - path.p) : path.n };

		path.p += part.n + (slash != NULL);
		path.n -= part.n + (slash != NULL);
		if (slice_cut_tail(&part, SLICE(".service")) && part.n)
			unit = part; /* the innermost: a service manager may run in a container */
	}
	at = unit.n ? memchr(unit.p, '@', unit.n) : NULL;
	if (at)
		unit.n = (size_t)(at - unit.p);
	if (!unit.n || is_transient(unit))
		return false;
	for (size_t i = 0; i < sizeof(launchers) / sizeof(launchers[0]); i++)
		if (slice_eq(unit, slice_str(launchers[i])))
			return false;
	return utf8_clean(out, size,
			  (struct slice){ text, unit_unescape(unit, text, sizeof(text)) }) > 0;
}
