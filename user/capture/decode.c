// SPDX-License-Identifier: Apache-2.0
#include "capture/decode.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static bool is_string(const char *s, size_t size)
{
	return memchr(s, '\0', size) != NULL;
}

static bool family_ok(uint8_t family)
{
	return family == SONDE_FAMILY_NONE || family == SONDE_FAMILY_IPV4 ||
	       family == SONDE_FAMILY_IPV6 || family == SONDE_FAMILY_UNIX;
}

static bool open_ok(const struct sonde_ev_open *ev)
{
	return family_ok(ev->family) && ev->role <= SONDE_ROLE_SERVER &&
	       ev->unix_path_len <= sizeof(ev->unix_path);
}

/* A line of ours lies behind what was copied, and within what was sent. */
static bool injected_ok(const struct sonde_ev_data *ev, size_t room)
{
	size_t bytes = (size_t)ev->copied + ev->tail;
	struct sonde_injected is;

	if (bytes + sizeof(is) > room || bytes + sizeof(is.line) > ev->len || ev->dir != SONDE_TX)
		return false;
	memcpy(&is, ev->bytes + bytes, sizeof(is));
	return is.at <= ev->len - sizeof(is.line);
}

static bool data_ok(const struct sonde_ev_data *ev)
{
	/* each alone first: their sum must not wrap */
	size_t room = ev->h.size - sizeof(*ev);

	if (ev->dir > SONDE_RX || ev->tail > SONDE_TAIL_MAX || ev->copied > SONDE_COPY_MAX)
		return false;
	if ((size_t)ev->copied + ev->tail > room || (size_t)ev->copied + ev->tail > ev->len)
		return false;
	if (ev->h.flags & SONDE_F_INJECTED && !injected_ok(ev, room))
		return false;
	return ev->len <= INT32_MAX;
}

static bool datagram_ok(const struct sonde_ev_datagram *ev)
{
	if (ev->dir > SONDE_RX || ev->copied > SONDE_DATAGRAM_MAX || ev->copied > ev->len)
		return false;
	if (ev->family != SONDE_FAMILY_IPV4 && ev->family != SONDE_FAMILY_IPV6)
		return false;
	return ev->copied <= ev->h.size - sizeof(*ev) && ev->len <= INT32_MAX;
}

static bool close_ok(const struct sonde_ev_close *ev)
{
	return ev->how >= SONDE_CLOSE_LOCAL && ev->how <= SONDE_CLOSE_DONE;
}

static bool exec_ok(const struct sonde_ev_exec *ev)
{
	return is_string(ev->comm, sizeof(ev->comm)) &&
	       is_string(ev->filename, sizeof(ev->filename)) && ev->args_len <= sizeof(ev->args);
}

static bool process_ok(const struct sonde_ev_process *ev)
{
	return is_string(ev->comm, sizeof(ev->comm)) &&
	       is_string(ev->service, sizeof(ev->service)) &&
	       is_string(ev->service_namespace, sizeof(ev->service_namespace)) &&
	       is_string(ev->instance_id, sizeof(ev->instance_id)) &&
	       (ev->h.size < sizeof(*ev) || ev->facts_len <= ev->h.size - sizeof(*ev));
}

static bool address_ok(const struct sonde_ev_address *ev)
{
	return (ev->family == SONDE_FAMILY_IPV4 || ev->family == SONDE_FAMILY_IPV6) &&
	       is_string(ev->name, sizeof(ev->name)) &&
	       is_string(ev->name_space, sizeof(ev->name_space));
}

static bool resolved_ok(const struct sonde_ev_resolved *ev)
{
	return (ev->family == SONDE_FAMILY_IPV4 || ev->family == SONDE_FAMILY_IPV6) &&
	       is_string(ev->name, sizeof(ev->name));
}

static bool oom_ok(const struct sonde_ev_oom *ev)
{
	return is_string(ev->group, sizeof(ev->group)) &&
	       is_string(ev->asker_group, sizeof(ev->asker_group));
}

/* The least a record of this kind holds; 0: not a kind we know. */
static size_t least(uint16_t kind)
{
	switch (kind) {
	case SONDE_EV_OPEN: return sizeof(struct sonde_ev_open);
	case SONDE_EV_DATA: return sizeof(struct sonde_ev_data);
	case SONDE_EV_CLOSE: return sizeof(struct sonde_ev_close);
	case SONDE_EV_CONNECT: return sizeof(struct sonde_ev_connect);
	case SONDE_EV_EXEC: return sizeof(struct sonde_ev_exec);
	/* which thread forked was appended, and what a process used */
	case SONDE_EV_FORK: return offsetof(struct sonde_ev_fork, ptid);
	case SONDE_EV_EXIT: return offsetof(struct sonde_ev_exit, run_ns);
	case SONDE_EV_DATAGRAM: return sizeof(struct sonde_ev_datagram);
	case SONDE_EV_HANDOVER: return sizeof(struct sonde_ev_handover);
	case SONDE_EV_MET: return sizeof(struct sonde_ev_met);
	case SONDE_EV_THREAD: return sizeof(struct sonde_ev_thread);
	case SONDE_EV_REST: return sizeof(struct sonde_ev_rest);
	case SONDE_EV_OOM: return sizeof(struct sonde_ev_oom);
	/* and the facts */
	case SONDE_EV_PROCESS: return offsetof(struct sonde_ev_process, facts_len);
	case SONDE_EV_TICK: return sizeof(struct sonde_ev_tick);
	case SONDE_EV_SWEEP: return sizeof(struct sonde_ev_sweep);
	case SONDE_EV_SHED: return sizeof(struct sonde_ev_shed);
	case SONDE_EV_END: return sizeof(struct sonde_ev_hdr);
	case SONDE_EV_LOST: return sizeof(struct sonde_ev_lost);
	case SONDE_EV_ADDRESS: return sizeof(struct sonde_ev_address);
	case SONDE_EV_RESOLVED: return sizeof(struct sonde_ev_resolved);
	default: return 0;
	}
}

static bool content_ok(union decoded d)
{
	switch (d.h->kind) {
	case SONDE_EV_OPEN: return open_ok(d.open);
	case SONDE_EV_DATA: return data_ok(d.data);
	case SONDE_EV_CLOSE: return close_ok(d.close);
	case SONDE_EV_CONNECT: return family_ok(d.connect->family);
	case SONDE_EV_EXEC: return exec_ok(d.exec);
	case SONDE_EV_FORK: return is_string(d.fork->comm, sizeof(d.fork->comm));
	case SONDE_EV_EXIT: return is_string(d.exit->comm, sizeof(d.exit->comm));
	case SONDE_EV_OOM: return oom_ok(d.oom);
	case SONDE_EV_DATAGRAM: return datagram_ok(d.datagram);
	case SONDE_EV_PROCESS: return process_ok(d.process);
	case SONDE_EV_ADDRESS: return address_ok(d.address);
	case SONDE_EV_RESOLVED: return resolved_ok(d.resolved);
	case SONDE_EV_SHED: return d.shed->keep <= SONDE_KEEP_ALL;
	default: return true; /* a header, or numbers of which each value means something */
	}
}

int decode(const void *rec, size_t size, union decoded *out)
{
	union decoded d = { .h = rec };
	size_t min;

	if (size < sizeof(*d.h) || ((uintptr_t)rec & 7) != 0)
		return -EBADMSG;
	/* sources hand out padded sizes; a newer writer may have appended fields */
	if (d.h->size < sizeof(*d.h) || d.h->size > size)
		return -EBADMSG;
	min = least(d.h->kind);
	if (min == 0)
		return -ENOTSUP;
	if (d.h->size < min || !content_ok(d))
		return -EBADMSG;
	*out = d;
	return 0;
}
