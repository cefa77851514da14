/* SPDX-License-Identifier: Apache-2.0 */
/* The file a replay reads: a recording or a capture, told apart by its first bytes. */
#ifndef REPLAY_FILE_H
#define REPLAY_FILE_H

#include <stdbool.h>
#include "capture/source.h"
#include "pipeline.h"

struct replay_file {
	const char *path;      /* borrowed */
	struct source *source; /* owned */
	bool is_capture;
};

/* 0, or -1 after one line on stderr: the file cannot be read, or is neither. */
int replay_file_open(struct replay_file *f, const char *path);
void replay_file_close(struct replay_file *f);

/* Says on stderr what the file lacked. err: what the last pipeline_read() returned. */
void replay_file_say_end(const struct replay_file *f, const struct pipeline *p, int err);

#endif
