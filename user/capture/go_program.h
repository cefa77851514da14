/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of a Go program can be watched, and where in its file: by its symbols, or where they were
 * stripped by the runtime's own table. Nothing is named that does not begin as a Go function does.
 */
#ifndef GO_PROGRAM_H
#define GO_PROGRAM_H

#include "capture/go_code.h"

/* Offsets in the file; 0: it is not there, or not watched. */
struct go_program {
	uint64_t round_trip; /* net/http hands a request from a goroutine to another */
	uint64_t write, handshakes[2];
	/* Of crypto/tls.(*Conn).Read: where it copies what it returns, with so many bytes of its
	 * stack in use; where that is not known what it returns by. */
	uint64_t copy;
	uint32_t frame;
	uint64_t reads[GO_RETURNS_MAX];
	uint32_t n_reads;    /* 0: it is watched where it copies */
	bool has_tls;	     /* crypto/tls is linked in */
	const char *tls_off; /* why it is not watched, where it is linked in; NULL: it is. Static */
};

/* `fd` is an open executable. 0; -ENOEXEC: it is none of Go's; or -errno. *out is written on
 * success only. */
int go_program_read(int fd, struct go_program *out);

#endif
