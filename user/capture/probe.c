/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/probe.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "capture/filter.h"
#include "capture/probe_parts.h"
#include "capture/rights.h"

enum { RING_DEFAULT = 16 << 20 };

static size_t ring_size_of(size_t asked)
{
	size_t size = (size_t)sysconf(_SC_PAGESIZE);

	if (!asked)
		asked = RING_DEFAULT;
	while (size < asked)
		size *= 2;
	return size;
}

static int make_ring(struct probe *p)
{
	uint32_t zero = 0;

	p->ring_fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "sonde_ring", 0, 0,
				    (uint32_t)p->ring_size, NULL);
	if (p->ring_fd < 0)
		return -errno;
	if (bpf_map_update_elem(bpf_map__fd(p->skel->maps.rings), &zero, &p->ring_fd, BPF_ANY) < 0)
		return -errno;
	return 0;
}

static int map_verdicts(struct probe *p)
{
	void *m = mmap(NULL, SONDE_SLOTS * sizeof(struct sonde_verdict), PROT_READ | PROT_WRITE,
		       MAP_SHARED, bpf_map__fd(p->skel->maps.verdicts), 0);

	if (m == MAP_FAILED)
		return -errno;
	p->verdicts = m;
	return 0;
}

/* Without it what the first is left out of stays unseen, by count. */
static void attach_second(struct probe *p, size_t i)
{
	p->seconds[i] = bpf_program__attach(probe_second_of(p->skel, i));
	if (p->seconds[i])
		p->skel->bss->has_second[probe_pair_of(i)] = true;
}

static int attach_one(struct probe *p, size_t i)
{
	size_t pair;
	int err;

	if (p->links[i] || p->reasons[i][0] || !probe_is_of_tier(p, i))
		return 0;
	p->links[i] = bpf_program__attach(probe_program_of(p->skel, i));
	if (p->links[i]) {
		pair = probe_pair_of(i);
		if (pair < PROBE_PAIRS && probe_pairs[pair].is_at_once)
			attach_second(p, i);
		return 0;
	}
	err = -errno;
	snprintf(p->reasons[i], sizeof(p->reasons[i]), "cannot attach: %s", strerror(-err));
	return probe_features[i].is_required ? err : 0;
}

struct bpf_link *probe_link_of(const struct probe *p, const char *name)
{
	for (size_t i = 0; i < PROBE_FEATURES; i++)
		if (strcmp(probe_features[i].name, name) == 0)
			return p->links[i];
	return NULL;
}

static int attach(struct probe *p, const struct sonde_filter *f)
{
	bool is_narrow = f->n_pids || f->n_comms || f->n_exes || f->n_cgroups || f->asks_where;
	int err = 0;

	for (size_t i = 0; i < PROBE_FEATURES && !err; i++)
		if (!is_narrow || probe_features[i].need == ALWAYS)
			err = attach_one(p, i);
	if (f->asks_where && !err) {
		p->moved = bpf_program__attach(p->skel->progs.sonde_moved);
		err = p->moved ? 0 : -errno;
	}
	p->skel->bss->switches_seen = probe_link_of(p, "sonde_switch") != NULL;
	return err;
}

void probe_needs_of(struct probe *p, const struct sonde_ev_open *ev)
{
	bool has_threads = ev->h.flags & SONDE_F_THREADS;
	bool is_client = ev->role == SONDE_ROLE_CLIENT;

	for (size_t i = 0; i < PROBE_FEATURES; i++)
		if ((probe_features[i].need == BY_THREADS && has_threads) ||
		    (probe_features[i].need == BY_CLIENTS_AND_THREADS &&
		     (has_threads || is_client)))
			attach_one(p, i);
}

static int learn_self(struct probe *p)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);

	return bpf_prog_test_run_opts(bpf_program__fd(p->skel->progs.sonde_self), &opts);
}

static int start(struct probe *p, const struct probe_opts *opts)
{
	int err = make_ring(p);

	if (err)
		return err;
	err = map_verdicts(p);
	if (err)
		return err;
	err = learn_self(p);
	if (err)
		return err;
	filter_seed(&opts->filter, p, probe_set_process);
	if (opts->stats)
		p->stats_fd = bpf_enable_stats(BPF_STATS_RUN_TIME);
	return attach(p, &opts->filter);
}

enum probe_error probe_open(const struct probe_opts *opts, struct probe **out, char *err,
			    size_t size)
{
	enum probe_error verdict = rights_check(err, size);
	struct probe *p;
	int rc;

	if (verdict)
		return verdict;
	p = calloc(1, sizeof(*p));
	if (!p) {
		snprintf(err, size, "out of memory");
		return PROBE_FAILED;
	}
	p->ring_fd = p->stats_fd = -1;
	p->ring_size = ring_size_of(opts->ring_size);
	verdict = probe_load(p, opts, err, size);
	if (verdict)
		goto fail;
	rc = start(p, opts);
	if (rc) {
		snprintf(err, size, "the BPF programs do not start: %s%s%s", strerror(-rc),
			 probe_complaint()[0] ? ": " : "", probe_complaint());
		verdict = rc == -EPERM || rc == -EACCES ? PROBE_NO_RIGHTS : PROBE_FAILED;
		goto fail;
	}
	*out = p;
	return PROBE_OK;
fail:
	probe_close(p);
	return verdict;
}

void probe_close(struct probe *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < PROBE_FEATURES; i++) {
		bpf_link__destroy(p->seconds[i]);
		bpf_link__destroy(p->links[i]);
	}
	bpf_link__destroy(p->moved);
	if (p->verdicts)
		munmap(p->verdicts, SONDE_SLOTS * sizeof(struct sonde_verdict));
	if (p->stats_fd >= 0)
		close(p->stats_fd);
	if (p->ring_fd >= 0)
		close(p->ring_fd);
	sonde_bpf__destroy(p->skel);
	free(p);
}

static struct bpf_prog_info info_of(const struct bpf_program *prog)
{
	struct bpf_prog_info info = { 0 };
	uint32_t len = sizeof(info);

	if (bpf_obj_get_info_by_fd(bpf_program__fd(prog), &info, &len) < 0)
		memset(&info, 0, sizeof(info));
	return info;
}

/* Runs of the first of a pair that its second has made up for. */
static uint64_t made_up(const struct probe *p, uint32_t pair)
{
	struct turn {
		uint64_t at, before, made_up;
	} * per_cpu;
	int cpus = libbpf_num_possible_cpus();
	uint64_t sum = 0;

	per_cpu = cpus > 0 ? calloc((size_t)cpus, sizeof(*per_cpu)) : NULL;
	if (!per_cpu)
		return 0;
	if (bpf_map_lookup_elem(bpf_map__fd(p->skel->maps.turns), &pair, per_cpu) == 0)
		for (int i = 0; i < cpus; i++)
			sum += per_cpu[i].made_up;
	free(per_cpu);
	return sum;
}

static void read_stats(const struct probe *p, size_t i, struct probe_program *out)
{
	struct bpf_prog_info info = info_of(probe_program_of(p->skel, i));
	uint64_t done;

	out->run_count = info.run_cnt;
	out->run_ns = info.run_time_ns;
	out->recursion_misses = info.recursion_misses;
	if (!p->seconds[i])
		return;
	done = made_up(p, (uint32_t)probe_pair_of(i));
	out->run_ns += info_of(probe_second_of(p->skel, i)).run_time_ns;
	out->recursion_misses -= done < info.recursion_misses ? done : info.recursion_misses;
}

void probe_tick(struct probe *p)
{
	for (size_t i = 0; i < PROBE_FEATURES; i++)
		if (p->links[i] && !p->seconds[i] && probe_pair_of(i) < PROBE_PAIRS &&
		    info_of(probe_program_of(p->skel, i)).recursion_misses)
			attach_second(p, i);
}

size_t probe_programs(struct probe *p, struct probe_program *out, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < PROBE_FEATURES && n < max; i++) {
		/* of the other tier only what this kernel does not have */
		if (!probe_is_of_tier(p, i) && !p->reasons[i][0])
			continue;
		out[n] = (struct probe_program){
			.name = probe_features[i].name,
			.hook = probe_features[i].hook,
			.gives = probe_features[i].gives,
			.is_required = probe_features[i].is_required,
			.is_aid = probe_features[i].is_aid,
			.is_attached = p->links[i] != NULL,
		};
		memcpy(out[n].reason, p->reasons[i], sizeof(out[n].reason));
		if (!p->links[i] && !p->reasons[i][0])
			snprintf(out[n].reason, sizeof(out[n].reason),
				 "not needed: no %sthreaded program is observed yet",
				 probe_features[i].need == BY_THREADS ? "" : "client or ");
		if (p->links[i])
			read_stats(p, i, &out[n]);
		n++;
	}
	return n;
}
