// SPDX-License-Identifier: Apache-2.0
#include "capture/socket_sweep.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stddef.h>
#include <unistd.h>

/* As bpf/syscall.bpf.h writes it. */
struct swept {
	uint64_t cookie; /* 0: not alive */
	uint64_t gone;	 /* key to remove; 0: none */
};

/* Runs an iterator over a map's elements, or over what it knows itself where the map is NULL. Hands
 * out what it writes, piece by piece; a piece is a whole number of `unit` bytes. */
static int run(struct bpf_program *prog, struct bpf_map *map, size_t unit,
	       void (*on_unit)(void *ctx, const void *unit), void *ctx)
{
	union bpf_iter_link_info info = { .map.map_fd = map ? (uint32_t)bpf_map__fd(map) : 0 };
	LIBBPF_OPTS(bpf_iter_attach_opts, opts, .link_info = map ? &info : NULL,
		    .link_info_len = map ? sizeof(info) : 0);
	struct bpf_link *link = bpf_program__attach_iter(prog, &opts);
	uint64_t buf[512];
	int fd, err = 0;
	ssize_t n;

	if (!link)
		return -errno;
	fd = bpf_iter_create(bpf_link__fd(link));
	if (fd < 0) {
		err = -errno;
		goto out;
	}
	while ((n = read(fd, buf, sizeof(buf))) > 0 || (n < 0 && errno == EAGAIN))
		for (ssize_t at = 0; at + (ssize_t)unit <= n; at += (ssize_t)unit)
			on_unit(ctx, (const char *)buf + at);
	if (n < 0)
		err = -errno;
	close(fd);
out:
	bpf_link__destroy(link);
	return err;
}

struct each {
	sweep_fn fn;
	void *ctx;
	int map;
};

static void on_cookie(void *ctx, const void *unit)
{
	const struct each *e = ctx;

	e->fn(e->ctx, *(const uint64_t *)unit);
}

static void on_swept(void *ctx, const void *unit)
{
	const struct each *e = ctx;
	const struct swept *s = unit;

	if (s->cookie)
		e->fn(e->ctx, s->cookie);
	if (s->gone)
		bpf_map_delete_elem(e->map, &s->gone);
}

static void on_nothing(void *ctx, const void *unit)
{
}

int sweep_storage(struct bpf_program *prog, struct bpf_map *conns, sweep_fn fn, void *ctx)
{
	struct each e = { .fn = fn, .ctx = ctx };

	return run(prog, conns, sizeof(uint64_t), on_cookie, &e);
}

int sweep_addresses(struct bpf_program *files, struct bpf_program *conns, struct bpf_map *conns_at,
		    sweep_fn fn, void *ctx)
{
	struct each e = { .fn = fn, .ctx = ctx, .map = bpf_map__fd(conns_at) };
	int err = run(files, NULL, 1, on_nothing, NULL);

	return err ? err : run(conns, conns_at, sizeof(struct swept), on_swept, &e);
}
