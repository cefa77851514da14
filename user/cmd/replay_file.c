/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/replay_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include "capture/pcapfile.h"
#include "capture/recording.h"
#include "util/log.h"

/* What cannot be read twice from its start, a pipe, can only be a recording. */
static bool is_capture(const char *path)
{
	uint8_t head[4];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return false; /* and opening it will fail with the reason */
	n = pread(fd, head, sizeof(head), 0);
	close(fd);
	return n > 0 && pcapfile_is_capture(head, (size_t)n);
}

int replay_file_open(struct replay_file *f, const char *path)
{
	char err[512];

	f->path = path;
	f->is_capture = is_capture(path);
	f->source = f->is_capture ? pcapfile_open(path, err, sizeof(err))
				  : recording_open(path, err, sizeof(err));
	if (!f->source)
		log_error("%s", err);
	return f->source ? 0 : -1;
}

void replay_file_close(struct replay_file *f)
{
	f->source->ops->close(f->source);
}

static void say_end_of_capture(const struct replay_file *f, int err)
{
	char line[512];

	if (err < 0 && err != -ENODATA)
		log_error("%s is damaged: %s", f->path, pcapfile_error(f->source));
	else if (pcapfile_is_cut(f->source))
		log_warn("%s is cut short: it ends inside a packet: %s", f->path,
			 pcapfile_error(f->source));
	if (pcapfile_flaws(f->source, line, sizeof(line)))
		log_warn("%s: %s", f->path, line);
}

static void say_end_of_recording(const struct replay_file *f, const struct pipeline *p, int err)
{
	unsigned long long n = p->records;

	if (err < 0 && err != -ENODATA)
		log_error("%s is damaged after %llu records: %s", f->path, n, strerror(-err));
	else if (err == -ENODATA && recording_is_cut(f->source))
		log_warn("%s is cut short: it ends inside a record, after %llu whole ones", f->path,
			 n);
}

void replay_file_say_end(const struct replay_file *f, const struct pipeline *p, int err)
{
	if (f->is_capture)
		say_end_of_capture(f, err);
	else
		say_end_of_recording(f, p, err);
	if (p->bad_records)
		log_warn("%s: %llu records do not follow the contract and were left out", f->path,
			 (unsigned long long)p->bad_records);
}
