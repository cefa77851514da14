/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/observe_impl.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include "capture/go_files.h"
#include "capture/propagate.h"
#include "capture/recording.h"
#include "capture/tls.h"
#include "cmd/inquiry.h"
#include "cmd/sweep.h"
#include "identity/namespaces.h"
#include "util/clock.h"
#include "util/log.h"

enum {
	BUDGET = 4096, /* records of one turn */
	PROGRAMS_MAX = 64,
};

#define POLL_BUSY_NS  (5 * NS_PER_MS)
#define POLL_IDLE_NS  (50 * NS_PER_MS)
#define POLL_AGAIN_NS (NS_PER_MS / 5) /* the budget was used up: more is waiting */
#define SWEEP_NS      (5 * NS_PER_S)
#define CPU_WINDOW_NS (2 * NS_PER_S)
#define RELEASE_NS    (NS_PER_S / 4)

const char *tier_name(enum probe_tier tier)
{
	switch (tier) {
	case PROBE_TIER_SOCKET: return "socket";
	case PROBE_TIER_SYSCALL: return "syscall";
	case PROBE_TIER_AUTO: break;
	}
	return "auto";
}

size_t observer_programs(const struct observer *o, size_t *of)
{
	struct probe_program programs[PROGRAMS_MAX];
	size_t n = 0, total = probe_programs(o->probe, programs, PROGRAMS_MAX);

	for (size_t i = 0; i < total; i++)
		n += programs[i].is_attached;
	if (of)
		*of = total;
	return n;
}

/* A question may have had its answer in one of them: told before time goes on. */
static void tell_lost(struct observer *o, uint64_t now_ns)
{
	uint64_t counters[SONDE_CNT_MAX], lost;

	probe_counters(o->probe, counters);
	lost = counters[SONDE_CNT_LOST_DATAGRAM];
	if (lost != o->lost_datagrams)
		pipeline_lost(&o->pipeline, lost - o->lost_datagrams, now_ns);
	o->lost_datagrams = lost;
}

static void turn_clock(struct observer *o, uint64_t now_ns)
{
	o->ticked_ns = now_ns;
	tell_lost(o, now_ns);
	pipeline_tick(&o->pipeline, now_ns);
}

/* What waits for evidence of others waits no longer than it must when nothing comes any more. */
static void release(struct observer *o)
{
	uint64_t now_ns = clock_mono_ns();

	if (pipeline_holds(&o->pipeline) && now_ns - o->ticked_ns >= RELEASE_NS) {
		turn_clock(o, now_ns);
		if (o->on_turn)
			o->on_turn(o->ctx);
	}
}

static void on_poll(void *ctx)
{
	struct observer *o = ctx;
	int n = pipeline_read(&o->pipeline, BUDGET);
	uint64_t wait_ns = o->poll_ns;

	go_files_turn(o->go_files);
	tls_turn(o->tls, clock_mono_ns());
	if (n >= BUDGET)
		wait_ns = POLL_AGAIN_NS;
	else if (n > 0)
		wait_ns = POLL_BUSY_NS;
	else if (wait_ns < POLL_IDLE_NS)
		wait_ns = wait_ns * 2 < POLL_IDLE_NS ? wait_ns * 2 : POLL_IDLE_NS;
	if (wait_ns != o->poll_ns) {
		o->poll_ns = wait_ns;
		loop_timer_set(o->poll_timer, wait_ns);
	}
	if (n <= 0)
		release(o);
	if (n > 0 && o->on_turn)
		o->on_turn(o->ctx);
}

static uint64_t cpu_used_ns(void)
{
	return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

static void watch_cpu(struct observer *o, uint64_t now_ns)
{
	uint32_t keep, was = o->governor.keep;
	uint64_t used;

	if (now_ns - o->cpu_at_ns < CPU_WINDOW_NS)
		return;
	used = cpu_used_ns();
	o->cpu_cores = (double)(used - o->cpu_used_ns) / (double)(now_ns - o->cpu_at_ns);
	o->cpu_at_ns = now_ns;
	o->cpu_used_ns = used;
	keep = governor_turn(&o->governor, o->cpu_cores, o->config->cpu_limit);
	if (keep == was)
		return;
	pipeline_shed(&o->pipeline, keep, now_ns);
	if (keep > was || o->is_cpu_told)
		return;
	o->is_cpu_told = true;
	log_warn("sonde itself used %.2f cores, more than --cpu-limit %g: it now leaves out "
		 "connections (sonde_sample_ratio says how many it keeps); observe less with "
		 "--port, --comm or --exclude-comm, or allow more",
		 o->cpu_cores, o->config->cpu_limit);
}

static void watch_go(struct observer *o, uint64_t now_ns)
{
	const struct go_stats *st = o->go_files ? go_files_stats(o->go_files) : NULL;

	go_files_tick(o->go_files, now_ns);
	if (!st || o->is_go_told || !(st->failed + st->left_out))
		return;
	o->is_go_told = true;
	log_warn("Go programs that cannot be watched: %" PRIu64 " refused by the kernel, %" PRIu64
		 " beyond %d; sonde check --pid says more of one",
		 st->failed, st->left_out, GO_FILES_MAX);
}

static void on_second(void *ctx)
{
	struct observer *o = ctx;
	uint64_t now_ns = clock_mono_ns();

	turn_clock(o, now_ns);
	probe_tick(o->probe);
	if (o->namespaces)
		namespaces_tick(o->namespaces);
	propagate_tick(o->propagate);
	tls_tick(o->tls, now_ns);
	watch_go(o, now_ns);
	watch_cpu(o, now_ns);
	if (o->on_turn)
		o->on_turn(o->ctx);
	if (o->on_tick)
		o->on_tick(o->ctx, now_ns);
}

static void on_sweep(void *ctx)
{
	struct observer *o = ctx;

	sweeper_turn(o->sweeper, clock_mono_ns());
}

static void on_end_asked(void *ctx)
{
	observer_stop(ctx);
}

static void on_hup(void *ctx)
{
	struct observer *o = ctx;

	config_reload(o->config, o->args->argc, o->args->argv);
	o->is_cpu_told = false;
}

int observer_open_loop(struct observer *o)
{
	int err;

	o->loop = loop_new();
	if (!o->loop)
		return -errno;
	err = loop_signal(o->loop, SIGTERM, on_end_asked, o);
	if (!err)
		err = loop_signal(o->loop, SIGINT, on_end_asked, o);
	if (!err)
		err = loop_signal(o->loop, SIGHUP, on_hup, o);
	return err;
}

int observer_open_timers(struct observer *o, uint64_t duration_ns)
{
	int err;

	o->poll_ns = POLL_BUSY_NS;
	o->poll_timer = loop_timer(o->loop, o->poll_ns, on_poll, o);
	if (o->poll_timer < 0)
		return o->poll_timer;
	err = loop_watch_edge(o->loop, probe_ring_fd(o->probe), on_poll, o);
	if (err)
		return err;
	err = loop_timer(o->loop, NS_PER_S, on_second, o);
	if (err >= 0)
		err = loop_timer(o->loop, SWEEP_NS, on_sweep, o);
	if (err >= 0 && duration_ns)
		err = loop_timer(o->loop, duration_ns, on_end_asked, o);
	return err < 0 ? err : 0;
}

static void say_observing(const struct observer *o, const char *where)
{
	size_t of, n = observer_programs(o, &of);
	char line[256];

	snprintf(line, sizeof(line), "observing (%s tier, %zu of %zu programs%s%s)",
		 tier_name(probe_tier(o->probe)), n, of, where ? ", " : "", where ? where : "");
	/* others wait for this line: it is printed at every level */
	if (o->config->log_json)
		log_at(LOG_ERROR, "%s", line);
	else
		fprintf(stderr, "sonde: %s\n", line);
}

/* What the kernel had already handed over belongs to the result, however long that takes. Bounded
 * by what the ring can hold, since records may come as fast as they are taken. */
static void drain(struct observer *o)
{
	size_t left = probe_ring_size(o->probe) / sizeof(struct sonde_ev_hdr);
	int n;

	while (left > 0 && (n = pipeline_read(&o->pipeline, BUDGET)) > 0)
		left -= (size_t)n < left ? (size_t)n : left;
	tell_lost(o, clock_mono_ns());
	pipeline_tick(&o->pipeline, clock_mono_ns());
	pipeline_end(&o->pipeline);
	if (o->on_turn)
		o->on_turn(o->ctx);
}

/* Not every command has metrics that it could be read from, and a recording does not hold it. */
static void say_lost(const struct observer *o)
{
	static const enum sonde_counter full[] = { SONDE_CNT_LOST_REQUEST, SONDE_CNT_LOST_RESPONSE,
						   SONDE_CNT_LOST_CONTROL,
						   SONDE_CNT_LOST_DATAGRAM };
	uint64_t counters[SONDE_CNT_MAX], lost = 0;

	probe_counters(o->probe, counters);
	for (size_t i = 0; i < sizeof(full) / sizeof(full[0]); i++)
		lost += counters[full[i]];
	if (lost)
		log_warn("%" PRIu64 " records found no room in the ring, and what they told of is "
			 "missing: --ring-size makes room for more",
			 lost);
}

/* Observing works without it; what is missing is said. */
static void give_up_rights(const struct observer *o)
{
	char err[128];

	if (confine(o->reach, probe_needs_perf(o->probe), err, sizeof(err)))
		log_warn("%s: going on with more rights than needed", err);
}

int observer_run(struct observer *o, const char *where)
{
	int err;

	o->cpu_at_ns = clock_mono_ns();
	o->cpu_used_ns = cpu_used_ns();
	give_up_rights(o);
	say_observing(o, where);
	err = loop_run(o->loop);
	if (err) {
		log_error("the event loop failed: %s", strerror(-err));
		return EXIT_CANNOT;
	}
	if (o->on_end)
		o->on_end(o->ctx);
	drain(o);
	say_lost(o);
	return EXIT_DONE;
}

static void close_recorder(struct observer *o)
{
	int err;

	if (!o->recorder)
		return;
	err = recorder_close(o->recorder, &o->recorded);
	o->recorder = NULL;
	if (o->recorded.failed || err)
		log_error("the recording is not complete: %" PRIu64
			  " records could not be written%s%s",
			  o->recorded.failed, err ? ": " : "", err ? strerror(-err) : "");
}

int observer_record(struct observer *o, const char *path, char *err, size_t size)
{
	if (!path) {
		pipeline_record_to(&o->pipeline, NULL);
		close_recorder(o);
		return 0;
	}
	o->recorder = recorder_open(path, o->source->realtime_offset_ns, err, size);
	if (!o->recorder)
		return -1;
	pipeline_record_to(&o->pipeline, o->recorder);
	return 0;
}

void observer_stop(struct observer *o)
{
	loop_stop(o->loop);
}

void observer_close(struct observer *o)
{
	sweeper_free(o->sweeper);
	if (o->is_pipeline)
		pipeline_free(&o->pipeline);
	close_recorder(o);
	if (o->source)
		o->source->ops->close(o->source);
	propagate_close(o->propagate);
	go_files_close(o->go_files);
	tls_close(o->tls);
	probe_close(o->probe);
	namespaces_free(o->namespaces);
	inquiry_close(o->inquiry);
	loop_free(o->loop);
}
