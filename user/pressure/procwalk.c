// SPDX-License-Identifier: Apache-2.0
#include "pressure/procwalk.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "pressure/procwalk_impl.h"
#include "util/clock.h"

enum { SWEPT_MAX = 1024 };

#define WALK_EVERY_NS (5 * NS_PER_S) /* from one walk's beginning to the next one's */
#define GONE_NS	      (300 * NS_PER_S)

struct procwalk *procwalk_new(const struct procwalk_opts *opts)
{
	struct procwalk *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->opts = *opts;
	if (!w->opts.proc)
		w->opts.proc = "/proc";
	w->stalls =
		stalls_open(&(struct stalls_opts){ .proc = w->opts.proc, .root = w->opts.cgroups });
	return w;
}

void procwalk_free(struct procwalk *w)
{
	uint64_t key;
	void *value;

	if (!w)
		return;
	if (w->dir)
		closedir(w->dir);
	for (size_t i = 0; map_next(&w->walked, &i, &key, &value);)
		free(value);
	for (size_t i = 0; map_next(&w->services, &i, &key, &value);)
		free(value);
	procwalk_free_heirs(w);
	procwalk_free_network(w);
	procwalk_free_ended(w);
	map_free(&w->walked);
	map_free(&w->services);
	stalls_close(w->stalls);
	free(w->order);
	free(w);
}

/* The sums of a service. NULL: out of memory. */
static struct sums *sums_of(struct procwalk *w, const struct service *service)
{
	struct sums *s = map_get(&w->services, service->id);

	if (s)
		return s;
	s = calloc(1, sizeof(*s));
	if (!s || map_put(&w->services, service->id, s) < 0) {
		free(s);
		return NULL;
	}
	s->service = service;
	return s;
}

/* What was used since the last look goes to the service, so that nothing falls when a process ends.
 * One that is older than us begins to count now. */
void procwalk_account(struct sums *s, const struct usage *before, const struct usage *now)
{
	s->user_ns += procwalk_more(now->user_ns, before->user_ns);
	s->system_ns += procwalk_more(now->system_ns, before->system_ns);
}

static void forget(struct procwalk *w, struct walked *p)
{
	map_del(&w->walked, p->tgid);
	free(map_del(&w->inherited, p->tgid));
	free(map_del(&w->network, p->tgid));
	p->sums->held--;
	free(p);
}

/* Found for the first time, by the walk or by its end. */
static struct walked *meet(struct procwalk *w, uint32_t tgid, uint64_t now_ns)
{
	const struct process *who = process_get(w->opts.procs, tgid, now_ns);
	struct walked *p;
	struct sums *s;

	if (w->walked.n >= PROCWALK_MAX || !who->service)
		return NULL;
	s = sums_of(w, who->service);
	p = s ? calloc(1, sizeof(*p)) : NULL;
	if (!p || map_put(&w->walked, tgid, p) < 0) {
		free(p);
		return NULL;
	}
	p->tgid = tgid;
	p->sums = s;
	s->alive++;
	s->held++;
	return p;
}

static void die(struct walked *p, uint64_t now_ns)
{
	if (p->gone_ns)
		return;
	p->gone_ns = now_ns;
	p->sums->idle_ns = now_ns;
	p->sums->alive--;
}

/* Who a process is can turn out later, when it has executed its program. */
static void follow_service(struct procwalk *w, struct walked *p, uint64_t now_ns)
{
	const struct process *who = process_get(w->opts.procs, p->tgid, now_ns);
	struct sums *s = who->service ? sums_of(w, who->service) : NULL;

	if (!s || s == p->sums || p->gone_ns)
		return;
	p->sums->idle_ns = now_ns;
	p->sums->alive--;
	p->sums->held--;
	p->sums = s;
	s->alive++;
	s->held++;
}

const struct service *procwalk_service_of_group(const struct procwalk *w, uint64_t group)
{
	const struct service *found = NULL;
	uint64_t key;
	void *value;

	for (size_t i = 0; map_next(&w->services, &i, &key, &value);) {
		const struct sums *s = value;

		if (s->stalls.group != group)
			continue;
		if (found)
			return NULL;
		found = s->service;
	}
	return found;
}

/* Once in a walk: an instance of a service is in one control group, and where it is not, the first
 * of its processes says in which. */
static void read_stalls(struct procwalk *w, struct sums *s, uint32_t tgid)
{
	if (!w->stalls || s->stalls_walk == w->walk)
		return;
	s->stalls_walk = w->walk;
	s->has_stalls = stalls_read(w->stalls, tgid, &s->stalls);
}

static void forget_past(struct procwalk *w, struct walked *p, const struct usage *u)
{
	free(map_del(&w->inherited, p->tgid));
	p->counted_read = u->read_bytes;
	p->counted_written = u->written_bytes;
}

static void look_at(struct procwalk *w, uint32_t tgid, uint64_t now_ns)
{
	struct walked *p = map_get(&w->walked, tgid);
	struct usage u;

	if (tgid == w->opts.self_tgid || (w->opts.asks && !w->opts.asks(w->opts.ctx, tgid)))
		return;
	if (!usage_read(w->opts.proc, tgid, &u) || u.is_kernel)
		return;
	if (u.is_over && (!p || p->gone_ns)) /* its end told all, or will */
		return;
	if (p && (p->gone_ns || p->usage.start_ns != u.start_ns)) {
		/* another one of the same number */
		die(p, now_ns);
		forget(w, p);
		p = NULL;
	}
	if (!p) {
		p = meet(w, tgid, now_ns);
		if (!p) {
			w->left_out++;
			return;
		}
		/* commands that end between two walks are no service that restarts */
		p->sums->restarts += p->sums->was_walked && p->sums->alive == 1;
		p->sums->was_walked = true;
		/* one that began before us brings a past that is not told */
		if (w->has_walked)
			procwalk_account(p->sums, &p->usage, &u);
		else
			forget_past(w, p, &u);
	} else {
		follow_service(w, p, now_ns);
		procwalk_account(p->sums, &p->usage, &u);
		procwalk_account_io(w, p, p->usage.read_bytes, p->usage.written_bytes);
		p->score = p->score / 2 + procwalk_more(u.user_ns + u.system_ns,
							p->usage.user_ns + p->usage.system_ns);
	}
	p->usage = u;
	p->walk = w->walk;
	read_stalls(w, p->sums, tgid);
}

/* Those that no walk met are gone; their series, after a while. */
static void sweep_processes(struct procwalk *w, uint64_t now_ns)
{
	struct walked *gone[SWEPT_MAX];
	size_t n = 0;
	uint64_t key;
	void *value;

	for (size_t i = 0; map_next(&w->walked, &i, &key, &value);) {
		struct walked *p = value;

		if (p->walk != w->walk)
			die(p, now_ns);
		if (p->gone_ns && now_ns - p->gone_ns > GONE_NS && n < SWEPT_MAX)
			gone[n++] = p;
	}
	while (n > 0)
		forget(w, gone[--n]);
}

/* After the last of their processes. */
static void sweep_services(struct procwalk *w, uint64_t now_ns)
{
	uint64_t gone[SWEPT_MAX], key;
	size_t n = 0;
	void *value;

	for (size_t i = 0; map_next(&w->services, &i, &key, &value);) {
		const struct sums *s = value;

		if (!s->held && now_ns - s->idle_ns > GONE_NS && n < SWEPT_MAX)
			gone[n++] = key;
	}
	while (n > 0)
		free(map_del(&w->services, gone[--n]));
}

void procwalk_turn(struct procwalk *w, uint64_t now_ns, uint64_t budget_ns)
{
	uint64_t end_ns = clock_mono_ns() + budget_ns;
	const struct dirent *d;

	if (!w->dir) {
		if (w->began_ns && now_ns - w->began_ns < WALK_EVERY_NS)
			return;
		w->dir = opendir(w->opts.proc);
		if (!w->dir)
			return;
		w->began_ns = now_ns;
		w->walk++;
		w->left_out = 0;
	}
	do {
		uint32_t tgid;

		d = readdir(w->dir);
		if (!d) {
			closedir(w->dir);
			w->dir = NULL;
			sweep_processes(w, now_ns);
			procwalk_sweep_ended(w, now_ns);
			sweep_services(w, now_ns);
			procwalk_sweep_network(w);
			w->has_walked = true;
			return;
		}
		tgid = (uint32_t)strtoul(d->d_name, NULL, 10);
		if (tgid)
			look_at(w, tgid, now_ns);
	} while (clock_mono_ns() < end_ns);
}

/* wait(2)'s status: a signal in the low seven bits, else the exit code above the low byte. */
static void count_exit(struct procwalk *w, const struct service *service,
		       const struct sonde_ev_exit *ev)
{
	uint32_t signal = ev->code & 0x7f, code = signal ? signal : ev->code >> 8 & 0xff;
	struct series *s;
	char text[8];
	int n = snprintf(text, sizeof(text), "%u", code);
	bool is_oom = ev->h.flags & SONDE_F_OOM;
	const struct slice values[] = {
		slice_str(is_oom   ? "oom"
			  : signal ? "signal"
				   : "exit"),
		{ (uint8_t *)text, (size_t)n },
	};

	s = series_get(w->opts.store, METRIC_PROCESS_EXITS, service, values, ev->h.ts_ns);
	if (s)
		s->value++;
	s = is_oom ? series_get(w->opts.store, METRIC_OOM_KILLS, service, NULL, ev->h.ts_ns) : NULL;
	if (s)
		s->value++;
}

void procwalk_full(const struct procwalk *w, struct fulls *full)
{
	full->n[FULL_PROCESS_CHILDREN] = w->no_heirs;
	full->n[FULL_PROCESS_ENDS] = w->no_ends;
	full->n[FULL_PROCESS_BYTES] = w->no_bytes;
}

void procwalk_exit(struct procwalk *w, const struct sonde_ev_exit *ev)
{
	struct walked *p = map_get(&w->walked, ev->tgid);
	uint32_t heir = procwalk_heir_of(w, ev);
	struct usage end;
	bool is_short;

	if (p && p->gone_ns) {
		forget(w, p);
		p = NULL;
	}
	is_short = !p;
	if (!p)
		p = meet(w, ev->tgid, ev->h.ts_ns);
	if (!p) {
		procwalk_bequeath_all(w, ev, heir);
		return;
	}
	follow_service(w, p, ev->h.ts_ns);
	if (ev->h.size >= sizeof(*ev)) {
		end = p->usage;
		usage_end(&end, ev->run_ns, ev->user_ns, ev->system_ns);
		end.read_bytes = ev->read_bytes;
		end.written_bytes = ev->written_bytes;
		procwalk_account(p->sums, &p->usage, &end);
		procwalk_account_io(w, p, ev->read_bytes, ev->written_bytes);
		p->usage = end;
	}
	procwalk_bequeath_all(w, ev, heir);
	procwalk_ended(w, p, ev, heir);
	p->walk = w->walk;
	die(p, ev->h.ts_ns);
	count_exit(w, p->sums->service, ev);
	if (is_short) /* it has no series of its own to be kept for a while */
		forget(w, p);
}
