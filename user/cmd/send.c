/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/send.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cmd/cmd.h"
#include "util/clock.h"
#include "util/log.h"
#include "version.h"

/* The end is due two seconds after it was asked for; up to one of them empties the ring. */
#define SEND_END_NS (400 * NS_PER_MS)

static struct series_store *collect(void *ctx)
{
	return stats_collect(ctx, clock_mono_ns());
}

static void publish(void *ctx, struct series_store *st, uint64_t now_ns)
{
	otlp_publish(ctx, st, now_ns);
}

static int start(struct send *s, struct observer *o)
{
	const struct otlp_opts opts = {
		.config = s->config,
		.host_name = *s->stats->host ? s->stats->host : NULL,
		.version = SONDE_VERSION,
		.realtime_offset_ns = o->source->realtime_offset_ns,
		.now_ns = s->stats->began_ns,
		.collect = collect,
		.ctx = s->stats,
	};
	struct exporter e;
	int err;

	s->otlp = otlp_open(&opts);
	if (!s->otlp)
		return -errno;
	err = otlp_join(s->otlp, o->loop);
	if (err)
		return err;
	otlp_exporter(s->otlp, &e);
	pipeline_add(&o->pipeline, &e);
	s->stats->publish = publish;
	s->stats->publish_ctx = s->otlp;
	if (s->config->of[OTLP_TRACES].is_on)
		red_exemplars(s->stats->red);
	o->reach = CONFINE_WORLD;
	return 0;
}

int send_open(struct send *s, const struct config *c, struct observer *o, struct stats *stats)
{
	int err = -ENOMEM;

	s->stats = stats;
	s->config = calloc(1, sizeof(*s->config));
	if (s->config) {
		otlp_config(s->config, c->otlp_endpoint, environ);
		err = otlp_is_wanted(s->config) ? start(s, o) : 0;
	}
	if (!err)
		return 0;
	if (err == -ENOSYS)
		log_error("cannot export over OTLP: this sonde was built without libcurl");
	else
		log_error("cannot export over OTLP: %s", strerror(-err));
	return EXIT_CANNOT;
}

void send_end(struct send *s)
{
	if (s->otlp)
		otlp_flush(s->otlp, SEND_END_NS);
}

void send_close(struct send *s)
{
	if (s->otlp)
		s->stats->publish = NULL;
	otlp_close(s->otlp);
	free(s->config);
	s->otlp = NULL;
	s->config = NULL;
}
