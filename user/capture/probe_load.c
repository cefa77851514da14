// SPDX-License-Identifier: Apache-2.0
#include <bpf/btf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/bare.h"
#include "capture/probe_bare.h"
#include "capture/probe_parts.h"
#include "capture/rights.h"

/* enum bpf_attach_type of Linux 6.6 and 6.13; the build's own headers may be older */
#define TRACE_UPROBE_MULTI   ((enum bpf_attach_type)48)
#define TRACE_UPROBE_SESSION ((enum bpf_attach_type)57)

enum { SPEAKERS_MAX = 65536 }; /* connections that lines are put into; others are left alone */

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

const char *probe_complaint(void)
{
	return last_complaint;
}

static void set_autoload(const struct sonde_bpf *skel, size_t i, bool is_on)
{
	struct bpf_program *second = probe_second_of(skel, i);

	bpf_program__set_autoload(probe_program_of(skel, i), is_on);
	if (second)
		bpf_program__set_autoload(second, is_on);
}

/* Off, it takes no memory, no program of its own, and nothing of the others. */
static void configure_propagate(const struct sonde_bpf *skel, const struct probe *p,
				const struct probe_opts *opts)
{
	bool is_on = p->is_propagating;

	skel->rodata->is_propagating = is_on;
	skel->rodata->sampled_below = opts->sampled_below;
	bpf_map__set_max_entries(skel->maps.injections, is_on ? SPEAKERS_MAX : 1);
	bpf_map__set_max_entries(skel->maps.speaking, SPEAKERS_MAX);
	bpf_map__set_autocreate(skel->maps.speaking, is_on);
	bpf_map__set_autocreate(skel->maps.speakers, is_on);
	bpf_map__set_autocreate(skel->maps.leaving, is_on);
	bpf_map__set_autocreate(skel->maps.heads, is_on);
	bpf_map__set_autocreate(skel->maps.passes, is_on);
}

/* What the kernel's own types lack libbpf looks for in those of its modules, once for each object,
 * and gives up where it may not: before 1.3 it takes that for an error, not for "not there". So it
 * looks now, for what nobody has, where what becomes of it matters to nobody. */
static void forget_modules(const struct sonde_bpf *skel)
{
	bpf_program__set_attach_target(skel->progs.sonde_state, 0, "of_no_kernel");
}

static struct sonde_bpf *configured(const struct probe *p, const struct probe_opts *opts)
{
	struct sonde_bpf *skel = probe_skel_open(p->is_bare ? bare_edit : NULL);

	if (!skel)
		return NULL;
	if (!rights_modules())
		forget_modules(skel);
	skel->rodata->filter = opts->filter;
	skel->rodata->ring_bytes = (uint32_t)p->ring_size;
	skel->rodata->is_syscall_tier = p->tier == PROBE_TIER_SYSCALL;
	skel->rodata->is_tls_wanted = p->is_tls;
	bpf_map__set_max_entries(skel->maps.scratches, 2 * (uint32_t)libbpf_num_possible_cpus());
	bpf_map__set_max_entries(skel->maps.tls_scratches,
				 (p->is_tls ? (uint32_t)libbpf_num_possible_cpus() : 0) + 3);
	if (!p->is_tls) {
		bpf_map__set_max_entries(skel->maps.tls_goroutines, 1);
		bpf_map__set_max_entries(skel->maps.tls_shaken, 1);
	}
	configure_propagate(skel, p, opts);
	for (size_t i = 0; i < PROBE_TLS_MAX; i++)
		bpf_program__set_autoload(probe_tls_program_of(skel, i), false);
	return skel;
}

/* Loaded for attaching many at once: a kernel that does not know that takes them for any uprobe. */
static void load_tls(const struct sonde_bpf *skel)
{
	for (size_t i = 0; i < PROBE_TLS_MAX; i++) {
		struct bpf_program *prog = probe_tls_program_of(skel, i);

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
	for (size_t i = 0; i < PROBE_FEATURES; i++)
		set_autoload(skel, i, probe_is_of_tier(p, i) && !p->reasons[i][0]);
	bpf_program__set_autoload(skel->progs.sonde_self, true);
	bpf_program__set_autoload(skel->progs.sonde_moved, opts->filter.asks_where);
	bpf_program__set_autoload(skel->progs.sonde_sweep, p->tier == PROBE_TIER_SOCKET);
	bpf_program__set_autoload(skel->progs.sonde_sweep_files, p->tier == PROBE_TIER_SYSCALL);
	bpf_program__set_autoload(skel->progs.sonde_sweep_conns, p->tier == PROBE_TIER_SYSCALL);
	bpf_program__set_autoload(skel->progs.sonde_mapped, p->is_tls || p->is_go);
	if (p->is_tls)
		load_tls(skel);
	bpf_program__set_autoload(skel->progs.sonde_speaker, p->is_propagating);
	bpf_program__set_autoload(skel->progs.sonde_request, p->is_propagating);
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
	for (size_t k = 0; k < PROBE_FEATURES; k++)
		set_autoload(skel, k, k == i);
	last_complaint[0] = '\0';
	err = sonde_bpf__load(skel);
	if (err)
		snprintf(p->reasons[i], sizeof(p->reasons[i]), "%s: %.120s", strerror(-err),
			 last_complaint[0] ? last_complaint : "the kernel refused it");
	sonde_bpf__destroy(skel);
}

/* Has this kernel loops of its own (Linux 5.17)? Where it does not say, it has. */
static bool has_loops(const struct btf *btf)
{
	int id = btf__find_by_name_kind(btf, "bpf_func_id", BTF_KIND_ENUM);
	const struct btf_type *all = id < 0 ? NULL : btf__type_by_id(btf, (uint32_t)id);

	for (uint32_t i = 0; all && i < btf_vlen(all); i++) {
		const char *name = btf__name_by_offset(btf, btf_enum(all)[i].name_off);

		if (name && !strcmp(name, "BPF_FUNC_loop"))
			return true;
	}
	return !all;
}

/* The hooks that this kernel's description of itself lacks. False: one that is required. */
static bool find_absent(struct probe *p)
{
	struct btf *btf = btf__load_vmlinux_btf();
	bool has_required = true;
	char type[64];

	if (btf && !has_loops(btf))
		p->is_bare = true;
	for (size_t i = 0; i < PROBE_FEATURES && btf; i++) {
		if (!probe_is_of_tier(p, i) || strncmp(probe_features[i].hook, "tp_btf/", 7) != 0)
			continue;
		snprintf(type, sizeof(type), "btf_trace_%s", probe_features[i].hook + 7);
		p->is_absent[i] = btf__find_by_name_kind(btf, type, BTF_KIND_TYPEDEF) < 0;
		if (!p->is_absent[i])
			continue;
		snprintf(p->reasons[i], sizeof(p->reasons[i]), "this kernel has no %s",
			 probe_features[i].hook);
		has_required = has_required && !probe_features[i].is_required;
	}
	btf__free(btf);
	return has_required;
}

/* Finds those of the other programs that are not for this kernel. How many there are. */
static size_t try_each(struct probe *p, const struct probe_opts *opts)
{
	size_t n = 0;

	for (size_t i = 0; i < PROBE_FEATURES; i++) {
		if (!probe_is_of_tier(p, i) || p->is_absent[i])
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

/* It is what can be done without most easily. */
static int load_without_propagate(struct probe *p, const struct probe_opts *opts, int err)
{
	snprintf(p->propagate_off, sizeof(p->propagate_off), "%s: %.120s", strerror(-err),
		 last_complaint[0] ? last_complaint : "the kernel refused it");
	p->is_propagating = false;
	return load_once(p, opts);
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
	if (err && p->is_propagating)
		err = load_without_propagate(p, opts, err);
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

static enum probe_error missing_hook(const struct probe *p, char *err, size_t size)
{
	for (size_t i = 0; i < PROBE_FEATURES; i++) {
		if (!probe_features[i].is_required || !probe_is_of_tier(p, i) || !p->reasons[i][0])
			continue;
		if (p->is_absent[i]) {
			snprintf(err, size, "%s, which Linux 6.3 and later have", p->reasons[i]);
			return PROBE_TOO_OLD;
		}
		snprintf(err, size, "this kernel refuses %s (%s)", probe_features[i].name,
			 p->reasons[i]);
		return PROBE_FAILED;
	}
	return PROBE_OK;
}

static enum probe_error load_tier(struct probe *p, const struct probe_opts *opts,
				  enum probe_tier tier, char *err, size_t size)
{
	enum probe_error verdict;
	bool can_attach;
	int rc;

	p->tier = tier;
	can_attach = p->means != UPROBE_BY_NOBODY;
	p->is_tls = opts->tls && can_attach;
	p->is_propagating = opts->propagate;
	snprintf(p->propagate_off, sizeof(p->propagate_off), "not asked for");
	/* which socket is meant is told by its cookie, which is no identity in the other tier */
	p->is_go = tier == PROBE_TIER_SOCKET && can_attach;
	if (!opts->tls || rights_uprobes(p->tls_off, sizeof(p->tls_off)))
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

enum probe_error probe_load(struct probe *p, const struct probe_opts *opts, char *err, size_t size)
{
	enum probe_error first = PROBE_OK, second;
	char why[256], also[256];

	libbpf_set_print(on_libbpf);
	p->means = uprobe_means();
	p->is_bare = getenv("BPF_BARE") != NULL; /* for tests: docs/kernels.md */
	if (opts->tier != PROBE_TIER_SYSCALL) {
		first = load_tier(p, opts, PROBE_TIER_SOCKET, why, sizeof(why));
		if (first == PROBE_OK)
			return first;
		if (first == PROBE_NO_RIGHTS || opts->tier == PROBE_TIER_SOCKET) {
			snprintf(err, size, "cannot observe: %s", why);
			return first;
		}
		for (size_t i = 0; i < PROBE_FEATURES; i++)
			if (probe_features[i].tiers ==
			    (1U << PROBE_TIER_SOCKET | 1U << PROBE_TIER_SYSCALL))
				p->reasons[i][0] = '\0';
	}
	second = load_tier(p, opts, PROBE_TIER_SYSCALL, also, sizeof(also));
	if (second == PROBE_OK)
		return second;
	snprintf(err, size, "cannot observe: Linux 5.15 is the oldest that can work, and %s%s%s",
		 first ? why : "", first ? ", and " : "", also);
	return first == PROBE_TOO_OLD ? first : second;
}
