/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "capture/go_program.h"
#include "capture/tls_dark.h"
#include "capture/tls_maps.h"
#include "cmd/check_report.h"
#include "identity/process.h"
#include "identity/procfs.h"
#include "pressure/stalls.h"
#include "util/clock.h"
#include "util/log.h"

/* Unless --duration says how long. Of one process most is known without any traffic. */
#define WATCH_NS     (2 * NS_PER_S)
#define WATCH_ONE_NS (150 * NS_PER_MS)
#define ASKED_NS     (2 * NS_PER_S) /* for an answer, beside the watch */

static void on_mapped(void *ctx, const struct tls_mapped *m)
{
	struct check_process *p = ctx;
	struct tls_symbols symbols;
	char path[TLS_PATH_MAX];
	int err;

	if (p->is_tls_read)
		return;
	tls_maps_path(p->pid, m, path, sizeof(path));
	err = tls_symbols_read(path, &symbols);
	if (!err && symbols.rustls_off) {
		p->tls_name = tls_library_name(TLS_LIB_RUSTLS);
		snprintf(p->tls_library, sizeof(p->tls_library), "%s", m->path);
		snprintf(p->tls_why, sizeof(p->tls_why), "%s", symbols.rustls_off);
		return;
	}
	if (m->library == TLS_LIB_NONE && (err || symbols.library == TLS_LIB_NONE))
		return; /* the program itself, like most without one */
	snprintf(p->tls_library, sizeof(p->tls_library), "%s", m->path);
	p->is_tls_read = !err && symbols.library != TLS_LIB_NONE;
	p->tls_name = tls_library_name(p->is_tls_read ? symbols.library : m->library);
	if (err)
		snprintf(p->tls_why, sizeof(p->tls_why), "its file cannot be read: %s",
			 strerror(-err));
	else if (!p->is_tls_read)
		snprintf(p->tls_why, sizeof(p->tls_why),
			 "its functions are not among the symbols of its file");
	else
		p->tls_why[0] = '\0';
}

/* Does the program itself encrypt, by Go's own library? */
static bool find_go(struct check_process *p)
{
	struct go_program program = { .tls_off = NULL };
	char path[64];
	int fd, err;

	snprintf(path, sizeof(path), "/proc/%u/exe", p->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	err = go_program_read(fd, &program);
	close(fd);
	if (err || (!program.has_tls && !program.tls_off))
		return false;
	snprintf(p->tls_library, sizeof(p->tls_library), "%s", p->exe);
	p->tls_name = "go";
	p->is_tls_read = !program.tls_off;
	if (program.tls_off)
		snprintf(p->tls_why, sizeof(p->tls_why), "%s", program.tls_off);
	return true;
}

static void find_tls_library(struct check_process *p)
{
	int err = tls_maps_each(p->pid, on_mapped, p);
	const struct tls_dark *dark;

	if (err)
		snprintf(p->tls_why, sizeof(p->tls_why), "its maps cannot be read: %s",
			 strerror(-err));
	if (err || p->tls_name)
		return;
	dark = tls_dark_of(p->pid);
	if (!dark)
		return;
	p->tls_name = dark->library;
	snprintf(p->tls_why, sizeof(p->tls_why), "%s", dark->why);
}

static void look_at(struct check_process *out, uint32_t pid)
{
	struct processes_opts opts = { .is_live = true };
	struct processes *ps = processes_new(&opts);
	const struct process *proc;
	struct procfs_stat st;
	ssize_t n;

	out->pid = pid;
	out->is_found = procfs_stat("/proc", pid, &st) == 0;
	if (out->is_found && ps) {
		proc = process_get(ps, pid, clock_mono_ns());
		processes_tick(ps, clock_mono_ns()); /* what is looked up lazily */
		proc = process_get(ps, pid, clock_mono_ns());
		out->is_go = proc->is_go;
		snprintf(out->comm, sizeof(out->comm), "%s", proc->comm);
		snprintf(out->service, sizeof(out->service), "%s", proc->service->name);
		n = procfs_link("/proc", pid, "exe", out->exe, sizeof(out->exe) - 1);
		out->exe[n > 0 ? n : 0] = '\0';
		if (!out->is_go || !find_go(out))
			find_tls_library(out);
	}
	processes_free(ps);
}

static void look(struct check_report *r, struct probe *probe, struct watch **watch)
{
	r->tier = probe_tier(probe);
	r->n_programs = probe_programs(probe, r->programs, CHECK_PROGRAMS_MAX);
	r->ring_size = probe_ring_size(probe);
	r->propagate_memory = probe_propagate_memory(probe);
	r->bpf_memory = probe_map_memory(probe) - r->propagate_memory;
	*watch = watch_run(probe, r->watched_ns);
	if (!*watch)
		log_warn("cannot observe for a moment: %s", strerror(errno));
	else /* what was counted meanwhile, with --probe-stats on */
		r->n_programs = probe_programs(probe, r->programs, CHECK_PROGRAMS_MAX);
	r->watch = *watch;
}

static uint64_t how_long(const struct config *c)
{
	if (c->duration_ns)
		return c->duration_ns;
	return c->pid ? WATCH_ONE_NS : WATCH_NS;
}

int cmd_check(const struct cmd_args *a)
{
	const struct config *c = a->config;
	struct probe_opts opts = {
		.filter = c->filter,
		.ring_size = c->ring_size,
		.tier = c->tier,
		.stats = c->stats,
	};
	struct check_report *r = calloc(1, sizeof(*r));
	struct probe *probe = NULL;
	struct watch *watch = NULL;
	struct inquiry *inquiry;
	struct procfs_stat st;
	int res;

	if (c->pid && procfs_stat("/proc", c->pid, &st) < 0) {
		log_error("--pid: there is no process %u", c->pid);
		free(r);
		return EXIT_USAGE;
	}
	if (!r) {
		log_error("out of memory");
		return EXIT_CANNOT;
	}
	r->watched_ns = how_long(c);
	opts.propagate = rights_propagate(r->propagate_off, sizeof(r->propagate_off));
	inquiry = inquiry_open(c);
	uname(&r->kernel);
	r->n_missing = rights_missing(r->missing);
	r->has_stalls = stalls_check("/proc", r->stalls, sizeof(r->stalls));
	if (c->pid)
		look_at(&r->process, c->pid);
	if (r->process.is_tls_read)
		r->process.is_tls_read =
			rights_uprobes(r->process.tls_why, sizeof(r->process.tls_why));
	r->error = probe_open(&opts, &probe, r->reason, sizeof(r->reason));
	if (!r->error)
		look(r, probe, &watch);
	if (!r->error && opts.propagate) /* by the same programs, after the look */
		r->can_propagate = propagate_would(probe, &r->can_propagate_briefly,
						   r->propagate_off, sizeof(r->propagate_off));
	if (inquiry) {
		inquiry_settle(inquiry, ASKED_NS);
		r->n_asked = inquiry_asked(inquiry, r->asked);
	}
	res = r->error ? EXIT_CANNOT : EXIT_DONE;
	if (!c->json)
		check_text(r, stdout);
	else if (check_json(r, stdout))
		res = EXIT_CANNOT;
	fflush(stdout);
	watch_free(watch);
	inquiry_close(inquiry);
	probe_close(probe);
	free(r);
	return res;
}
