// SPDX-License-Identifier: Apache-2.0
#include "pipeline_impl.h"

#include <errno.h>
#include <string.h>

#include "capture/decode.h"
#include "capture/recording.h"
#include "identity/naming.h"
#include "proto/dns.h"
#include "stream/route.h"
#include "util/clock.h"

/* Calls that function of those exporters that have it, with themselves before the arguments. */
#define TELL(p, fn, ...)                                                     \
	do {                                                                 \
		for (size_t tell_ = 0; tell_ < (p)->n_exporters; tell_++) {  \
			const struct exporter *to_ = &(p)->exporters[tell_]; \
                                                                             \
			if (to_->fn)                                         \
				to_->fn(to_->self, ##__VA_ARGS__);           \
		}                                                            \
	} while (0)

static void copy_string(char *out, size_t size, const char *in)
{
	slice_copy(out, size, slice_str(in));
}

static void on_go(void *ctx, uint32_t tgid)
{
	struct pipeline *p = ctx;

	if (p->opts.on_go)
		p->opts.on_go(p->opts.ctx, tgid);
}

static uint64_t tls_since(void *ctx, uint32_t tgid)
{
	struct pipeline *p = ctx;

	return p->opts.tls_since ? p->opts.tls_since(p->opts.ctx, tgid) : 0;
}

static void on_encrypted(void *ctx, uint32_t tgid)
{
	struct pipeline *p = ctx;

	if (p->opts.on_encrypted)
		p->opts.on_encrypted(p->opts.ctx, tgid);
}

/* For as long as the record is. One that is gone may be forgotten when another is met, one that
 * lives only after all others. */
static void take_in_hand(struct pipeline *p, struct process *proc)
{
	p->process = proc->gone_ns ? NULL : proc;
}

/* Mostly that of the record at hand, which was looked up with it. */
static struct process *process_of(struct pipeline *p, uint32_t tgid)
{
	if (p->process && p->process->tgid == tgid)
		return p->process;
	return process_get(p->procs, tgid, p->now_ns);
}

static void on_txn(void *ctx, struct txn *t)
{
	struct pipeline *p = ctx;
	struct process *proc = process_of(p, t->tgid);

	t->service = proc->service;
	proc->service->last_seen_ns = p->now_ns;
	copy_string(t->comm, sizeof(t->comm), proc->comm);
	if (p->routes && t->proto == PROTO_HTTP1)
		route_template(p->routes, proc->service->id, slice_str(t->target), t->route,
			       sizeof(t->route));
	naming_txn(p->naming, t);
	/* one that was made before its name was known: from the next one on */
	p->has_news |= t->role == SONDE_ROLE_CLIENT &&
		       naming_news(p->naming, t->family, &t->peer, &p->news);
	trace_txn(p->trace, t, proc->is_go);
}

static void on_kept(void *ctx, const struct txn *t)
{
	struct pipeline *p = ctx;

	TELL(p, on_kept, t);
}

static void deliver(void *ctx, const struct txn *t)
{
	struct pipeline *p = ctx;

	if (p->keep && !t->trace.is_sampled)
		keep_txn(p->keep, t);

	TELL(p, on_txn, t);
}

static struct unit *on_request(void *ctx, const struct conn_request *r)
{
	struct pipeline *p = ctx;
	const struct process *proc = process_of(p, r->tgid);
	struct conn_request known = *r;

	known.is_go = proc->is_go;
	known.service = proc->service;
	return trace_request(p->trace, &known);
}

static void on_request_gone(void *ctx, struct unit *u)
{
	trace_gone(((struct pipeline *)ctx)->trace, u);
}

static void on_conn_gone(void *ctx, uint64_t cookie)
{
	trace_conn_gone(((struct pipeline *)ctx)->trace, cookie);
}

static void on_opaque(void *ctx, uint32_t tgid)
{
	trace_opaque(((struct pipeline *)ctx)->trace, tgid);
}

static void on_stream(void *ctx, struct txn_stream *s)
{
	struct pipeline *p = ctx;

	s->service = process_get(p->procs, s->tgid, p->now_ns)->service;
	TELL(p, on_stream, s);
}

static void name_server(struct pipeline *p, struct txn_handshake *h)
{
	const char *name = naming_find(p->naming, h->family, h->peer.ip);

	if (name)
		copy_string(h->server_name, sizeof(h->server_name), name);
}

/* What a client calls the addresses it will connect to. */
static void on_answer(void *ctx, enum proto_id proto, struct slice bytes, size_t len,
		      uint64_t ts_ns)
{
	struct pipeline *p = ctx;
	struct dns_addresses found;
	char room[MSG_ROOM];

	if (proto != PROTO_DNS || !dns_read_addresses(bytes, len, room, &found))
		return;
	for (size_t i = 0; i < found.n; i++)
		naming_resolved(p->naming, found.at[i].family, found.at[i].ip, found.name, ts_ns,
				ts_ns + found.at[i].ttl_s * NS_PER_S);
}

static void on_handshake(void *ctx, struct txn_handshake *h)
{
	struct pipeline *p = ctx;

	h->service = process_get(p->procs, h->tgid, p->now_ns)->service;
	if (h->role == SONDE_ROLE_CLIENT && !h->server_name[0])
		name_server(p, h);
	if (p->opts.library_of)
		h->library = p->opts.library_of(p->opts.ctx, h->tgid);
	TELL(p, on_handshake, h);
}

static void on_verdict(void *ctx, uint32_t slot, const struct sonde_verdict *v)
{
	struct pipeline *p = ctx;

	p->opts.source->ops->verdict(p->opts.source, slot, v);
}

int pipeline_init(struct pipeline *p, const struct pipeline_opts *opts)
{
	*p = (struct pipeline){ .opts = *opts };
	p->procs = processes_new(&(struct processes_opts){
		.is_live = opts->is_live,
		.containers = opts->containers,
		.on_identity = pipeline_tell_process,
		.on_go = on_go,
		.ctx = p,
	});
	p->conns = conns_new(&(struct conns_opts){
		.protocols = opts->protocols,
		.on_txn = on_txn,
		.on_encrypted = on_encrypted,
		.tls_since = tls_since,
		.on_stream = on_stream,
		.on_handshake = on_handshake,
		.on_answer = on_answer,
		.on_request = on_request,
		.on_request_gone = on_request_gone,
		.on_gone = on_conn_gone,
		.on_opaque = on_opaque,
		.on_verdict = opts->source && opts->source->ops->verdict ? on_verdict : NULL,
		.ctx = p,
	});
	p->trace = trace_new(&(struct trace_opts){
		.salt = opts->source ? (uint64_t)opts->source->realtime_offset_ns : 0,
		.sampler = opts->sampler,
		.deliver = deliver,
		.ctx = p,
	});
	if (opts->keep_errors || opts->keep_slow)
		p->keep = keep_new(&(struct keep_opts){ .errors = opts->keep_errors,
							.slow = opts->keep_slow,
							.deliver = on_kept,
							.ctx = p });
	p->naming = naming_new(opts->addresses);
	if (opts->routes)
		p->routes = routes_new(&(struct routes_opts){ 0 });
	if (!p->procs || !p->conns || !p->trace || !p->naming || (opts->routes && !p->routes)) {
		pipeline_free(p);
		return -ENOMEM;
	}
	return 0;
}

void pipeline_add(struct pipeline *p, const struct exporter *e)
{
	if (p->n_exporters < PIPELINE_EXPORTERS_MAX)
		p->exporters[p->n_exporters++] = *e;
}

/* The process whose transactions the record may end, 0 none. It is looked up before the record is
 * written, so that what the recording says of it stands before what needs it. */
static uint32_t tgid_of(union decoded d)
{
	switch (d.h->kind) {
	case SONDE_EV_OPEN: return d.open->tgid;
	case SONDE_EV_DATA: return d.data->tgid;
	case SONDE_EV_CLOSE: return d.close->tgid;
	case SONDE_EV_CONNECT: return d.connect->tgid;
	case SONDE_EV_DATAGRAM: return d.datagram->tgid;
	default: return 0;
	}
}

static void turn(struct pipeline *p, uint64_t now_ns)
{
	p->now_ns = now_ns;
	conns_tick(p->conns, now_ns);
	trace_time(p->trace, now_ns);
	processes_tick(p->procs, now_ns);
	TELL(p, tick, now_ns);
}

static void on_shed(struct pipeline *p, const struct sonde_ev_shed *ev)
{
	conns_shed(p->conns, ev);
	if (ev->keep < SONDE_KEEP_ALL)
		trace_blind(p->trace);
}

static void dispatch(struct pipeline *p, union decoded d)
{
	switch (d.h->kind) {
	case SONDE_EV_OPEN: conns_open(p->conns, d.open); break;
	case SONDE_EV_DATA: conns_data(p->conns, d.data); break;
	case SONDE_EV_CLOSE: conns_close(p->conns, d.close); break;
	case SONDE_EV_CONNECT: conns_connect(p->conns, d.connect); break;
	case SONDE_EV_DATAGRAM: conns_datagram(p->conns, d.datagram); break;
	case SONDE_EV_HANDOVER:
		trace_handover(p->trace, d.handover->tgid, d.handover->goroutine,
			       d.handover->cookie);
		break;
	case SONDE_EV_THREAD:
		trace_thread(p->trace, d.thread->tgid, d.thread->by_tid, d.thread->tid);
		break;
	case SONDE_EV_LOST: conns_lost(p->conns, d.lost); break;
	case SONDE_EV_SWEEP: conns_sweep(p->conns, d.sweep); break;
	case SONDE_EV_SHED: on_shed(p, d.shed); break;
	case SONDE_EV_EXEC: process_exec(p->procs, d.exec); break;
	case SONDE_EV_FORK:
		process_fork(p->procs, d.fork);
		trace_fork(p->trace, d.fork->ppid,
			   d.fork->h.size < sizeof(*d.fork) ? 0 : d.fork->ptid, d.fork->tgid);
		break;
	case SONDE_EV_EXIT:
		process_exit(p->procs, d.exit);
		TELL(p, on_exit, d.exit);
		trace_exit(p->trace, d.exit->tgid);
		break;
	case SONDE_EV_REST: TELL(p, on_rest, d.rest); break;
	case SONDE_EV_OOM: TELL(p, on_oom, d.oom); break;
	case SONDE_EV_PROCESS: process_recorded(p->procs, d.process); break;
	case SONDE_EV_ADDRESS: naming_take(p->naming, d.address); break;
	case SONDE_EV_RESOLVED:
		naming_resolved(p->naming, d.resolved->family, d.resolved->ip,
				slice_str(d.resolved->name), d.h->ts_ns, d.resolved->until_ns);
		break;
	case SONDE_EV_TICK: turn(p, d.h->ts_ns); break;
	case SONDE_EV_END:
		conns_finish(p->conns);
		trace_flush(p->trace);
		break;
	default: break;
	}
}

static bool is_life(const struct sonde_ev_hdr *h)
{
	return h->kind == SONDE_EV_EXEC || h->kind == SONDE_EV_FORK || h->kind == SONDE_EV_EXIT;
}

static void tell_life(const struct pipeline *p, const struct sonde_ev_hdr *h)
{
	if (p->opts.on_life)
		p->opts.on_life(p->opts.ctx, h);
}

/* With whom a connection is made, or would have been. */
static const struct sonde_addr *peer_of(union decoded d, enum sonde_family *family)
{
	switch (d.h->kind) {
	case SONDE_EV_OPEN: *family = d.open->family; return &d.open->peer;
	case SONDE_EV_CONNECT: *family = d.connect->family; return &d.connect->peer;
	case SONDE_EV_DATAGRAM: *family = d.datagram->family; return &d.datagram->peer;
	default: return NULL;
	}
}

static void look_up_peer(struct pipeline *p, union decoded d)
{
	struct sonde_ev_address news;
	enum sonde_family family;
	const struct sonde_addr *peer = p->opts.addresses ? peer_of(d, &family) : NULL;

	if (peer && naming_news(p->naming, family, peer, &news))
		pipeline_tell_address(p, &news);
}

int pipeline_record(struct pipeline *p, const void *rec, size_t size)
{
	union decoded d;
	uint32_t tgid;
	int err = decode(rec, size, &d);

	p->records++;
	if (err < 0) {
		p->bad_records++;
		return err;
	}
	if (d.h->kind < SONDE_EV_KERNEL_MAX)
		p->by_kind[d.h->kind]++;
	p->now_ns = d.h->ts_ns;
	if (d.h->kind == SONDE_EV_MET) { /* nothing of it may be kept before it is known whose */
		tell_life(p, d.h);
		return 0;
	}
	look_up_peer(p, d);
	tgid = tgid_of(d);
	if (tgid)
		take_in_hand(p, process_get(p->procs, tgid, p->now_ns));
	if (p->opts.recorder)
		recorder_write(p->opts.recorder, rec, d.h->size);
	if (d.h->kind != SONDE_EV_TICK) /* which tells it itself, as it did live */
		trace_time(p->trace, p->now_ns);
	dispatch(p, d);
	if (is_life(d.h))
		tell_life(p, d.h);
	if (p->has_news) {
		p->has_news = false;
		pipeline_tell_address(p, &p->news);
	}
	return 0;
}

static int on_record(void *ctx, const void *rec, size_t size)
{
	pipeline_record(ctx, rec, size); /* a bad one is counted, the next may be good */
	return 0;
}

int pipeline_read(struct pipeline *p, int budget)
{
	return p->opts.source->ops->read(p->opts.source, on_record, p, budget);
}

void pipeline_tick(struct pipeline *p, uint64_t now_ns)
{
	struct sonde_ev_tick ev = {
		.h = { .kind = SONDE_EV_TICK, .size = sizeof(ev), .ts_ns = now_ns },
	};

	if (p->opts.recorder)
		recorder_write(p->opts.recorder, &ev, sizeof(ev));
	turn(p, now_ns);
}

bool pipeline_holds(const struct pipeline *p)
{
	return trace_stats(p->trace)->held > 0;
}

struct oldest {
	struct pipeline *pipeline;
	void (*fn)(void *ctx, const struct txn *t);
	void *ctx;
};

static void on_oldest(void *ctx, struct txn *t)
{
	const struct oldest *o = ctx;
	const struct process *proc = process_get(o->pipeline->procs, t->tgid, t->end_ns);

	t->service = proc->service;
	copy_string(t->comm, sizeof(t->comm), proc->comm);
	naming_txn(o->pipeline->naming, t);
	o->fn(o->ctx, t);
}

size_t pipeline_each_oldest(struct pipeline *p, size_t max, uint64_t now_ns,
			    void (*fn)(void *ctx, const struct txn *t), void *ctx)
{
	struct oldest o = { p, fn, ctx };

	return conns_each_oldest(p->conns, max, now_ns, on_oldest, &o);
}

void pipeline_free(struct pipeline *p)
{
	TELL(p, close);
	p->n_exporters = 0;
	conns_free(p->conns);
	trace_free(p->trace);
	keep_free(p->keep);
	processes_free(p->procs);
	routes_free(p->routes);
	naming_free(p->naming);
	p->conns = NULL;
	p->trace = NULL;
	p->keep = NULL;
	p->procs = NULL;
	p->routes = NULL;
	p->naming = NULL;
}
