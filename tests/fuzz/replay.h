/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as a file, and the whole of what replay does with one: records, transactions, JSON. */
#ifndef FUZZ_REPLAY_H
#define FUZZ_REPLAY_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>
#include "export/json.h"
#include "parts.h"
#include "pipeline.h"

#define must(claim)                                                                    \
	do {                                                                           \
		if (!(claim)) {                                                        \
			fprintf(stderr, "not so: " #claim " (%s)\n", strerror(errno)); \
			abort();                                                       \
		}                                                                      \
	} while (0)

/* Its path is valid until the next call. */
static inline const char *fuzz_file(const void *head, size_t n_head, const void *data, size_t size)
{
	static char path[32];
	static int fd = -1;
	struct iovec parts[] = { { (void *)head, n_head }, { (void *)data, size } };

	if (fd < 0) {
		fd = memfd_create("fuzz", 0);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	}
	must(ftruncate(fd, 0) == 0);
	must(pwritev(fd, parts, 2, 0) == (ssize_t)(n_head + size));
	return path;
}

static inline void fuzz_on_txn(void *self, const struct txn *t)
{
	static char out[TXN_JSON_MAX];
	size_t n = txn_json(t, 0, out, sizeof(out));

	must(parts_add_up(t));
	must(n > 0 && n < sizeof(out) && out[0] == '{' && out[n - 1] == '}');
	must(txn_text(t, 0, out, sizeof(out)) > 0);
	++*(size_t *)self;
}

/* Takes all the source has, and closes it. Returns the transactions. */
static inline size_t fuzz_replay(struct source *source, uint64_t *bad_records)
{
	struct pipeline_opts opts = { .source = source, .routes = true };
	size_t n_txns = 0;
	struct exporter e = { .name = "fuzz", .self = &n_txns, .on_txn = fuzz_on_txn };
	struct pipeline p;

	must(pipeline_init(&p, &opts) == 0);
	pipeline_add(&p, &e);
	while (pipeline_read(&p, 64) > 0)
		;
	*bad_records = p.bad_records;
	pipeline_free(&p);
	source->ops->close(source);
	return n_txns;
}

#endif
