// SPDX-License-Identifier: Apache-2.0
/* Writing recordings. Reading them: replayed.c. */
#include "capture/recording.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture/recording_format.h"
#include "sonde_abi.h"
#include "util/log.h"

enum { RECORDER_BUFFER = 1 << 20 };

struct recorder {
	int fd;
	int error; /* of the first write that failed, positive; 0: none */
	struct recorder_sums sums;
	uint64_t held; /* records in the buffer */
	off_t size;    /* of the file, up to where the buffer begins */
	size_t n;
	char *path;
	uint8_t buffer[RECORDER_BUFFER];
};

/* Where the last record ends of which `done` bytes of the buffer hold the whole; its place. */
static size_t whole(const struct recorder *r, size_t done, uint64_t *records)
{
	size_t at = r->size ? 0 : sizeof(struct recording_header), padded;
	struct sonde_ev_hdr h;

	for (*records = 0; at + sizeof(h) <= done; ++*records) {
		memcpy(&h, r->buffer + at, sizeof(h));
		padded = ((size_t)h.size + 7) & ~(size_t)7;
		if (at + padded > done)
			break;
		at += padded;
	}
	return at < done ? at : done;
}

/* Once a write has failed nothing more is written, and what it tore is taken away again: the file
 * ends with its last whole record. */
static void recorder_stop(struct recorder *r, size_t done)
{
	uint64_t records;
	off_t end = r->size + (off_t)whole(r, done, &records);

	/* what cannot be cut, a device or a pipe, ends where it ends: replay says so */
	if (ftruncate(r->fd, end) == 0)
		r->size = end;
	r->sums.kept += records;
	r->sums.failed += r->held - records;
	log_error("cannot write the recording %s: %s; it ends here", r->path, strerror(r->error));
}

static void recorder_flush(struct recorder *r)
{
	size_t done = 0;

	if (r->error)
		return;
	while (done < r->n && !r->error) {
		ssize_t n = write(r->fd, r->buffer + done, r->n - done);

		if (n > 0)
			done += (size_t)n;
		else if (n == 0 || errno != EINTR)
			r->error = n == 0 ? ENOSPC : errno;
	}
	if (r->error) {
		recorder_stop(r, done);
	} else {
		r->sums.kept += r->held;
		r->size += (off_t)r->n;
	}
	r->held = 0;
	r->n = 0;
}

/* O_TRUNC alone would keep the mode of a file that was there: it holds payload, so 0600. */
static int recorder_create(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct stat st;
	int err;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || (S_ISREG(st.st_mode) && fchmod(fd, 0600) < 0)) {
		err = errno;
		close(fd);
		return -err;
	}
	return fd;
}

struct recorder *recorder_open(const char *path, int64_t realtime_offset_ns, char *err, size_t size)
{
	struct recording_header h = {
		.magic = RECORDING_MAGIC,
		.abi_version = SONDE_ABI_VERSION,
		.header_size = sizeof(h),
		.realtime_offset_ns = realtime_offset_ns,
	};
	struct recorder *r = malloc(sizeof(*r));
	int fd;

	if (!r || !(r->path = strdup(path))) {
		snprintf(err, size, "cannot record to %s: out of memory", path);
		free(r);
		return NULL;
	}
	fd = recorder_create(path);
	if (fd < 0) {
		snprintf(err, size, "cannot record to %s: %s", path, strerror(-fd));
		free(r->path);
		free(r);
		return NULL;
	}
	r->fd = fd;
	r->error = 0;
	r->sums = (struct recorder_sums){ 0 };
	r->held = 0;
	r->size = 0;
	memcpy(r->buffer, &h, sizeof(h));
	r->n = sizeof(h);
	return r;
}

void recorder_write(struct recorder *r, const void *rec, size_t size)
{
	size_t padded = (size + 7) & ~(size_t)7;

	if (r->n + padded > sizeof(r->buffer))
		recorder_flush(r);
	if (r->error || padded > sizeof(r->buffer)) {
		r->sums.failed++;
		return;
	}
	memcpy(r->buffer + r->n, rec, size);
	memset(r->buffer + r->n + size, 0, padded - size);
	r->n += padded;
	r->held++;
}

uint64_t recorder_failed(const struct recorder *r)
{
	return r->sums.failed;
}

int recorder_close(struct recorder *r, struct recorder_sums *sums)
{
	int err;

	if (!r)
		return 0;
	recorder_flush(r);
	err = r->error;
	if (close(r->fd) < 0 && !err)
		err = errno;
	if (sums)
		*sums = r->sums;
	free(r->path);
	free(r);
	return -err;
}
