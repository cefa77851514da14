/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/probe.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "capture/filter.h"
#include "capture/rights.h"
#include "capture/socket_sweep.h"
#include "sonde.skel.h"

enum { RING_DEFAULT = 16 << 20, PROGRAMS_MAX = 32 };

/* enum bpf_attach_type of Linux 6.6 and 6.13; the build's own headers may be older */
#define TRACE_UPROBE_MULTI   ((enum bpf_attach_type)48)
#define TRACE_UPROBE_SESSION ((enum bpf_attach_type)57)

enum {
	SOCKET = 1 << PROBE_TIER_SOCKET,
	SYSCALL = 1 << PROBE_TIER_SYSCALL,
	BOTH = SOCKET | SYSCALL
};

/* The feature table: every program that is attached, the tiers it belongs to, what it stands on,
 * what is lost without it. */
static const struct feature {
	const char *name, *hook, *gives;
	unsigned int tiers;
	bool is_required;
	enum need { ALWAYS, BY_THREADS, BY_CLIENTS_AND_THREADS } need;
	bool is_aid; /* makes others' records better, makes none itself */
} features[] = {
	{ "sonde_send", "tp_btf/sock_send_length", "bytes sent", SOCKET, true, ALWAYS, false },
	{ "sonde_recv", "tp_btf/sock_recv_length", "bytes received", SOCKET, true, ALWAYS, false },
	{ "sonde_syscall", "tp_btf/sys_exit", "bytes sent and received", SYSCALL, true, ALWAYS,
	  false },
	{ "sonde_state", "tp_btf/inet_sock_set_state",
	  "who connects, failed connects, ends of connections", BOTH, false, ALWAYS, false },
	{ "sonde_arrival", "tp_btf/sk_data_ready", "when a request arrived, before it was read",
	  SOCKET, false, ALWAYS, true },
	{ "sonde_send_start", "tp_btf/tcp_sendmsg_locked", "the true start of a send", BOTH, false,
	  BY_CLIENTS_AND_THREADS, true },
	{ "sonde_read_end", "tp_btf/tcp_rcv_space_adjust",
	  "the order of reads by several threads on one socket", BOTH, false, BY_THREADS, true },
	{ "sonde_switch", "tp_btf/sched_switch", "what the thread of a request waited for", BOTH,
	  false, ALWAYS, true },
	{ "sonde_exec", "tp_btf/sched_process_exec",
	  "names of processes that live for milliseconds", BOTH, false, ALWAYS, false },
	{ "sonde_fork", "tp_btf/sched_process_fork", "whose child a process is", BOTH, false,
	  ALWAYS, false },
	{ "sonde_exit", "tp_btf/sched_process_exit", "ends of processes", BOTH, false, ALWAYS,
	  false },
	{ "sonde_reset_in", "tp_btf/tcp_receive_reset", "TCP resets received", BOTH, false, ALWAYS,
	  true },
	{ "sonde_reset_out", "tp_btf/tcp_send_reset", "TCP resets sent", BOTH, false, ALWAYS,
	  true },
	{ "sonde_tcp_walk", "iter/task_file", "TCP figures of open connections, accept queues",
	  BOTH, false, ALWAYS, true },
	{ "sonde_disk", "tp_btf/block_rq_complete", "how long disks take", BOTH, false, ALWAYS,
	  true },
};

enum { FEATURES = sizeof(features) / sizeof(features[0]) };

/* At hooks that fire in threads and in softirqs alike a second program does what the first is left
 * out of (bpf/again.bpf.h); in the order of its turns. Where each message would pay for it, it is
 * attached when the first was left out once. */
static const struct {
	const char *first, *second;
	bool is_at_once;
} pairs[] = {
	{ "sonde_state", "sonde_state_again", true },
	{ "sonde_arrival", "sonde_arrival_again", false },
};

enum { PAIRS = sizeof(pairs) / sizeof(pairs[0]) };

struct probe {
	struct sonde_bpf *skel;
	enum probe_tier tier;
	struct bpf_link *links[FEATURES];
	struct bpf_link *seconds[FEATURES]; /* attached behind, where there is one */
	char reasons[FEATURES][160];	    /* empty: on */
	bool is_absent[FEATURES];	    /* the kernel has no such hook */
	struct sonde_verdict *verdicts;	    /* mapped, shared with the kernel */
	int ring_fd;
	int stats_fd;
	size_t ring_size;
	bool is_tls;
	bool is_go;	   /* the program for handovers is loaded */
	char tls_off[160]; /* why not */
};

static const char *const tls_programs[PROBE_TLS_MAX] = {
	[PROBE_TLS_ENTRY] = "sonde_tls_entry",
	[PROBE_TLS_END] = "sonde_tls_end",
	[PROBE_TLS_BOTH] = "sonde_tls_both",
	[PROBE_TLS_GO] = "sonde_go_tls",
};

/* libbpf speaks through a callback without context: the last complaint is kept for the reason. */
static char last_complaint[160];

static int on_libbpf(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	char line[512];
	size_t n;

	if (level == LIBBPF_DEBUG)
		return 0;
	vsnprintf(line, sizeof(line), fmt, ap);
	n = strcspn(line, "\n");
	line[n] = '\0';
	if (!last_complaint[0])
		snprintf(last_complaint, sizeof(last_complaint), "%.150s", line);
	return 0;
}

static size_t ring_size_of(size_t asked)
{
	size_t size = (size_t)sysconf(_SC_PAGESIZE);

	if (!asked)
		asked = RING_DEFAULT;
	while (size < asked)
		size *= 2;
	return size;
}

static struct bpf_program *program_of(const struct sonde_bpf *skel, size_t i)
{
	return bpf_object__find_program_by_name(skel->obj, features[i].name);
}

/* Which of the pairs; PAIRS: the feature has one program. */
static size_t pair_of(size_t i)
{
	size_t n = 0;

	while (n < PAIRS && strcmp(pairs[n].first, features[i].name) != 0)
		n++;
	return n;
}

static struct bpf_program *second_of(const struct sonde_bpf *skel, size_t i)
{
	size_t n = pair_of(i);

	return n < PAIRS ? bpf_object__find_program_by_name(skel->obj, pairs[n].second) : NULL;
}

static void set_autoload(const struct sonde_bpf *skel, size_t i, bool is_on)
{
	struct bpf_program *second = second_of(skel, i);

	bpf_program__set_autoload(program_of(skel, i), is_on);
	if (second)
		bpf_program__set_autoload(second, is_on);
}

static bool is_of_tier(const struct probe *p, size_t i)
{
	return features[i].tiers & 1U << p->tier;
}

static struct sonde_bpf *configured(const struct probe *p, const struct probe_opts *opts)
{
	struct sonde_bpf *skel = sonde_bpf__open();

	if (!skel)
		return NULL;
	skel->rodata->filter = opts->filter;
	skel->rodata->ring_bytes = (uint32_t)p->ring_size;
	skel->rodata->is_syscall_tier = p->tier == PROBE_TIER_SYSCALL;
	skel->rodata->is_tls_wanted = p->is_tls;
	bpf_map__set_max_entries(skel->maps.scratches, 2 * (uint32_t)libbpf_num_possible_cpus());
	bpf_map__set_max_entries(skel->maps.tls_scratches,
				 (p->is_tls ? (uint32_t)libbpf_num_possible_cpus() : 0) + 3);
	if (!p->is_tls)
		bpf_map__set_max_entries(skel->maps.tls_goroutines, 1);
	for (size_t i = 0; i < PROBE_TLS_MAX; i++)
		bpf_program__set_autoload(
			bpf_object__find_program_by_name(skel->obj, tls_programs[i]), false);
	return skel;
}

/* Loaded for attaching many at once: a kernel that does not know that takes them for any uprobe. */
static void load_tls(const struct sonde_bpf *skel)
{
	for (size_t i = 0; i < PROBE_TLS_MAX; i++) {
		struct bpf_program *prog =
			bpf_object__find_program_by_name(skel->obj, tls_programs[i]);

		bpf_program__set_expected_attach_type(
			prog, i == PROBE_TLS_BOTH ? TRACE_UPROBE_SESSION : TRACE_UPROBE_MULTI);
		bpf_program__set_autoload(prog, true);
	}
}

static struct sonde_bpf *open_with(const struct probe *p, const struct probe_opts *opts)
{
	struct sonde_bpf *skel = configured(p, opts);

	if (!skel)
		return NULL;
	for (size_t i = 0; i < FEATURES; i++)
		set_autoload(skel, i, is_of_tier(p, i) && !p->reasons[i][0]);
	bpf_program__set_autoload(skel->progs.sonde_self, true);
	bpf_program__set_autoload(skel->progs.sonde_sweep, p->tier == PROBE_TIER_SOCKET);
	bpf_program__set_autoload(skel->progs.sonde_sweep_files, p->tier == PROBE_TIER_SYSCALL);
	bpf_program__set_autoload(skel->progs.sonde_sweep_conns, p->tier == PROBE_TIER_SYSCALL);
	if (p->is_tls)
		load_tls(skel);
	if (p->is_go) {
		bpf_program__set_expected_attach_type(skel->progs.sonde_go_round_trip,
						      TRACE_UPROBE_MULTI);
		bpf_program__set_autoload(skel->progs.sonde_go_round_trip, true);
	}
	return skel;
}

/* Can feature i be loaded by itself? Writes the reason when not. */
static void try_alone(struct probe *p, const struct probe_opts *opts, size_t i)
{
	struct sonde_bpf *skel = configured(p, opts);
	int err;

	if (!skel)
		return;
	for (size_t k = 0; k < FEATURES; k++)
		set_autoload(skel, k, k == i);
	last_complaint[0] = '\0';
	err = sonde_bpf__load(skel);
	if (err)
		snprintf(p->reasons[i], sizeof(p->reasons[i]), "%s: %.120s", strerror(-err),
			 last_complaint[0] ? last_complaint : "the kernel refused it");
	sonde_bpf__destroy(skel);
}

/* The hooks that this kernel's description of itself lacks. False: one that is required. */
static bool find_absent(struct probe *p)
{
	struct btf *btf = btf__load_vmlinux_btf();
	bool has_required = true;
	char type[64];

	for (size_t i = 0; i < FEATURES && btf; i++) {
		if (!is_of_tier(p, i) || strncmp(features[i].hook, "tp_btf/", 7) != 0)
			continue;
		snprintf(type, sizeof(type), "btf_trace_%s", features[i].hook + 7);
		p->is_absent[i] = btf__find_by_name_kind(btf, type, BTF_KIND_TYPEDEF) < 0;
		if (!p->is_absent[i])
			continue;
		snprintf(p->reasons[i], sizeof(p->reasons[i]), "this kernel has no %s",
			 features[i].hook);
		has_required = has_required && !features[i].is_required;
	}
	btf__free(btf);
	return has_required;
}

/* Finds those of the other programs that are not for this kernel. How many there are. */
static size_t try_each(struct probe *p, const struct probe_opts *opts)
{
	size_t n = 0;

	for (size_t i = 0; i < FEATURES; i++) {
		if (!is_of_tier(p, i) || p->is_absent[i])
			continue;
		try_alone(p, opts, i);
		n += p->reasons[i][0] != '\0';
	}
	return n;
}

static int load_once(struct probe *p, const struct probe_opts *opts)
{
	int err;

	p->skel = open_with(p, opts);
	if (!p->skel)
		return -errno;
	last_complaint[0] = '\0';
	err = sonde_bpf__load(p->skel);
	if (err) {
		sonde_bpf__destroy(p->skel);
		p->skel = NULL;
	}
	return err;
}

static int load(struct probe *p, const struct probe_opts *opts)
{
	int err = load_once(p, opts);

	if (!err)
		return 0;
	/* some are not for this kernel: go on without them, and without those for libraries and
	 * runtimes when that is not enough. What it lacks is known without a load for each. */
	if (!find_absent(p))
		return err;
	err = load_once(p, opts);
	if (err && try_each(p, opts))
		err = load_once(p, opts);
	if (err && p->is_go) {
		p->is_go = false;
		err = load_once(p, opts);
	}
	if (err && p->is_tls) {
		snprintf(p->tls_off, sizeof(p->tls_off), "%s: %.120s", strerror(-err),
			 last_complaint[0] ? last_complaint : "the kernel refused it");
		p->is_tls = false;
		err = load_once(p, opts);
	}
	return err;
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
	p->seconds[i] = bpf_program__attach(second_of(p->skel, i));
	if (p->seconds[i])
		p->skel->bss->has_second[pair_of(i)] = true;
}

static int attach_one(struct probe *p, size_t i)
{
	size_t pair;
	int err;

	if (p->links[i] || p->reasons[i][0] || !is_of_tier(p, i))
		return 0;
	p->links[i] = bpf_program__attach(program_of(p->skel, i));
	if (p->links[i]) {
		pair = pair_of(i);
		if (pair < PAIRS && pairs[pair].is_at_once)
			attach_second(p, i);
		return 0;
	}
	err = -errno;
	snprintf(p->reasons[i], sizeof(p->reasons[i]), "cannot attach: %s", strerror(-err));
	return features[i].is_required ? err : 0;
}

static struct bpf_link *link_of(const struct probe *p, const char *name)
{
	for (size_t i = 0; i < FEATURES; i++)
		if (strcmp(features[i].name, name) == 0)
			return p->links[i];
	return NULL;
}

static int attach(struct probe *p, const struct sonde_filter *f)
{
	bool is_narrow = f->n_pids || f->n_comms || f->n_exes || f->n_cgroups;
	int err = 0;

	for (size_t i = 0; i < FEATURES && !err; i++)
		if (!is_narrow || features[i].need == ALWAYS)
			err = attach_one(p, i);
	p->skel->bss->switches_seen = link_of(p, "sonde_switch") != NULL;
	return err;
}

void probe_needs_of(struct probe *p, const struct sonde_ev_open *ev)
{
	bool has_threads = ev->h.flags & SONDE_F_THREADS;
	bool is_client = ev->role == SONDE_ROLE_CLIENT;

	for (size_t i = 0; i < FEATURES; i++)
		if ((features[i].need == BY_THREADS && has_threads) ||
		    (features[i].need == BY_CLIENTS_AND_THREADS && (has_threads || is_client)))
			attach_one(p, i);
}

static enum probe_error missing_hook(const struct probe *p, char *err, size_t size)
{
	for (size_t i = 0; i < FEATURES; i++) {
		if (!features[i].is_required || !is_of_tier(p, i) || !p->reasons[i][0])
			continue;
		if (p->is_absent[i]) {
			snprintf(err, size, "%s, which Linux 6.3 and later have", p->reasons[i]);
			return PROBE_TOO_OLD;
		}
		snprintf(err, size, "this kernel refuses %s (%s)", features[i].name, p->reasons[i]);
		return PROBE_FAILED;
	}
	return PROBE_OK;
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

static enum probe_error load_tier(struct probe *p, const struct probe_opts *opts,
				  enum probe_tier tier, char *err, size_t size)
{
	enum probe_error verdict;
	int rc;

	p->tier = tier;
	p->is_tls = opts->tls;
	/* which socket is meant is told by its cookie, which is no identity in the other tier */
	p->is_go = tier == PROBE_TIER_SOCKET;
	snprintf(p->tls_off, sizeof(p->tls_off), "not asked for");
	rc = load(p, opts);
	verdict = missing_hook(p, err, size);
	if (!verdict && rc) {
		snprintf(err, size, "the BPF programs do not load: %s%s%s", strerror(-rc),
			 last_complaint[0] ? ": " : "", last_complaint);
		verdict = rc == -EPERM || rc == -EACCES ? PROBE_NO_RIGHTS : PROBE_FAILED;
	}
	if (!verdict)
		return PROBE_OK;
	sonde_bpf__destroy(p->skel);
	p->skel = NULL;
	return verdict;
}

/* The tier asked for; else the better one this kernel takes, found by trying. */
static enum probe_error load_any(struct probe *p, const struct probe_opts *opts, char *err,
				 size_t size)
{
	enum probe_error first = PROBE_OK, second;
	char why[256], also[256];

	if (opts->tier != PROBE_TIER_SYSCALL) {
		first = load_tier(p, opts, PROBE_TIER_SOCKET, why, sizeof(why));
		if (first == PROBE_OK)
			return first;
		if (first == PROBE_NO_RIGHTS || opts->tier == PROBE_TIER_SOCKET) {
			snprintf(err, size, "cannot observe: %s", why);
			return first;
		}
		for (size_t i = 0; i < FEATURES; i++)
			if (features[i].tiers == BOTH)
				p->reasons[i][0] = '\0';
	}
	second = load_tier(p, opts, PROBE_TIER_SYSCALL, also, sizeof(also));
	if (second == PROBE_OK)
		return second;
	snprintf(err, size, "cannot observe: Linux 5.17 is the oldest that can work, and %s%s%s",
		 first ? why : "", first ? ", and " : "", also);
	return first == PROBE_TOO_OLD ? first : second;
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
	libbpf_set_print(on_libbpf);
	verdict = load_any(p, opts, err, size);
	if (verdict)
		goto fail;
	rc = start(p, opts);
	if (rc) {
		snprintf(err, size, "the BPF programs do not start: %s%s%s", strerror(-rc),
			 last_complaint[0] ? ": " : "", last_complaint);
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
	for (size_t i = 0; i < FEATURES; i++) {
		bpf_link__destroy(p->seconds[i]);
		bpf_link__destroy(p->links[i]);
	}
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
	struct bpf_prog_info info = info_of(program_of(p->skel, i));
	uint64_t done;

	out->run_count = info.run_cnt;
	out->run_ns = info.run_time_ns;
	out->recursion_misses = info.recursion_misses;
	if (!p->seconds[i])
		return;
	done = made_up(p, (uint32_t)pair_of(i));
	out->run_ns += info_of(second_of(p->skel, i)).run_time_ns;
	out->recursion_misses -= done < info.recursion_misses ? done : info.recursion_misses;
}

void probe_tick(struct probe *p)
{
	for (size_t i = 0; i < FEATURES; i++)
		if (p->links[i] && !p->seconds[i] && pair_of(i) < PAIRS &&
		    info_of(program_of(p->skel, i)).recursion_misses)
			attach_second(p, i);
}

size_t probe_programs(struct probe *p, struct probe_program *out, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < FEATURES && n < max; i++) {
		/* of the other tier only what this kernel does not have */
		if (!is_of_tier(p, i) && !p->reasons[i][0])
			continue;
		out[n] = (struct probe_program){
			.name = features[i].name,
			.hook = features[i].hook,
			.gives = features[i].gives,
			.is_required = features[i].is_required,
			.is_aid = features[i].is_aid,
			.is_attached = p->links[i] != NULL,
		};
		memcpy(out[n].reason, p->reasons[i], sizeof(out[n].reason));
		if (!p->links[i] && !p->reasons[i][0])
			snprintf(out[n].reason, sizeof(out[n].reason),
				 "not needed: no %sthreaded program is observed yet",
				 features[i].need == BY_THREADS ? "" : "client or ");
		if (p->links[i])
			read_stats(p, i, &out[n]);
		n++;
	}
	return n;
}

int probe_tls_program(const struct probe *p, enum probe_tls which)
{
	return bpf_program__fd(bpf_object__find_program_by_name(p->skel->obj, tls_programs[which]));
}

int probe_go_program(const struct probe *p)
{
	return p->is_go ? bpf_program__fd(p->skel->progs.sonde_go_round_trip) : -ENOENT;
}

const char *probe_tls_off(const struct probe *p)
{
	return p->is_tls ? NULL : p->tls_off;
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
	struct bpf_link *link = link_of(p, "sonde_tcp_walk");
	int fd = link ? bpf_iter_create(bpf_link__fd(link)) : -ENOENT;

	if (fd < 0)
		return link ? -errno : fd;
	p->skel->bss->tcp_walk = walk;
	return fd;
}
