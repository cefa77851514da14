/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/serve.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "cmd/cmd.h"
#include "export/map_json.h"
#include "export/requests_json.h"
#include "export/rows_json.h"
#include "export/server.h"
#include "export/services_json.h"
#include "export/traces.h"
#include "export/status.h"
#include "export/web_config.h"
#include "util/clock.h"
#include "util/log.h"
#include "version.h"

enum { END_TURNS = 8 }; /* one takes the connection, others the request, none waits */

#define SERVE_SOON_NS (NS_PER_MS / 10) /* work is left over from this turn */

static bool is_ready(void *ctx)
{
	struct serve *s = ctx;

	return s->is_ready;
}

static struct series_store *metrics(void *ctx)
{
	struct serve *s = ctx;

	return stats_collect(s->stats, clock_mono_ns());
}

static char *status(void *ctx)
{
	struct serve *s = ctx;

	return status_json(stats_self(s->stats, clock_mono_ns()), red_store(s->stats->red),
			   s->is_ready, SONDE_VERSION, SONDE_COMMIT);
}

static struct services_source services_source(const struct serve *s)
{
	return (struct services_source){
		.recent = s->stats->recent,
		.store = red_store(s->stats->red),
		.health_rules = s->stats->config->health.v,
		.n_health_rules = s->stats->config->health.n,
		.now_ns = clock_mono_ns(),
		.realtime_offset_ns = s->stats->pipeline->opts.source->realtime_offset_ns,
	};
}

static struct recent_query recent_query(const struct server_query *asked, uint64_t now_ns)
{
	return (struct recent_query){
		.now_ns = now_ns,
		.group = asked->group,
		.service = asked->service,
		.endpoint = asked->endpoint,
		.peer = asked->peer,
		.role = asked->role,
		.errors_only = asked->errors_only,
	};
}

static char *services(void *ctx, const struct server_query *asked)
{
	const struct services_source from = services_source(ctx);
	const struct recent_query q = recent_query(asked, from.now_ns);
	struct serve *s = ctx;

	if (!asked->is_grouped)
		return services_json(&from);
	if (s->stats->procwalk)
		procwalk_publish(s->stats->procwalk, from.now_ns);
	return rows_json(&from, &q);
}

static char *service(void *ctx, const char *name)
{
	const struct services_source from = services_source(ctx);
	struct serve *s = ctx;

	stats_collect(s->stats, from.now_ns); /* what presses on it */
	return service_json(&from, name);
}

static char *requests(void *ctx, const struct server_query *asked)
{
	const struct services_source from = services_source(ctx);
	const struct recent_query q = recent_query(asked, from.now_ns);

	return requests_json(from.recent, &q, from.realtime_offset_ns, asked->max);
}

static char *map(void *ctx)
{
	struct serve *s = ctx;

	return map_json(red_graph(s->stats->red), clock_mono_ns());
}

static char *trace(void *ctx, const char *trace_id)
{
	struct serve *s = ctx;
	const struct pipeline *p = s->stats->pipeline;

	return traces_json(s->traces, trace_id, p->opts.source->realtime_offset_ns);
}

int serve_open(struct serve *s, const struct config *c, struct stats *stats)
{
	const struct status_source source = {
		.ctx = s,
		.is_ready = is_ready,
		.metrics = metrics,
		.status = status,
		.services = services,
		.service = service,
		.requests = requests,
		.map = map,
		.trace = trace,
	};
	const char *bracket = c->listen_addr && strchr(c->listen_addr, ':') ? "[" : "";
	char err[512];

	*s = (struct serve){ .stats = stats };
	if (!c->listen_addr)
		return 0;
	if (c->web_config && !(s->web = web_config_open(c->web_config, err, sizeof(err)))) {
		log_error("%s", err);
		return EXIT_USAGE;
	}
	if (server_open(&s->server, c->listen_addr, c->listen_port, &source, s->web, err,
			sizeof(err))) {
		log_error("%s", err);
		return EXIT_CANNOT;
	}
	snprintf(s->url, sizeof(s->url), "http%s://%s%s%s:%u",
		 s->web && web_config_tls(s->web) ? "s" : "", bracket, c->listen_addr,
		 *bracket ? "]" : "", server_port(s->server));
	return 0;
}

static void on_ready(void *ctx)
{
	struct serve *s = ctx;
	int wait_ms;

	server_run(s->server);
	wait_ms = server_timeout_ms(s->server);
	loop_timer_set(s->timer, wait_ms < 0 ? 0
				 : wait_ms   ? (uint64_t)wait_ms * NS_PER_MS
					     : SERVE_SOON_NS);
}

/* Certificates are renewed while we run: the files are looked at each second. What cannot be used
 * is told once, and what was there before goes on. */
static void on_second(void *ctx)
{
	struct serve *s = ctx;
	struct web_config *web;
	char err[512];

	if (!web_config_is_changed(s->web))
		return;
	web = web_config_open(s->stats->config->web_config, err, sizeof(err));
	if (web && server_renew(s->server, web, err, sizeof(err)) == 0) {
		web_config_close(s->web);
		s->web = web;
		s->told[0] = '\0';
		log_info("--web-config has been read again");
		return;
	}
	web_config_close(web);
	if (strcmp(s->told, err) != 0)
		log_error("%s; what --web-config said before goes on", err);
	snprintf(s->told, sizeof(s->told), "%s", err);
}

int serve_join(struct serve *s, struct loop *loop)
{
	struct exporter e;

	if (!s->server)
		return 0;
	s->traces = traces_new(0);
	if (!s->traces)
		return -ENOMEM;
	traces_exporter(s->traces, &e);
	pipeline_add(s->stats->pipeline, &e);
	if (s->web) {
		int timer = loop_timer(loop, NS_PER_S, on_second, s);

		if (timer < 0)
			return timer;
	}
	s->timer = loop_timer(loop, NS_PER_S, on_ready, s);
	if (s->timer < 0)
		return s->timer;
	return loop_watch(loop, server_epoll_fd(s->server), on_ready, s);
}

void serve_end(struct serve *s)
{
	s->is_ready = false;
	for (int i = 0; s->server && i < END_TURNS; i++)
		server_run(s->server);
}

void serve_close(struct serve *s)
{
	server_close(s->server);
	web_config_close(s->web);
	s->web = NULL;
	traces_free(s->traces);
	s->server = NULL;
}
