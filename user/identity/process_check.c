/* SPDX-License-Identifier: Apache-2.0 */
/* The slow work of the table, a little each tick: is a process still there (its exit may have been
 * lost), and does it run Go? */
#include "identity/process_table.h"

#include <unistd.h>
#include "identity/procfs.h"

enum {
	CHECK_FRESH = 64, /* looked at for the first time, a tick */
	CHECK_AGAIN = 16,
	CHECK_FILES = 4, /* executables never seen before, a tick */
};

static bool is_alive(struct processes *ps, struct process_entry *e)
{
	struct procfs_stat st;

	if (procfs_stat(ps->opts.proc_root, e->p.tgid, &st) < 0 || st.is_exiting)
		return false;
	if (!e->p.start_ns)
		e->p.start_ns = st.start_ns;
	return procfs_same_start(e->p.start_ns, st.start_ns);
}

int process_check_go(struct processes *ps, struct process_entry *e)
{
	int fd = procfs_open(ps->opts.proc_root, e->p.tgid, "exe");
	bool is_slow = false;

	e->is_go_known = true;
	if (fd < 0)
		return 0;
	if (golang_check(&ps->golang, fd, &is_slow) > 0) {
		e->p.is_go = true;
		if (ps->opts.on_go)
			ps->opts.on_go(ps->opts.ctx, e->p.tgid);
		if (e->is_announced && ps->opts.on_identity)
			ps->opts.on_identity(ps->opts.ctx, &e->p);
	}
	close(fd);
	return is_slow;
}

void process_check_some(struct processes *ps, uint64_t now_ns)
{
	int files = 0;

	for (int i = 0; i < CHECK_FRESH + CHECK_AGAIN && files < CHECK_FILES; i++) {
		struct list *from = i < CHECK_FRESH ? &ps->fresh : &ps->checked;
		struct process_entry *e;

		if (list_empty(from))
			continue;
		e = LIST_ENTRY(from->next, struct process_entry, check);
		list_del(&e->check);
		if (!is_alive(ps, e)) {
			process_gone(ps, e, now_ns);
			continue;
		}
		list_push(&ps->checked, &e->check);
		if (!e->is_go_known)
			files += process_check_go(ps, e);
	}
}
