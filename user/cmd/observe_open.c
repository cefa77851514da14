/* SPDX-License-Identifier: Apache-2.0 */
/* What observing is made of, put together: each part is told what the others come to know. */
#include "cmd/observe_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "capture/go_files.h"
#include "capture/live.h"
#include "capture/propagate.h"
#include "capture/recording.h"
#include "capture/rights.h"
#include "capture/tls.h"
#include "cmd/inquiry.h"
#include "cmd/sweep.h"
#include "identity/namespaces.h"
#include "util/clock.h"
#include "util/log.h"

#define SETTLE_NS (NS_PER_S / 4) /* for the names of containers, before anything is said */

static void on_go(void *ctx, uint32_t tgid)
{
	struct observer *o = ctx;

	probe_set_process(o->probe, tgid, SONDE_P_GO);
	go_files_seen(o->go_files, tgid);
}

static void on_encrypted(void *ctx, uint32_t tgid)
{
	struct observer *o = ctx;

	tls_seen(o->tls, tgid, clock_mono_ns());
}

static uint64_t tls_since(void *ctx, uint32_t tgid)
{
	struct observer *o = ctx;
	uint64_t since_ns = go_files_tls_since(o->go_files, tgid);

	return since_ns ? since_ns : tls_watched_since(o->tls, tgid);
}

static const char *library_of(void *ctx, uint32_t tgid)
{
	struct observer *o = ctx;

	if (go_files_tls_since(o->go_files, tgid))
		return "go";
	return tls_library_of_process(o->tls, tgid);
}

static void on_where(void *ctx, uint32_t tgid, bool is_inside)
{
	struct observer *o = ctx;

	probe_say_where(o->probe, tgid, is_inside);
	/* its beginning was not told, and it may be gone when it is needed: who it is, now */
	if (is_inside)
		process_get(o->pipeline.procs, tgid, clock_mono_ns());
}

static void process_ends(struct observer *o, uint32_t tgid)
{
	tls_exited(o->tls, tgid);
	go_files_exited(o->go_files, tgid);
}

static void process_begins(struct observer *o, const struct sonde_ev_exec *ev)
{
	tls_execed(o->tls, ev->tgid, ev->filename, clock_mono_ns());
	go_files_exec(o->go_files, ev->tgid);
}

static void on_life(void *ctx, const struct sonde_ev_hdr *h)
{
	struct observer *o = ctx;

	if (h->kind == SONDE_EV_FORK)
		tls_forked(o->tls, ((const struct sonde_ev_fork *)h)->ppid,
			   ((const struct sonde_ev_fork *)h)->tgid);
	else if (h->kind == SONDE_EV_EXIT)
		process_ends(o, ((const struct sonde_ev_exit *)h)->tgid);
	else if (h->kind == SONDE_EV_MET)
		namespaces_met(o->namespaces, ((const struct sonde_ev_met *)h)->tgid);
	else
		process_begins(o, (const struct sonde_ev_exec *)h);
}

/* Observing works without it, but not without the right to do it, as with every other. */
static int open_propagate(struct observer *o)
{
	char *why = o->propagate_off;

	if (o->config->propagate == PROPAGATE_OFF)
		return 0;
	if (!rights_propagate(why, sizeof(o->propagate_off))) {
		log_error("%s", why);
		return -EPERM;
	}
	o->propagate = propagate_open(o->probe, why, sizeof(o->propagate_off));
	if (!o->propagate)
		log_warn("no traceparent is put into requests: %s", why);
	else if (propagate_is_brief(o->propagate))
		log_warn("only the first request of each connection gets a "
			 "traceparent: " PROPAGATE_BRIEFLY);
	return 0;
}

static int open_probe(struct observer *o)
{
	const struct config *c = o->config;
	struct probe_opts opts = {
		.filter = c->filter,
		.ring_size = c->ring_size,
		.tier = c->tier,
		.stats = c->stats,
		.tls = c->tls,
		.propagate = c->propagate != PROPAGATE_OFF,
		.sampled_below = sampler_env().most,
	};
	char err[512];

	if (probe_open(&opts, &o->probe, err, sizeof(err))) {
		log_error("%s", err);
		return EXIT_CANNOT;
	}
	o->source = live_open(o->probe);
	if (!o->source) {
		log_error("cannot read the ring: %s", strerror(errno));
		return EXIT_CANNOT;
	}
	if (open_propagate(o))
		return EXIT_CANNOT;
	o->go_files = go_files_open(o->probe);
	o->tls = tls_open(o->probe);
	if (!o->tls && c->tls)
		log_warn("no plaintext of TLS: %s", probe_tls_off(o->probe));
	return 0;
}

static int open_recorder(struct observer *o, const char *path)
{
	char err[512];

	if (!path)
		return 0;
	o->recorder = recorder_open(path, o->source->realtime_offset_ns, err, sizeof(err));
	if (!o->recorder) {
		log_error("%s", err);
		return EXIT_CANNOT;
	}
	log_warn("%s will hold what the observed programs send and receive, secrets included: keep "
		 "it safe",
		 path);
	return 0;
}

static int open_pipeline(struct observer *o)
{
	struct pipeline_opts opts = {
		.source = o->source,
		.recorder = o->recorder,
		.is_live = true,
		.routes = o->config->routes,
		.containers = inquiry_containers(o->inquiry),
		.addresses = inquiry_addresses(o->inquiry),
		.sampler = sampler_env(),
		.keep_errors = config_keeps(o->config, "errors"),
		.keep_slow = config_keeps(o->config, "slow"),
		.protocols = o->config->protocol_mask,
		.on_go = on_go,
		.on_encrypted = on_encrypted,
		.on_life = on_life,
		.library_of = library_of,
		.tls_since = tls_since,
		.ctx = o,
	};

	if (pipeline_init(&o->pipeline, &opts))
		return -ENOMEM;
	o->is_pipeline = true;
	o->sweeper = sweeper_new(o->probe, &o->pipeline);
	return o->sweeper ? 0 : -ENOMEM;
}

/* Asked before attaching, which takes longer than an answer. */
static int open_inquiry(struct observer *o)
{
	o->inquiry = inquiry_open(o->config);
	if (!o->inquiry)
		return -ENOMEM;
	o->reach = inquiry_reach(o->inquiry);
	return 0;
}

/* Which processes are in pods of the namespaces asked for. Those that are there are looked at when
 * their containers are known. */
static int open_namespaces(struct observer *o)
{
	const struct asked *asked[INQUIRY_MAX];
	const struct config *c = o->config;

	if (!c->namespaces.n)
		return 0;
	if (!inquiry_asked(o->inquiry, asked))
		log_warn("--namespace: there is nobody to ask which pods are of it (--kubernetes, "
			 "--cri, --docker), and so nothing is observed");
	o->namespaces = namespaces_new(&(struct namespaces_opts){
		.names = c->namespaces.v,
		.n_names = c->namespaces.n,
		.containers = inquiry_containers(o->inquiry),
		.on_known = on_where,
		.ctx = o,
	});
	return o->namespaces ? 0 : -ENOMEM;
}

static int join_inquiry(struct observer *o)
{
	inquiry_settle(o->inquiry, SETTLE_NS);
	if (o->namespaces)
		namespaces_walk(o->namespaces);
	return inquiry_join(o->inquiry, o->loop);
}

int observer_open(struct observer *o, const struct cmd_args *args, const char *recording,
		  uint64_t duration_ns)
{
	int err;

	*o = (struct observer){
		.config = args->config,
		.args = args,
		.governor = { .keep = SONDE_KEEP_ALL },
	};
	err = observer_open_loop(o);
	if (!err)
		err = open_inquiry(o);
	if (err)
		goto fail;
	err = open_probe(o);
	if (!err)
		err = open_recorder(o, recording);
	if (err)
		return err;
	err = open_pipeline(o);
	if (!err)
		err = open_namespaces(o);
	if (!err)
		err = observer_open_timers(o, duration_ns);
	if (!err)
		err = join_inquiry(o);
	if (!err)
		return 0;
fail:
	log_error("cannot start: %s", strerror(-err));
	return EXIT_CANNOT;
}
