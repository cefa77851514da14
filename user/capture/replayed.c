// SPDX-License-Identifier: Apache-2.0
/* The source of a replay: records of a recording, in the order they were written. */
#include "capture/recording.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture/recording_format.h"

/* A read at a time; also more than any record, so that one always fits after compaction. */
enum { WINDOW = 1 << 18 };

struct replayed {
	struct source source; /* first: see source.h */
	int fd;
	bool is_eof;
	int error;	 /* negative: reading failed, or a record cannot be one */
	size_t at, end;	 /* unread bytes of the window */
	uint8_t *window; /* aligned to 8 by malloc; records stay so since all are padded */
};

static int replayed_fill(struct replayed *r)
{
	ssize_t n;

	memmove(r->window, r->window + r->at, r->end - r->at);
	r->end -= r->at;
	r->at = 0;
	do
		n = read(r->fd, r->window + r->end, WINDOW - r->end);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (n == 0)
		r->is_eof = true;
	r->end += (size_t)n;
	return 0;
}

/* Sees to it that `n` bytes are in the window. 0; -ENODATA: the file ends before; else -errno. */
static int replayed_need(struct replayed *r, size_t n)
{
	while (r->end - r->at < n) {
		int err = r->is_eof ? -ENODATA : replayed_fill(r);

		if (err < 0)
			return err;
	}
	return 0;
}

/* The record at the window's front, whole, in *size its padded size. A size that no record has
 * means that the rest cannot be framed. */
static int replayed_next(struct replayed *r, size_t *size)
{
	const struct sonde_ev_hdr *h;
	int err = replayed_need(r, sizeof(*h));

	if (err < 0)
		return err;
	h = (const void *)(r->window + r->at);
	if (h->size < sizeof(*h) || h->size > WINDOW - 8)
		return -EBADMSG;
	*size = ((size_t)h->size + 7) & ~(size_t)7;
	return replayed_need(r, *size);
}

static int replayed_read(struct source *s, source_fn fn, void *ctx, int budget)
{
	struct replayed *r = (struct replayed *)s;
	int n = 0;

	while (n < budget && !r->error) {
		const void *rec;
		size_t size;
		int err = replayed_next(r, &size);

		if (err < 0) {
			r->error = err;
			break;
		}
		rec = r->window + r->at;
		r->at += size;
		n++;
		if (fn(ctx, rec, size))
			break;
	}
	return n > 0 ? n : r->error;
}

bool recording_is_cut(const struct source *s)
{
	const struct replayed *r = (const struct replayed *)s;

	return r->error == -ENODATA && r->end > r->at;
}

static int replayed_fd(struct source *s)
{
	return -1; /* always readable */
}

static void replayed_close(struct source *s)
{
	struct replayed *r = (struct replayed *)s;

	if (!r)
		return;
	if (r->fd >= 0)
		close(r->fd);
	free(r->window);
	free(r);
}

static const struct source_ops replayed_ops = {
	.name = "recording",
	.fd = replayed_fd,
	.read = replayed_read,
	.close = replayed_close,
};

static int replayed_header(struct replayed *r, const char *path, char *err, size_t size)
{
	static const uint8_t magic[8] = RECORDING_MAGIC;
	struct recording_header h;
	int rc = replayed_need(r, sizeof(h));

	if (rc < 0 && rc != -ENODATA) {
		snprintf(err, size, "cannot read %s: %s", path, strerror(-rc));
		return -1;
	}
	if (r->end < sizeof(magic) || memcmp(r->window, magic, sizeof(magic)) != 0) {
		snprintf(err, size,
			 "%s is not a recording made by sonde record, nor a capture (pcap, "
			 "pcapng)",
			 path);
		return -1;
	}
	if (rc < 0) {
		snprintf(err, size, "%s is cut short: it ends within its header", path);
		return -1;
	}
	memcpy(&h, r->window, sizeof(h));
	if (h.abi_version != SONDE_ABI_VERSION) {
		snprintf(err, size,
			 "%s is a recording of version %u, this sonde reads version %u: "
			 "replay it with the sonde that made it",
			 path, h.abi_version, SONDE_ABI_VERSION);
		return -1;
	}
	if (h.header_size < sizeof(h) || h.header_size % 8 || h.header_size > 4096 ||
	    replayed_need(r, h.header_size) < 0) {
		snprintf(err, size, "%s has a damaged header", path);
		return -1;
	}
	r->at = h.header_size;
	r->source.realtime_offset_ns = h.realtime_offset_ns;
	return 0;
}

struct source *recording_open(const char *path, char *err, size_t size)
{
	struct replayed *r = calloc(1, sizeof(*r));

	if (!r || !(r->window = malloc(WINDOW))) {
		snprintf(err, size, "cannot read %s: out of memory", path);
		free(r);
		return NULL;
	}
	r->source.ops = &replayed_ops;
	r->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (r->fd < 0) {
		snprintf(err, size, "cannot read %s: %s", path, strerror(errno));
		goto fail;
	}
	if (replayed_header(r, path, err, size) < 0)
		goto fail;
	return &r->source;
fail:
	replayed_close(&r->source);
	return NULL;
}
