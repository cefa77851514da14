// SPDX-License-Identifier: Apache-2.0
/*
 * bench_waits PID SECONDS: observes the process as `sonde run --pid` does, with the hooks of waits
 * and pressure and without them in turns of a tenth of a second, which is too short for the machine
 * to drift. A line for each turn: whether they were there, how long it was, how much CPU time the
 * process used in it (ns).
 */
#include <bpf/libbpf.h>
#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "capture/live.h"
#include "capture/probe_parts.h"
#include "pipeline.h"
#include "util/clock.h"

enum { BUDGET = 4096, FILTERED = 1 };
#define TURN_NS	  (NS_PER_S / 10)
#define SETTLE_NS (NS_PER_S / 50) /* since hooks came or went */
#define TICK_NS	  (NS_PER_S / 10)

static const char *const hooks[] = {
	"sonde_switch",
	"sonde_rest",
	"sonde_oom",
	"sonde_reset_in",
	"sonde_reset_out",
	"sonde_disk",
	"sonde_disk_start",
	"sonde_reclaim",
	"sonde_reclaim_end",
	"sonde_reclaim_group",
	"sonde_reclaim_group_end",
};

struct bench {
	struct probe *probe;
	struct pipeline pipeline;
	clockid_t clock; /* of the process */
	uint64_t tick_ns;
};

static bool is_of_waits(size_t feature)
{
	for (size_t i = 0; i < sizeof(hooks) / sizeof(hooks[0]); i++)
		if (strcmp(probe_features[feature].name, hooks[i]) == 0)
			return true;
	return false;
}

static void detach(struct bpf_link **link)
{
	bpf_link__destroy(*link);
	*link = NULL;
}

static void attach(struct bpf_link **link, struct bpf_program *p)
{
	if (!p || *link)
		return;
	*link = bpf_program__attach(p);
	if (!*link)
		err(1, "cannot attach %s", bpf_program__name(p));
}

static void set_hooks(struct probe *p, bool are_there)
{
	for (size_t i = 0; i < PROBE_FEATURES; i++) {
		if (!is_of_waits(i))
			continue;
		if (are_there) {
			attach(&p->links[i], probe_program_of(p->skel, i));
			attach(&p->seconds[i], probe_second_of(p->skel, i));
		} else {
			detach(&p->links[i]);
			detach(&p->seconds[i]);
		}
	}
	p->skel->bss->switches_seen = are_there;
}

static uint64_t cpu_ns(const struct bench *b)
{
	struct timespec ts;

	if (clock_gettime(b->clock, &ts))
		err(1, "the process has ended");
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

/* What sonde does meanwhile. Returns the time when it is over. */
static uint64_t observe(struct bench *b, uint64_t duration_ns)
{
	const struct timespec pause = { .tv_nsec = NS_PER_MS };
	uint64_t now_ns = clock_mono_ns(), end_ns = now_ns + duration_ns;

	for (; now_ns < end_ns; now_ns = clock_mono_ns()) {
		if (pipeline_read(&b->pipeline, BUDGET) <= 0)
			nanosleep(&pause, NULL);
		if (now_ns - b->tick_ns < TICK_NS)
			continue;
		b->tick_ns = now_ns;
		pipeline_tick(&b->pipeline, now_ns);
	}
	return now_ns;
}

static void turn(struct bench *b, bool are_there)
{
	uint64_t since_ns, used_ns, now_ns;

	set_hooks(b->probe, are_there);
	since_ns = observe(b, SETTLE_NS);
	used_ns = cpu_ns(b);
	now_ns = observe(b, TURN_NS);
	printf("%s %llu %llu\n", are_there ? "with" : "without",
	       (unsigned long long)(now_ns - since_ns), (unsigned long long)(cpu_ns(b) - used_ns));
}

static void open_probe(struct bench *b, uint32_t pid)
{
	struct probe_opts opts = { .filter = { .n_pids = FILTERED, .pids = { pid } }, .tls = true };
	struct pipeline_opts flow = { .is_live = true, .routes = true };
	char why[256];

	if (probe_open(&opts, &b->probe, why, sizeof(why)) != PROBE_OK)
		errx(1, "%s", why);
	flow.source = live_open(b->probe);
	if (!flow.source || pipeline_init(&b->pipeline, &flow))
		err(1, "cannot observe");
}

int main(int argc, char **argv)
{
	struct bench b = { 0 };
	uint64_t end_ns;

	if (argc != 3)
		errx(2, "usage: bench_waits PID SECONDS");
	if (clock_getcpuclockid(atoi(argv[1]), &b.clock))
		errx(1, "no process %s", argv[1]);
	open_probe(&b, (uint32_t)atoi(argv[1]));
	end_ns = clock_mono_ns() + strtoull(argv[2], NULL, 10) * NS_PER_S;
	observe(&b, NS_PER_S);
	/* in the order with, without, without, with: what goes on evenly falls on both */
	while (clock_mono_ns() < end_ns) {
		turn(&b, true);
		turn(&b, false);
		turn(&b, false);
		turn(&b, true);
	}
	pipeline_free(&b.pipeline);
	probe_close(b.probe);
	return 0;
}
