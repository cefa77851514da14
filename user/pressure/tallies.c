// SPDX-License-Identifier: Apache-2.0
#include "pressure/tallies.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "util/clock.h"

#define WALK_NS (5 * NS_PER_S)

struct tallies {
	struct probe *probe;
	struct tcp *tcp;
	struct disks disks;
	struct series_store *store;
	uint64_t next_ns; /* walk */
	uint32_t walk;
	int walk_fd; /* under way; -1: none is */
};

struct tallies *tallies_new(struct probe *probe, const struct tcp_opts *opts)
{
	struct tallies *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->probe = probe;
	t->walk_fd = -1;
	t->store = opts->store;
	t->tcp = tcp_new(opts);
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

/* Sums over processors. */
static void add_up(struct sonde_disk *sum, const struct sonde_disk *per_cpu, int cpus)
{
	*sum = (struct sonde_disk){ 0 };
	for (int i = 0; i < cpus; i++) {
		const struct sonde_disk *d = &per_cpu[i];

		if (d->name[0])
			memcpy(sum->name, d->name, sizeof(sum->name));
		for (int dir = 0; dir < 2; dir++) {
			sum->ns[dir] += d->ns[dir];
			for (int k = 0; k < SONDE_DELAYS; k++)
				sum->delays[dir][k] += d->delays[dir][k];
		}
	}
}

static void read_disks(struct tallies *t, uint64_t now_ns)
{
	int fd = probe_map(t->probe, "disks"), cpus = libbpf_num_possible_cpus();
	struct sonde_disk *per_cpu = cpus > 0 ? calloc((size_t)cpus, sizeof(*per_cpu)) : NULL;
	uint32_t key, next;
	bool has_next = per_cpu && bpf_map_get_next_key(fd, NULL, &next) == 0;
	struct sonde_disk sum;

	while (has_next) {
		key = next;
		has_next = bpf_map_get_next_key(fd, &key, &next) == 0;
		if (bpf_map_lookup_elem(fd, &key, per_cpu))
			continue;
		add_up(&sum, per_cpu, cpus);
		disks_take(&t->disks, t->store, key, &sum, now_ns);
	}
	free(per_cpu);
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
