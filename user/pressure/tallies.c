// SPDX-License-Identifier: Apache-2.0
#include "pressure/tallies.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include "util/clock.h"

#define WALK_NS (5 * NS_PER_S)

struct tallies {
	struct tallies_opts opts;
	struct probe *probe;
	struct tcp *tcp;
	struct disks disks;
	uint64_t next_ns; /* walk */
	uint32_t walk;
	int walk_fd; /* under way; -1: none is */
};

struct tallies *tallies_new(struct probe *probe, const struct tallies_opts *opts)
{
	struct tallies *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->probe = probe;
	t->walk_fd = -1;
	t->opts = *opts;
	t->tcp = tcp_new(&opts->tcp);
	if (t->tcp)
		return t;
	free(t);
	return NULL;
}

void tallies_free(struct tallies *t)
{
	if (!t)
		return;
	if (t->walk_fd >= 0)
		close(t->walk_fd);
	tcp_free(t->tcp);
	disks_free(&t->disks);
	free(t);
}

static void read_tcp(struct tallies *t, uint64_t now_ns)
{
	int fd = probe_map(t->probe, "tcp_tallies");
	struct sonde_tcp_key key, next;
	struct sonde_tcp now, last;
	bool has_next = bpf_map_get_next_key(fd, NULL, &next) == 0;

	tcp_begin(t->tcp, now_ns);
	while (has_next) {
		key = next;
		has_next = bpf_map_get_next_key(fd, &key, &next) == 0;
		if (bpf_map_lookup_elem(fd, &key, &now) || tcp_take(t->tcp, &key, &now))
			continue;
		if (bpf_map_lookup_and_delete_elem(fd, &key, &last) == 0)
			tcp_take_last(t->tcp, &key, &now, &last);
	}
	tcp_publish(t->tcp);
}

static const struct service *whose(const struct tallies *t, const struct sonde_disk_key *key)
{
	const struct tallies_opts *o = &t->opts;

	if (key->tgid)
		return o->tcp.service_of(o->tcp.ctx, key->tgid);
	return key->group && o->service_of_group ? o->service_of_group(o->tcp.ctx, key->group)
						 : NULL;
}

/* Those that are idle are taken out of the kernel, the others stay. */
static void read_disks(struct tallies *t, uint64_t now_ns)
{
	int fd = probe_map(t->probe, "disks");
	struct sonde_disk_key key, next;
	struct sonde_disk now;
	bool has_next = bpf_map_get_next_key(fd, NULL, &next) == 0;

	while (has_next) {
		bool is_idle;

		key = next;
		has_next = bpf_map_get_next_key(fd, &key, &next) == 0;
		is_idle = disks_are_idle(&t->disks, &key, now_ns);
		if (is_idle ? bpf_map_lookup_and_delete_elem(fd, &key, &now)
			    : bpf_map_lookup_elem(fd, &key, &now))
			continue;
		disks_take(&t->disks, t->opts.tcp.store, &key, whose(t, &key), &now, now_ns);
		if (is_idle)
			disks_forget(&t->disks, &key);
	}
}

void tallies_publish(struct tallies *t, uint64_t now_ns)
{
	read_tcp(t, now_ns);
	read_disks(t, now_ns);
}

static void walk_begin(struct tallies *t, uint64_t now_ns)
{
	t->next_ns = now_ns + WALK_NS;
	t->walk_fd = probe_tcp_walk(t->probe, t->walk + 1);
	if (t->walk_fd >= 0)
		tcp_walk_begin(t->tcp, ++t->walk);
}

/* False: it has ended. One that fails has not found what is open, and nothing is known to be gone. */
static bool walk_on(struct tallies *t)
{
	struct sonde_listener l;
	ssize_t n = read(t->walk_fd, &l, sizeof(l));

	if (n == sizeof(l) && l.socket)
		tcp_listener(t->tcp, &l);
	if (n == sizeof(l) || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		return true;
	close(t->walk_fd);
	t->walk_fd = -1;
	if (n == 0)
		tcp_walk_end(t->tcp);
	return false;
}

void tallies_turn(struct tallies *t, uint64_t now_ns, uint64_t budget_ns)
{
	uint64_t began_ns = clock_mono_ns();

	if (t->walk_fd < 0 && now_ns >= t->next_ns)
		walk_begin(t, now_ns);
	while (t->walk_fd >= 0) {
		bool has_ended = !walk_on(t);

		/* the first one tells who listens: then it is known who was accepted */
		if (has_ended && t->walk == 1)
			walk_begin(t, now_ns);
		else if (has_ended)
			tallies_publish(t, now_ns); /* while the processes are still known */
		if (clock_mono_ns() - began_ns >= budget_ns)
			break;
	}
}

uint64_t tallies_left_out(const struct tallies *t)
{
	return t ? tcp_left_out(t->tcp) : 0;
}
