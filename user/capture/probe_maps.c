// SPDX-License-Identifier: Apache-2.0
/* What the probe's maps and programs are to others. */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/probe_parts.h"
#include "capture/socket_sweep.h"
#include "util/clock.h"

/* To attach to a file takes less, as a rule. */
#define ATTACH_NS (5 * NS_PER_MS)

int probe_tls_program(const struct probe *p, enum probe_tls which)
{
	return bpf_program__fd(probe_tls_program_of(p->skel, which));
}

int probe_go_program(const struct probe *p)
{
	return p->is_go ? bpf_program__fd(p->skel->progs.sonde_go_round_trip) : -ENOENT;
}

uint64_t probe_tls_attaching(struct probe *p)
{
	uint64_t cookie = (clock_mono_ns() + ATTACH_NS) & ~(uint64_t)SONDE_TLS_COOKIE_BITS;

	__atomic_store_n(&p->skel->bss->tls_attaching, cookie, __ATOMIC_SEQ_CST);
	return cookie;
}

void probe_tls_attached(struct probe *p, uint64_t cookie)
{
	uint64_t now_ns = clock_mono_ns();

	if (now_ns > cookie)
		__atomic_store_n(&p->skel->bss->tls_unsure_until_ns, now_ns, __ATOMIC_SEQ_CST);
	__atomic_store_n(&p->skel->bss->tls_attaching, 0, __ATOMIC_SEQ_CST);
}

int probe_mapped_program(struct probe *p, const void *at)
{
	p->skel->bss->mapped_at = (uintptr_t)at;
	return bpf_program__fd(p->skel->progs.sonde_mapped);
}

int probe_program(const struct probe *p, const char *name)
{
	struct bpf_program *prog = bpf_object__find_program_by_name(p->skel->obj, name);

	return prog ? bpf_program__fd(prog) : -ENOENT;
}

void probe_set_trial(struct probe *p, uint32_t port, bool is_brief)
{
	p->skel->bss->trial_port = port;
	p->skel->bss->is_brief = is_brief;
}

const char *probe_propagate_off(const struct probe *p)
{
	return p->is_propagating ? NULL : p->propagate_off;
}

const char *probe_tls_off(const struct probe *p)
{
	return p->is_tls ? NULL : p->tls_off;
}

bool probe_needs_perf(const struct probe *p)
{
	return p->means == UPROBE_BY_PERF && (p->is_tls || p->is_go);
}

int probe_tls_sessions(const struct probe *p)
{
	return bpf_map__fd(p->skel->maps.tls_sessions);
}

enum probe_tier probe_tier(const struct probe *p)
{
	return p->tier;
}

int probe_ring_fd(const struct probe *p)
{
	return p->ring_fd;
}

size_t probe_ring_size(const struct probe *p)
{
	return p->ring_size;
}

static uint64_t map_memory(int fd)
{
	char path[64], line[128];
	uint64_t bytes = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "re");
	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "memlock: %lu", &bytes) == 1)
			break;
	fclose(f);
	return bytes;
}

uint64_t probe_map_memory(const struct probe *p)
{
	uint64_t sum = map_memory(p->ring_fd);
	struct bpf_map *map;

	bpf_object__for_each_map (map, p->skel->obj)
		sum += map_memory(bpf_map__fd(map));
	return sum;
}

uint64_t probe_propagate_memory(const struct probe *p)
{
	const struct bpf_map *const maps[] = {
		p->skel->maps.injections, p->skel->maps.speaking, p->skel->maps.speakers,
		p->skel->maps.leaving,	  p->skel->maps.heads,	  p->skel->maps.passes,
	};
	uint64_t sum = 0;

	if (!p->is_propagating)
		return 0;
	for (size_t i = 0; i < sizeof(maps) / sizeof(*maps); i++)
		sum += map_memory(bpf_map__fd(maps[i]));
	return sum;
}

void probe_counters(const struct probe *p, uint64_t out[SONDE_CNT_MAX])
{
	int cpus = libbpf_num_possible_cpus();
	uint32_t zero = 0;
	uint64_t *per_cpu;

	memset(out, 0, SONDE_CNT_MAX * sizeof(*out));
	if (cpus <= 0)
		return;
	per_cpu = calloc((size_t)cpus, SONDE_CNT_MAX * sizeof(*per_cpu));
	if (!per_cpu)
		return;
	if (bpf_map_lookup_elem(bpf_map__fd(p->skel->maps.counters), &zero, per_cpu) == 0)
		for (int i = 0; i < cpus * SONDE_CNT_MAX; i++)
			out[i % SONDE_CNT_MAX] += per_cpu[i];
	free(per_cpu);
}

void probe_verdict(struct probe *p, uint32_t slot, const struct sonde_verdict *v)
{
	struct sonde_verdict *shared = &p->verdicts[slot % SONDE_SLOTS];

	/* another connection's verdict must not be taken for this one's while half written */
	if (shared->cookie != v->cookie)
		__atomic_store_n(&shared->cookie, 0, __ATOMIC_RELEASE);
	for (int dir = 0; dir < 2; dir++) {
		__atomic_store_n(&shared->until[dir], v->until[dir], __ATOMIC_RELAXED);
		__atomic_store_n(&shared->copy[dir], v->copy[dir], __ATOMIC_RELAXED);
	}
	__atomic_store_n(&shared->cookie, v->cookie, __ATOMIC_RELEASE);
}

int probe_say_where(struct probe *p, uint32_t tgid, bool is_inside)
{
	int fd = bpf_map__fd(p->skel->maps.processes);
	uint32_t known = 0;

	bpf_map_lookup_elem(fd, &tgid, &known);
	known &= ~(uint32_t)SONDE_P_WHERE;
	known |= is_inside ? SONDE_P_INSIDE : SONDE_P_OUTSIDE;
	return bpf_map_update_elem(fd, &tgid, &known, BPF_ANY) < 0 ? -errno : 0;
}

bool probe_is_inside(const struct probe *p, uint32_t tgid)
{
	uint32_t known = 0;

	if (!p->skel->rodata->filter.asks_where)
		return true;
	bpf_map_lookup_elem(bpf_map__fd(p->skel->maps.processes), &tgid, &known);
	return known & SONDE_P_INSIDE;
}

int probe_set_process(struct probe *p, uint32_t tgid, uint32_t flags)
{
	int fd = bpf_map__fd(p->skel->maps.processes);
	uint32_t known = 0;

	bpf_map_lookup_elem(fd, &tgid, &known);
	known |= flags;
	if (flags & SONDE_P_GO)
		p->skel->bss->go_seen = 1;
	return bpf_map_update_elem(fd, &tgid, &known, BPF_ANY) < 0 ? -errno : 0;
}

void probe_each_offcpu(struct probe *p,
		       void (*fn)(void *ctx, uint32_t tgid, const struct sonde_offcpu *o),
		       void *ctx)
{
	int fd = bpf_map__fd(p->skel->maps.offcpus);
	struct sonde_offcpu figures;
	uint32_t tgid, next;
	bool has_next = bpf_map_get_next_key(fd, NULL, &next) == 0;

	while (has_next) {
		tgid = next;
		has_next = bpf_map_get_next_key(fd, &tgid, &next) == 0;
		if (bpf_map_lookup_elem(fd, &tgid, &figures) == 0)
			fn(ctx, tgid, &figures);
	}
}

void probe_forget_offcpu(struct probe *p, uint32_t tgid)
{
	bpf_map_delete_elem(bpf_map__fd(p->skel->maps.offcpus), &tgid);
}

void probe_each_reclaim(struct probe *p, void (*fn)(void *ctx, uint32_t tgid, uint64_t ns),
			void *ctx)
{
	int fd = bpf_map__fd(p->skel->maps.reclaims);
	uint32_t tgid, next;
	bool has_next = bpf_map_get_next_key(fd, NULL, &next) == 0;
	uint64_t ns;

	while (has_next) {
		tgid = next;
		has_next = bpf_map_get_next_key(fd, &tgid, &next) == 0;
		if (bpf_map_lookup_elem(fd, &tgid, &ns) == 0)
			fn(ctx, tgid, ns);
	}
}

void probe_forget_reclaim(struct probe *p, uint32_t tgid)
{
	bpf_map_delete_elem(bpf_map__fd(p->skel->maps.reclaims), &tgid);
}

int probe_each_cookie(struct probe *p, void (*fn)(void *ctx, uint64_t cookie), void *ctx)
{
	struct sonde_bpf *skel = p->skel;

	if (p->tier == PROBE_TIER_SOCKET)
		return sweep_storage(skel->progs.sonde_sweep, skel->maps.conns, fn, ctx);
	skel->bss->sweep_turn++;
	return sweep_addresses(skel->progs.sonde_sweep_files, skel->progs.sonde_sweep_conns,
			       skel->maps.conns_at, fn, ctx);
}

int probe_map(const struct probe *p, const char *name)
{
	return bpf_object__find_map_fd_by_name(p->skel->obj, name);
}

int probe_tcp_walk(struct probe *p, uint32_t walk)
{
	struct bpf_link *link = probe_link_of(p, "sonde_tcp_walk");
	int fd = link ? bpf_iter_create(bpf_link__fd(link)) : -ENOENT;

	if (fd < 0)
		return link ? -errno : fd;
	p->skel->bss->tcp_walk = walk;
	return fd;
}
