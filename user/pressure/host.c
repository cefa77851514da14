// SPDX-License-Identifier: Apache-2.0
#include "pressure/host.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include "pressure/stalls.h"
#include "pressure/text.h"
#include "util/clock.h"

enum {
	FILE_MAX = 256 * 1024,
	SECTOR = 512, /* of diskstats, whatever the disk's own: Documentation/admin-guide/iostats */
};

static void put(struct series_store *store, enum metric_id id, const struct slice *values,
		uint64_t value, uint64_t now_ns)
{
	struct series *s = series_get(store, id, NULL, values, now_ns);

	if (s)
		s->value = value;
}

static void put1(struct series_store *store, enum metric_id id, const char *a, uint64_t value,
		 uint64_t now_ns)
{
	const struct slice values[] = { slice_str(a) };

	put(store, id, values, value, now_ns);
}

/* "cpu  user nice system idle iowait irq softirq steal guest guest_nice"; guests are in user and
 * nice already. */
void host_stat(struct slice text, uint64_t ticks_per_s, struct series_store *store, uint64_t now_ns)
{
	static const char *const modes[] = { "user",   "nice",	    "system", "idle",
					     "iowait", "interrupt", NULL,     "steal" };
	enum { INTERRUPT = 5, SOFTIRQ = 6, MODES = 8 };
	uint64_t tick_ns = NS_PER_S / (ticks_per_s ? ticks_per_s : 100), ns[MODES];
	struct slice line;

	if (!text_line(&text, &line) || !slice_eq(text_word(&line), SLICE("cpu")))
		return;
	for (int i = 0; i < MODES; i++)
		ns[i] = text_u64(text_word(&line)) * tick_ns;
	put(store, METRIC_SOFTIRQ, NULL, ns[SOFTIRQ], now_ns);
	ns[INTERRUPT] += ns[SOFTIRQ];
	for (int i = 0; i < MODES; i++)
		if (modes[i])
			put1(store, METRIC_SYSTEM_CPU, modes[i], ns[i], now_ns);
}

/* What is used is what is not free, and not a copy of what disks hold: as free(1) says it. */
void host_meminfo(struct slice text, struct series_store *store, uint64_t now_ns)
{
	enum { TOTAL, FREE, BUFFERS, CACHED, RECLAIMABLE, FIELDS };
	static const char *const names[] = { "MemTotal:", "MemFree:", "Buffers:", "Cached:",
					     "SReclaimable:" };
	uint64_t kib[FIELDS] = { 0 }, other;
	struct slice line;

	while (text_line(&text, &line)) {
		struct slice name = text_word(&line);

		for (int i = 0; i < FIELDS; i++)
			if (slice_eq(name, slice_str(names[i])))
				kib[i] = text_u64(text_word(&line));
	}
	if (!kib[TOTAL])
		return;
	other = kib[FREE] + kib[BUFFERS] + kib[CACHED] + kib[RECLAIMABLE];
	put1(store, METRIC_SYSTEM_MEMORY, "used",
	     (kib[TOTAL] > other ? kib[TOTAL] - other : 0) * 1024, now_ns);
	put1(store, METRIC_SYSTEM_MEMORY, "free", kib[FREE] * 1024, now_ns);
	put1(store, METRIC_SYSTEM_MEMORY, "buffers", kib[BUFFERS] * 1024, now_ns);
	put1(store, METRIC_SYSTEM_MEMORY, "cached", (kib[CACHED] + kib[RECLAIMABLE]) * 1024,
	     now_ns);
}

void host_loadavg(struct slice text, struct series_store *store, uint64_t now_ns)
{
	static const char *const periods[] = { "1m", "5m", "15m" };
	struct slice line;

	if (!text_line(&text, &line))
		return;
	for (int i = 0; i < 3; i++) {
		struct slice word = text_word(&line);

		if (word.n)
			put1(store, METRIC_LOAD, periods[i], text_nano(word), now_ns);
	}
}

static void put_directions(struct series_store *store, enum metric_id id, struct slice of,
			   const char *const names[2], uint64_t a, uint64_t b, uint64_t now_ns)
{
	struct slice values[] = { of, slice_str(names[0]) };

	put(store, id, values, a, now_ns);
	values[1] = slice_str(names[1]);
	put(store, id, values, b, now_ns);
}

/* "major minor name reads merged sectors ms writes merged sectors ms ...". Loop devices and RAM
 * disks that nobody uses are left out. */
void host_diskstats(struct slice text, struct series_store *store, uint64_t now_ns)
{
	static const char *const names[] = { "read", "write" };
	struct slice line;

	while (text_line(&text, &line)) {
		uint64_t rd, wr;
		struct slice device;

		text_skip(&line, 2);
		device = text_word(&line);
		text_skip(&line, 2);
		rd = text_u64(text_word(&line));
		text_skip(&line, 3);
		wr = text_u64(text_word(&line));
		if (device.n && (rd || wr))
			put_directions(store, METRIC_SYSTEM_DISK_IO, device, names, rd * SECTOR,
				       wr * SECTOR, now_ns);
	}
}

/* "name: bytes packets errs drop fifo frame compressed multicast bytes packets errs ..." */
void host_netdev(struct slice text, struct series_store *store, uint64_t now_ns)
{
	static const char *const names[] = { "receive", "transmit" };
	uint64_t bytes[2], errors[2], dropped[2];
	struct slice line;

	while (text_line(&text, &line)) {
		const uint8_t *colon = memchr(line.p, ':', line.n);
		struct slice head, name;

		if (!colon)
			continue; /* one of the two lines of headings */
		head = (struct slice){ line.p, (size_t)(colon - line.p) };
		name = text_word(&head);
		line = (struct slice){ colon + 1, line.n - (size_t)(colon + 1 - line.p) };
		for (int d = 0; d < 2; d++) {
			bytes[d] = text_u64(text_word(&line));
			text_skip(&line, 1);
			errors[d] = text_u64(text_word(&line));
			dropped[d] = text_u64(text_word(&line));
			text_skip(&line, 4);
		}
		put_directions(store, METRIC_SYSTEM_NETWORK_IO, name, names, bytes[0], bytes[1],
			       now_ns);
		put_directions(store, METRIC_SYSTEM_NETWORK_ERRORS, name, names, errors[0],
			       errors[1], now_ns);
		put_directions(store, METRIC_SYSTEM_NETWORK_DROPPED, name, names, dropped[0],
			       dropped[1], now_ns);
	}
}

/* Into room for FILE_MAX bytes. False: there is no such file, or nothing in it. */
static bool read_file(const char *proc, const char *name, struct slice *text)
{
	char *buf = (char *)text->p, path[128];
	ssize_t n = 0, got;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", proc, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	while (n < FILE_MAX && (got = read(fd, buf + n, (size_t)(FILE_MAX - n))) > 0)
		n += got;
	close(fd);
	if (n == FILE_MAX)
		while (n > 0 && buf[n - 1] != '\n')
			n--; /* of a line that was cut the last number would be another */
	text->n = (size_t)n;
	return n > 0;
}

/* \040 for a blank, and the like: proc(5), fstab(5). */
static void unescape(struct slice word, char *out, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < word.n && n < size - 1; i++) {
		uint8_t c = word.p[i];

		if (c == '\\' && i + 3 < word.n && word.p[i + 1] >= '0' && word.p[i + 1] <= '3') {
			c = (uint8_t)((word.p[i + 1] - '0') << 6 | (word.p[i + 2] & 7) << 3 |
				      (word.p[i + 3] & 7));
			i += 3;
		}
		out[n++] = (char)c;
	}
	out[n] = '\0';
}

struct mount {
	struct slice device, type, mode;
	char point[512];
};

static void put_space(const struct mount *m, const struct statvfs *v, struct series_store *store,
		      uint64_t now_ns)
{
	static const char *const states[] = { "used", "free", "reserved" };
	const uint64_t blocks[] = { v->f_blocks - v->f_bfree, v->f_bavail,
				    v->f_bfree - v->f_bavail };

	for (int i = 0; i < 3; i++) {
		const struct slice values[] = { m->device, slice_str(states[i]), m->type, m->mode,
						slice_str(m->point) };

		put(store, METRIC_SYSTEM_FILESYSTEM, values, blocks[i] * v->f_frsize, now_ns);
	}
}

/* A process answers for it, and may not: sshfs and the like, under any device's name they say. */
static bool is_of_process(struct slice type)
{
	return slice_eq(type, SLICE("fuse")) || slice_starts(type, SLICE("fuse."));
}

/* File systems on devices of this host: to ask another host's could block. Each once, where it was
 * mounted first. `root`: where their mount points begin. */
static void publish_mounts(const char *root, struct slice text, struct series_store *store,
			   uint64_t now_ns)
{
	enum { MOUNTS_MAX = 64 };
	struct slice seen[MOUNTS_MAX], line;
	size_t n_seen = 0, i;
	struct statvfs v;
	char path[640];
	struct mount m;

	while (text_line(&text, &line) && n_seen < MOUNTS_MAX) {
		struct slice options;

		m.device = text_word(&line);
		unescape(text_word(&line), m.point, sizeof(m.point));
		m.type = text_word(&line);
		options = text_word(&line);
		m.mode = slice_starts(options, SLICE("ro")) ? SLICE("ro") : SLICE("rw");
		for (i = 0; i < n_seen && !slice_eq(seen[i], m.device); i++)
			;
		if (i < n_seen || !slice_starts(m.device, SLICE("/dev/")) || is_of_process(m.type))
			continue;
		snprintf(path, sizeof(path), "%s%s", root, m.point);
		if (statvfs(path, &v) < 0 || !v.f_blocks)
			continue;
		seen[n_seen++] = m.device;
		put_space(&m, &v, store, now_ns);
	}
}

void host_publish(const char *proc, struct series_store *store, uint64_t now_ns)
{
	char *buf = malloc(FILE_MAX), name[64];
	struct slice text = { (uint8_t *)buf, 0 };
	struct stalls stalls = { 0 };

	if (!buf)
		return;
	if (read_file(proc, "stat", &text))
		host_stat(text, (uint64_t)sysconf(_SC_CLK_TCK), store, now_ns);
	if (read_file(proc, "meminfo", &text))
		host_meminfo(text, store, now_ns);
	if (read_file(proc, "loadavg", &text))
		host_loadavg(text, store, now_ns);
	if (read_file(proc, "diskstats", &text))
		host_diskstats(text, store, now_ns);
	if (read_file(proc, "1/net/dev", &text))
		host_netdev(text, store, now_ns);
	for (size_t i = 0; i < STALLS_RESOURCES; i++) {
		snprintf(name, sizeof(name), "pressure/%s", stalls_resource(i));
		if (read_file(proc, name, &text))
			stalls_parse(text, i, &stalls);
	}
	stalls_publish(&stalls, NULL, store, now_ns);
	/* as the first process sees them, which from a container is the host */
	snprintf(name, sizeof(name), "%s/1/root", proc);
	if (access(name, X_OK) < 0)
		*name = '\0';
	if (read_file(proc, *name ? "1/mounts" : "self/mounts", &text))
		publish_mounts(name, text, store, now_ns);
	free(buf);
}
