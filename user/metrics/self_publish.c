/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/self.h"

#include "proto/proto.h"

const char *self_event_kind(enum sonde_ev_kind kind)
{
	static const char *const kinds[] = {
		[SONDE_EV_OPEN] = "open",	  [SONDE_EV_DATA] = "data",
		[SONDE_EV_CLOSE] = "close",	  [SONDE_EV_CONNECT] = "connect",
		[SONDE_EV_EXEC] = "exec",	  [SONDE_EV_FORK] = "fork",
		[SONDE_EV_EXIT] = "exit",	  [SONDE_EV_DATAGRAM] = "datagram",
		[SONDE_EV_HANDOVER] = "handover", [SONDE_EV_MET] = "met",
		[SONDE_EV_THREAD] = "thread",	  [SONDE_EV_REST] = "rest",
		[SONDE_EV_OOM] = "oom",
	};

	return kinds[kind];
}

const char *self_protocol(enum proto_id id)
{
	const struct proto *p = proto_get(id);

	return p ? p->name : "unknown";
}

struct publish {
	struct series_store *st;
	uint64_t now_ns;
};

static void publish2(const struct publish *p, enum metric_id id, const char *a, const char *b,
		     uint64_t value)
{
	struct slice v[] = { slice_str(a), slice_str(b) };
	struct series *s = series_get(p->st, id, NULL, v, p->now_ns);

	if (s)
		s->value = value;
}

static void publish(const struct publish *p, enum metric_id id, const char *a, uint64_t value)
{
	publish2(p, id, a, "", value);
}

static void publish_protocols(const struct publish *p, const struct conns_stats *c)
{
	for (int id = PROTO_UNKNOWN; id < PROTO_MAX; id++) {
		/* what is transacted without a protocol is a connect that failed */
		const char *name = id == PROTO_UNKNOWN ? "tcp" : self_protocol(id);
		const uint64_t *n = c->transactions[id];

		publish(p, METRIC_BYTES_OBSERVED, self_protocol(id), c->bytes_observed[id]);
		publish(p, METRIC_BYTES_ATTRIBUTED, self_protocol(id), c->bytes_attributed[id]);
		publish2(p, METRIC_TRANSACTIONS, name, "client", n[SONDE_ROLE_CLIENT - 1]);
		if (id != PROTO_UNKNOWN)
			publish2(p, METRIC_TRANSACTIONS, name, "server", n[SONDE_ROLE_SERVER - 1]);
	}
}

static void publish_kernel(const struct publish *p, const struct self *s)
{
	for (size_t i = 0; i < s->n_programs; i++) {
		const struct probe_program *prog = &s->programs[i];

		if (prog->run_count == 0)
			continue; /* statistics are off, or it never ran: 0 would say too much */
		publish(p, METRIC_PROBE_RUNS, prog->name, prog->run_count);
		publish(p, METRIC_PROBE_TIME, prog->name, prog->run_ns);
	}
	publish(p, METRIC_BPF_MEMORY, "", s->bpf_memory);
}

/* Of a sonde that was not asked to, 0 would say too much. */
static void publish_propagation(const struct publish *p, const struct self *s)
{
	publish(p, METRIC_PROPAGATED, "", s->passed[SONDE_PASSED_NOT]);
	for (int i = SONDE_PASSED_NOT + 1; i < SONDE_PASSED_MAX; i++)
		publish(p, METRIC_PASSED_OVER, propagate_reason(i), s->passed[i]);
}

void self_publish(const struct self *s, struct series_store *st, const char *version,
		  const char *commit, uint64_t now_ns)
{
	const struct publish p = { .st = st, .now_ns = now_ns };

	publish2(&p, METRIC_BUILD, version, commit, 1);
	publish(&p, METRIC_CPU, "", s->cpu_ns);
	publish(&p, METRIC_ANONYMOUS_MEMORY, "", s->anonymous_memory);
	for (int kind = SONDE_EV_OPEN; kind < SONDE_EV_KERNEL_MAX; kind++)
		publish(&p, METRIC_EVENTS, self_event_kind(kind), s->events[kind]);
	for (int i = 0; i < LOSS_MAX; i++)
		publish(&p, METRIC_EVENTS_LOST, loss_reason(i), s->losses.n[i]);
	for (int i = 0; i < TXN_PARENT_MAX; i++)
		publish(&p, METRIC_SPANS, txn_parent_name(i), s->parents[i]);
	publish(&p, METRIC_SPANS_HURRIED, "", s->hurried);
	for (int i = 0; i < FULL_MAX; i++)
		publish(&p, METRIC_TABLE_FULL, full_table(i), s->full.n[i]);
	publish_protocols(&p, &s->conns);
	publish(&p, METRIC_SHED_CONNECTIONS, "cpu", s->conns.shed);
	publish(&p, METRIC_SAMPLE_RATIO, "cpu", METRIC_ONE * s->conns.keep / SONDE_KEEP_ALL);
	publish(&p, METRIC_CONNECTIONS, "parsed", s->conns.parsed);
	publish(&p, METRIC_CONNECTIONS, "undecided", s->conns.undecided);
	publish(&p, METRIC_CONNECTIONS, "unknown", s->conns.unknown);
	publish(&p, METRIC_CONNECTIONS, "encrypted", s->conns.encrypted);
	if (s->is_live)
		publish_kernel(&p, s);
	if (s->is_propagating)
		publish_propagation(&p, s);
}
