// SPDX-License-Identifier: Apache-2.0
/*
 * disk DISK MIB PORT: once the sonde that listens there knows this process, makes so many pages of
 * the disk dirty, waits for the kernel to write them back by itself, and for sonde to have counted
 * it. Prints what the kernel says of it, "requests N", "ms N" and "bytes N" (of the disk, of the
 * disk, of this process's control group), and then what sonde says of the disk and of this service.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

enum { BUF = 4 << 20, TRIES = 600, MIB = 1 << 20, SECTOR = 512 };

static char page[BUF];

struct written {
	unsigned long requests, sectors, ms;
};

static void pause_100ms(void)
{
	struct timespec t = { 0, 100000000 };

	nanosleep(&t, NULL);
}

static int read_file(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, text, size - 1);

	close(fd);
	text[n > 0 ? n : 0] = '\0';
	return n > 0;
}

/* Documentation/block/stat.rst; how many are under way comes behind what was written. */
static int disk_read(const char *disk, struct written *w, unsigned long *pending)
{
	char path[128], text[512];

	snprintf(path, sizeof(path), "/sys/block/%s/stat", disk);
	return read_file(path, text, sizeof(text)) &&
	       sscanf(text, "%*u %*u %*u %*u %lu %*u %lu %lu %lu", &w->requests, &w->sectors,
		      &w->ms, pending) == 4;
}

/* What this control group has written to the disk. */
static unsigned long group_bytes(dev_t dev)
{
	char text[4096], group[256], path[512], start[32];
	const char *line, *found;

	if (!read_file("/proc/self/cgroup", text, sizeof(text)) ||
	    sscanf(text, "0::%255s", group) != 1)
		return 0;
	snprintf(path, sizeof(path), "/sys/fs/cgroup%s/io.stat", group);
	snprintf(start, sizeof(start), "%u:%u ", major(dev), minor(dev));
	if (!read_file(path, text, sizeof(text)))
		return 0;
	line = strstr(text, start);
	found = line ? strstr(line, "wbytes=") : NULL;
	return found ? strtoul(found + 7, NULL, 10) : 0;
}

static int get_metrics(int port)
{
	static const char request[] = "GET /metrics HTTP/1.0\r\nHost: sonde\r\n\r\n";
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int s = socket(AF_INET, SOCK_STREAM, 0);
	size_t have = 0;
	ssize_t n = -1;

	if (connect(s, (struct sockaddr *)&at, sizeof(at)) == 0 &&
	    write(s, request, sizeof(request) - 1) == (ssize_t)sizeof(request) - 1)
		while ((n = read(s, page + have, BUF - 1 - have)) > 0)
			have += (size_t)n;
	close(s);
	page[have] = '\0';
	return n == 0 && have > 0;
}

/* The sum of a metric's samples that have this in their labels; prints them where it is asked to. */
static double sum_of(const char *metric, const char *label, int is_shown)
{
	size_t n = strlen(metric);
	double sum = 0;

	for (char *line = page, *end; (end = strchr(line, '\n')); line = end + 1) {
		const char *value = end;

		*end = '\0';
		while (value > line && *value != ' ')
			value--;
		if (!strncmp(line, metric, n) && strstr(line, label)) {
			sum += strtod(value, NULL);
			if (is_shown)
				puts(line);
		}
		*end = '\n';
	}
	return sum;
}

static const char latency[] = "sonde_disk_io_latency_seconds_";
static const char moved[] = "sonde_service_disk_io_bytes_total{";
static const char open_files[] = "process_unix_file_descriptor_count{";

/* Whose pages are written back, sonde knows once it has looked at the process. */
static int is_known(int port)
{
	return get_metrics(port) && sum_of(open_files, "service_name=\"disk\"", 0) > 0;
}

static int is_counted(int port, const char *disk, unsigned long requests, unsigned long bytes)
{
	char label[64];

	snprintf(label, sizeof(label), "=\"write\",system_device=\"%s\"", disk);
	return get_metrics(port) &&
	       sum_of("sonde_disk_io_latency_seconds_count{", label, 0) >= (double)requests &&
	       sum_of(moved, "service_name=\"disk\"", 0) >= (double)bytes;
}

/* True: as many bytes have gone to the disk, and none is under way. */
static int write_down(const char *disk, unsigned long bytes, struct written *grown,
		      unsigned long *by_group)
{
	struct written before, after;
	char path[64];
	unsigned long pending;
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "/dev/%s", disk);
	fd = open(path, O_RDWR); /* until the end: who closes it last writes it back himself */
	if (fd < 0 || fstat(fd, &st) || !disk_read(disk, &before, &pending))
		return 0;
	memset(page, 'x', MIB);
	for (unsigned long at = 0; at < bytes; at += MIB)
		if (pwrite(fd, page, MIB, (off_t)at) != MIB)
			return 0;
	for (int i = 0; i < TRIES; i++, pause_100ms()) {
		*by_group = group_bytes(st.st_rdev);
		if (!disk_read(disk, &after, &pending))
			return 0;
		grown->requests = after.requests - before.requests;
		grown->ms = after.ms - before.ms;
		if ((after.sectors - before.sectors) * SECTOR >= bytes && !pending)
			return 1;
	}
	fprintf(stderr, "%lu bytes written back, %lu under way\n", *by_group, pending);
	return 0;
}

int main(int argc, char **argv)
{
	unsigned long bytes = argc == 4 ? strtoul(argv[2], NULL, 10) * MIB : 0, by_group;
	int port = argc == 4 ? atoi(argv[3]) : 0, i = 0;
	struct written w;
	char label[64];

	while (i++ < TRIES && !is_known(port))
		pause_100ms();
	if (i > TRIES || !write_down(argv[1], bytes, &w, &by_group)) {
		perror("disk: not known, or not written back");
		return 1;
	}
	for (i = 0; i < TRIES && !is_counted(port, argv[1], w.requests, bytes); i++)
		pause_100ms();
	printf("requests %lu\nms %lu\nbytes %lu\n", w.requests, w.ms, by_group);
	snprintf(label, sizeof(label), "system_device=\"%s\"", argv[1]);
	sum_of(latency, label, 1);
	sum_of(moved, "service_name=\"disk\"", 1);
	return 0;
}
