/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "util/clock.h"
#include "util/slice.h"

enum { PROCFS_PATH_LEN = 512 };

static void procfs_path(char out[PROCFS_PATH_LEN], const char *root, uint32_t tgid,
			const char *file)
{
	snprintf(out, PROCFS_PATH_LEN, "%s/%" PRIu32 "/%s", root, tgid, file);
}

static ssize_t read_all(int fd, char *buf, size_t size)
{
	size_t n = 0;

	while (n < size) {
		ssize_t got = read(fd, buf + n, size - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		n += (size_t)got;
	}
	return (ssize_t)n;
}

int procfs_open(const char *root, uint32_t tgid, const char *file)
{
	char path[PROCFS_PATH_LEN];
	int fd;

	procfs_path(path, root, tgid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

ssize_t procfs_read(const char *root, uint32_t tgid, const char *file, void *buf, size_t size)
{
	int fd = procfs_open(root, tgid, file);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = read_all(fd, buf, size);
	close(fd);
	return n;
}

ssize_t procfs_link(const char *root, uint32_t tgid, const char *file, char *buf, size_t size)
{
	char path[PROCFS_PATH_LEN];
	ssize_t n;

	procfs_path(path, root, tgid, file);
	n = readlink(path, buf, size);
	return n < 0 ? -errno : n;
}

/* "1234 (comm) S 1 ...": comm may hold anything, brackets and newlines too. proc(5): the start time
 * is field 22, the flags are 9, the first behind the last bracket is 3. */
int procfs_stat(const char *root, uint32_t tgid, struct procfs_stat *out)
{
	static const int first_field = 3, flags_field = 9, start_field = 22;
	static const unsigned long exiting = 0x4; /* PF_EXITING */
	char text[1024], *open_at, *close_at, *p;
	ssize_t n = procfs_read(root, tgid, "stat", text, sizeof(text) - 1);
	struct procfs_stat st = { 0 };

	if (n < 0)
		return (int)n;
	text[n] = '\0';
	open_at = strchr(text, '(');
	close_at = strrchr(text, ')');
	if (!open_at || !close_at || close_at < open_at || strlen(close_at) < 6)
		return -EBADMSG;
	slice_copy(st.comm, sizeof(st.comm),
		   (struct slice){ (uint8_t *)open_at + 1, (size_t)(close_at - open_at) - 1 });
	p = close_at + 2;
	st.is_exiting = *p == 'Z' || *p == 'X';
	st.ppid = (uint32_t)strtoul(p + 2, NULL, 10);
	for (int field = first_field; field < start_field; field++) {
		p = strchr(p, ' ');
		if (!p)
			return -EBADMSG;
		p++;
		if (field + 1 == flags_field && strtoul(p, NULL, 10) & exiting)
			st.is_exiting = true;
	}
	st.start_ns = strtoull(p, NULL, 10) * (NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK));
	*out = st;
	return 0;
}

int procfs_same_start(uint64_t a_ns, uint64_t b_ns)
{
	uint64_t tick_ns = NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK);

	return a_ns / tick_ns == b_ns / tick_ns;
}

static int read_id(const char *path, char *out, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read_all(fd, out, size - 1);
	close(fd);
	if (n < 0)
		return (int)n;
	out[n] = '\0';
	out[strcspn(out, " \t\n")] = '\0';
	/* machine-id(5): "uninitialized" while the first boot runs */
	return strlen(out) >= 16 ? 0 : -ENODATA;
}

void procfs_host_id(const char *root, char *out, size_t size)
{
	char path[PROCFS_PATH_LEN];

	procfs_path(path, root, 1, "root/etc/machine-id");
	if (read_id(path, out, size) == 0 || read_id("/etc/machine-id", out, size) == 0 ||
	    read_id("/var/lib/dbus/machine-id", out, size) == 0)
		return;
	if (gethostname(out, size) < 0)
		out[0] = '\0';
	out[size - 1] = '\0';
}
