// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Which file lies below another: what uprobes are put on is the inode that a mapping has, and
 * overlay file systems show others for it, one for each place it is mounted at. */
#include "sonde.bpf.h"

/* Where the observer has mapped the file; written by user space. */
__u64 mapped_at;

/* As user/capture/real_file.c reads it. */
struct mapped {
	u64 address; /* of the inode itself: an inode that is in use keeps it */
	u64 inode, device;
};

SEC("?iter/task_vma")
int sonde_mapped(struct bpf_iter__task_vma *ctx)
{
	struct task_struct *task = ctx->task;
	struct vm_area_struct *vma = ctx->vma;
	struct mapped m;
	struct inode *inode;
	struct file *file;

	if (!task || !vma || task->tgid != self_tgid || vma->vm_start != mapped_at)
		return 0;
	file = vma->vm_file;
	if (!file)
		return 0;
	inode = file->f_inode;
	m.address = (u64)inode;
	m.inode = inode->i_ino;
	m.device = inode->i_sb->s_dev;
	bpf_seq_write(ctx->meta->seq, &m, sizeof(m));
	return 0;
}
