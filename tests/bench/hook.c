// SPDX-License-Identifier: Apache-2.0
/*
 * hook OBJECT: ns per run of each program of hook.bpf.c, a line each, by the kernel's statistics
 * (which must be on). The load is one byte at a time, sent by this process to itself.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SENDS = 100000, DRAIN_EVERY = 1000 };

static char bytes[4096];

static int nothing(void *ctx, void *data, size_t size)
{
	return 0;
}

static int load(struct ring_buffer *ring)
{
	int ends[2], err;

	err = socketpair(AF_UNIX, SOCK_DGRAM, 0, ends);
	for (int i = 0; i < SENDS && !err; i++) {
		if (send(ends[0], bytes, 1, 0) != 1 || recv(ends[1], bytes, 1, 0) != 1)
			err = -1;
		if (i % DRAIN_EVERY == 0)
			ring_buffer__consume(ring);
	}
	close(ends[0]);
	close(ends[1]);
	return err;
}

static int measure(struct bpf_program *p, struct ring_buffer *ring)
{
	struct bpf_link *link = bpf_program__attach(p);
	struct bpf_prog_info info = { 0 };
	uint32_t size = sizeof(info);
	int err;

	if (!link)
		return -1;
	err = load(ring);
	if (!err)
		err = bpf_obj_get_info_by_fd(bpf_program__fd(p), &info, &size);
	bpf_link__destroy(link);
	if (err || info.run_cnt < SENDS)
		return -1;
	printf("%s %.1f\n", bpf_program__name(p), (double)info.run_time_ns / info.run_cnt);
	return 0;
}

int main(int argc, char **argv)
{
	struct bpf_object *obj = argc == 2 ? bpf_object__open_file(argv[1], NULL) : NULL;
	struct ring_buffer *ring = NULL;
	struct bpf_program *p;
	uint64_t at = (uintptr_t)bytes;
	uint32_t zero = 0;
	int res = 1;

	if (!obj || bpf_object__load(obj))
		goto out;
	if (bpf_map_update_elem(bpf_object__find_map_fd_by_name(obj, "bytes"), &zero, &at, BPF_ANY))
		goto out;
	ring = ring_buffer__new(bpf_object__find_map_fd_by_name(obj, "ring"), nothing, NULL, NULL);
	if (!ring)
		goto out;
	res = 0;
	bpf_object__for_each_program (p, obj)
		res |= measure(p, ring);
out:
	if (res)
		fprintf(stderr, "hook: not measured: bpf_stats_enabled must be 1, and root asks\n");
	ring_buffer__free(ring);
	bpf_object__close(obj);
	return res ? 1 : 0;
}
