/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/container.h"

enum { ID_HEX = 64, TASK_HEX = 32, UUID_LEN = 36 };

static bool is_hex(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

static bool all_hex(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!is_hex(s.p[i]))
			return false;
	return s.n > 0;
}

static bool all_digits(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
	return s.n > 0;
}

static bool cut_tail(struct slice *s, struct slice tail)
{
	if (s->n < tail.n || memcmp(s->p + s->n - tail.n, tail.p, tail.n) != 0)
		return false;
	s->n -= tail.n;
	return true;
}

/* 8-4-4-4-12; systemd has "_" where "-" tells slices apart. */
static bool is_uuid(struct slice s)
{
	if (s.n != UUID_LEN)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (is_dash ? s.p[i] != '-' && s.p[i] != '_' : !is_hex(s.p[i]))
			return false;
	}
	return true;
}

/* "pod<uid>", "kubepods-burstable-pod<uid>.slice" */
static bool pod_uid(struct slice part, char out[CONTAINER_POD_UID_LEN])
{
	struct slice uid;
	size_t at = 0;

	cut_tail(&part, SLICE(".slice"));
	if (memmem(part.p, part.n, "kubepods-", 9)) /* in kind a "kubelet-" stands before */
		for (size_t i = part.n; i-- > 0 && !at;)
			if (part.p[i] == '-' && part.n - i > 4 &&
			    memcmp(part.p + i, "-pod", 4) == 0)
				at = i + 1;
	uid = (struct slice){ part.p + at, part.n - at };
	if (!slice_starts(uid, SLICE("pod")))
		return false;
	uid = (struct slice){ uid.p + 3, uid.n - 3 };
	if (!is_uuid(uid) && !(uid.n == TASK_HEX && all_hex(uid)))
		return false;
	slice_copy(out, CONTAINER_POD_UID_LEN, uid);
	for (char *p = out; *p; p++)
		if (*p == '_')
			*p = '-';
	return true;
}

static const char *runtime_of(struct slice prefix)
{
	static const struct {
		const char *prefix, *runtime;
	} known[] = {
		{ "docker", "docker" },
		{ "cri-containerd", "containerd" },
		{ "nerdctl", "containerd" },
		{ "containerd", "containerd" },
		{ "crio", "cri-o" },
		{ "libpod", "podman" },
		{ "libpod-payload", "podman" },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (slice_eq(prefix, slice_str(known[i].prefix)))
			return known[i].runtime;
	return NULL;
}

static struct slice before_last(struct slice s, uint8_t mark, struct slice *after)
{
	for (size_t i = s.n; i-- > 0;)
		if (s.p[i] == mark) {
			*after = (struct slice){ s.p + i + 1, s.n - i - 1 };
			return (struct slice){ s.p, i };
		}
	*after = s;
	return SLICE("");
}

/* Part of a path that names a container, `parent` being the part before it. */
static bool container_part(struct slice part, struct slice parent, struct container_ref *out)
{
	struct slice prefix, id;

	cut_tail(&part, SLICE(".scope"));
	prefix = before_last(part, '-', &id);
	/* Fargate: the task's id and a number of the container within */
	if (slice_eq(parent, prefix) && prefix.n == TASK_HEX && all_hex(prefix) && all_digits(id)) {
		slice_copy(out->id, sizeof(out->id), part);
		return true;
	}
	if (id.n != ID_HEX || !all_hex(id))
		return false;
	/* the program that watches over a container, not the container */
	if (cut_tail(&prefix, SLICE("conmon")))
		return false;
	slice_copy(out->id, sizeof(out->id), id);
	out->runtime = runtime_of(prefix.n ? prefix : parent);
	return true;
}

bool container_of_path(struct slice path, struct container_ref *out)
{
	struct slice parent = SLICE("");

	*out = (struct container_ref){ .id = "" };
	while (path.n) {
		struct slice part = { path.p, 0 };

		/* ":" is between parts where containerd was told a slice but does not ask systemd */
		while (part.n < path.n && path.p[part.n] != '/' && path.p[part.n] != ':')
			part.n++;
		path.p += part.n + (part.n < path.n);
		path.n -= part.n + (part.n < path.n);
		if (part.n == 0)
			continue;
		if (!container_part(part, parent, out))
			pod_uid(part, out->pod_uid);
		parent = part;
	}
	return out->id[0] || out->pod_uid[0];
}

bool container_of_file(struct slice file, struct container_ref *out, struct slice *path)
{
	struct container_ref found;
	bool is_found = false;

	*out = (struct container_ref){ .id = "" };
	while (file.n) {
		const uint8_t *end = memchr(file.p, '\n', file.n);
		struct slice line = { file.p, end ? (size_t)(end - file.p) : file.n };
		const uint8_t *slash = line.n ? memchr(line.p, '/', line.n) : NULL;
		bool is_unified = slice_starts(line, SLICE("0::"));
		size_t n = slash ? (size_t)(slash - line.p) : line.n;
		struct slice at = { line.p + n, line.n - n };

		file.p += line.n + (end != NULL);
		file.n -= line.n + (end != NULL);
		cut_tail(&at, SLICE(" (deleted)"));
		if (!container_of_path(at, &found) || (is_found && !is_unified))
			continue;
		*out = found;
		*path = at;
		is_found = true;
	}
	return is_found;
}

uint64_t container_key(const char *id)
{
	uint64_t h = 0xcbf29ce484222325ULL;

	if (!*id)
		return 0;
	for (; *id; id++) /* FNV-1a */
		h = (h ^ (uint8_t)*id) * 0x100000001b3ULL;
	return h ? h : 1;
}
