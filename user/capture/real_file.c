// SPDX-License-Identifier: Apache-2.0
#include "capture/real_file.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/clock.h"

/* Of all of this process's mappings; before Linux 6.1 of all processes', which the program leaves
 * out. */
static int walk(int program_fd)
{
	union bpf_iter_link_info self = { .task.tid = (uint32_t)getpid() };
	LIBBPF_OPTS(bpf_link_create_opts, opts, .iter_info = &self, .iter_info_len = sizeof(self));
	int link = bpf_link_create(program_fd, 0, BPF_TRACE_ITER, &opts), fd;

	if (link < 0)
		link = bpf_link_create(program_fd, 0, BPF_TRACE_ITER, NULL);
	if (link < 0)
		return -errno;
	fd = bpf_iter_create(link);
	if (fd < 0)
		fd = -errno;
	close(link);
	return fd;
}

/* As bpf/mapped.bpf.c writes it. */
static int ask(struct probe *p, const void *at, struct real_file *out)
{
	int program_fd = probe_mapped_program(p, at);
	int fd = program_fd < 0 ? program_fd : walk(program_fd);
	uint64_t told[3];
	ssize_t n;

	if (fd < 0)
		return fd;
	do
		n = read(fd, told, sizeof(told));
	while (n < 0 && errno == EAGAIN); /* it pauses in long walks */
	close(fd);
	if (n != sizeof(told))
		return -ENOENT;
	out->address = told[0];
	out->inode = told[1];
	out->device = told[2];
	return 0;
}

static uint64_t changed_ns(const struct stat *st)
{
	return (uint64_t)st->st_ctim.tv_sec * NS_PER_S + (uint64_t)st->st_ctim.tv_nsec;
}

uint64_t real_file_stamp(int fd)
{
	const uint64_t odd[] = { 0x9e3779b97f4a7c15ULL, 0xff51afd7ed558ccdULL };
	struct stat st;
	uint64_t h;

	if (fstat(fd, &st) < 0)
		return 0;
	h = (st.st_ino * odd[0] ^ st.st_dev) * odd[1];
	return (h ^ (uint64_t)st.st_size) * odd[0] ^ changed_ns(&st);
}

int real_file_of(struct probe *p, int fd, struct real_file *out)
{
	long page = sysconf(_SC_PAGESIZE);
	struct stat st;
	void *at;
	int err;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	at = mmap(NULL, (size_t)page, PROT_READ, MAP_PRIVATE, fd, 0);
	err = at == MAP_FAILED ? -errno : ask(p, at, out);
	if (at != MAP_FAILED)
		munmap(at, (size_t)page);
	if (err)
		*out = (struct real_file){ .address = (uint64_t)st.st_size,
					   .inode = st.st_ino,
					   .device = changed_ns(&st) };
	return 0;
}
