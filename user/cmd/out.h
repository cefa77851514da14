/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Data to stdout. Whole lines are gathered and written together; a reader that is slow holds us
 * up, one that is gone ends us quietly, and neither keeps us from ending when told to.
 */
#ifndef OUT_H
#define OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { OUT_PART = 64 << 10 }; /* gathered; also what one write takes into a file */

struct out {
	int fd;
	size_t part;	   /* what one write may take: more could block */
	bool is_closed;	   /* nobody reads any more, or writing failed: all else is dropped */
	uint64_t until_ns; /* wait for a slow reader no longer than that; 0: for ever */
	size_t n;
	char buf[OUT_PART];
};

void out_init(struct out *o, int fd); /* SIGPIPE is ignored from here on */
/* Appends `line` and a newline; writes when the buffer is full. */
void out_line(struct out *o, const char *line, size_t n);
/* The same of bytes alone. Of what is longer than the buffer no whole one is copied into it. */
void out_write(struct out *o, const char *bytes, size_t n);
/* The command ends: what is left waits for a slow reader half a second, then is dropped. */
void out_end(struct out *o);
void out_flush(struct out *o); /* with nothing to write: looks if anybody reads still */

#endif
