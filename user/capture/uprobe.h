/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Probes on functions of a file, for every process that maps it now or later: one link for all of a
 * program's functions where the kernel has uprobe_multi (Linux 6.6), else one perf event for each.
 * To let go of a link takes the kernel a tenth of a second, however many functions are behind it.
 */
#ifndef UPROBE_H
#define UPROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { UPROBE_LINKS_MAX = 16, UPROBE_POINTS_MAX = 16 };

struct uprobe_links {
	int fd[UPROBE_LINKS_MAX];
	int n;
};

enum uprobe_kind {
	UPROBE_ENTRY,
	UPROBE_RETURN,	/* never of a Go program: it moves its stacks */
	UPROBE_SESSION, /* entry and, where the program asks for it, return (Linux 6.13) */
};

/* What one program is attached to. */
struct uprobe_points {
	int program_fd;
	const char *path;
	enum uprobe_kind kind;
	uint32_t tgid; /* of that process only; 0: of all */
	uint32_t n;
	uint64_t offsets[UPROBE_POINTS_MAX]; /* in the file */
	uint64_t cookies[UPROBE_POINTS_MAX];
};

/* Does the kernel have this for a program loaded for it? Without uprobe_multi there are perf
 * events, for all but sessions. */
bool uprobe_has_multi(int program_fd, enum uprobe_kind kind);

/* By what means functions can be probed here, found by trying, with no program at hand. */
enum uprobe_means {
	UPROBE_BY_MULTI,
	UPROBE_BY_PERF,	  /* each time by CAP_SYS_ADMIN */
	UPROBE_BY_NOBODY, /* so it is, and this process does not have it */
};

enum uprobe_means uprobe_means(void);

/* Adds the links to *to. 0, or -errno and nothing was added. No points: nothing to do. */
int uprobe_attach(const struct uprobe_points *at, struct uprobe_links *to);

/* At the beginning of one function, for every process: a link that close() lets go, or -errno. */
int uprobe_attach_entry(int program_fd, const char *path, uint64_t offset);

/* Lets go of all, those added last first. */
void uprobe_detach(struct uprobe_links *l);

/* Lets go of many at a time, by threads of their own that end with this call: `fds` are links. */
void uprobe_detach_all(const int *fds, size_t n);

#endif
