// SPDX-License-Identifier: Apache-2.0
#include "capture/propagate.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "capture/propagate_try.h"

enum { LEAVING_MAX = 4096, ROOT_INODE = 1 };

struct propagation {
	int speaking, leaving, passes; /* maps: the probe's */
	int requests;		       /* the program: the probe's */
	int cgroup;
	int link; /* of the program that chooses sockets; it goes with its descriptor */
	bool is_brief;
};

/* The unified hierarchy as the mounts of a process show it; -ENOENT: not, or a part of it only. */
static int root_cgroup_of(const char *root, const char *mounts)
{
	FILE *f = setmntent(mounts, "re");
	struct mntent *m;
	char path[512];
	struct stat st;
	int fd = -ENOENT;

	if (!f)
		return -errno;
	while (fd < 0 && (m = getmntent(f))) {
		if (strcmp(m->mnt_type, "cgroup2") != 0)
			continue;
		snprintf(path, sizeof(path), "%s%s", root, m->mnt_dir);
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd >= 0 && (fstat(fd, &st) < 0 || st.st_ino != ROOT_INODE)) {
			close(fd); /* a container's: its own processes only */
			fd = -ENOENT;
		}
	}
	endmntent(f);
	return fd < 0 ? -ENOENT : fd;
}

static int root_cgroup(void)
{
	int fd = root_cgroup_of("", "/proc/self/mounts");

	return fd >= 0 ? fd : root_cgroup_of("/proc/1/root", "/proc/1/mounts");
}

/* Until it has been tried no connection but our own is looked at. */
static int attach(struct propagation *pr, struct probe *p, char *why, size_t size)
{
	int err = bpf_prog_attach(pr->requests, pr->speaking, BPF_SK_MSG_VERDICT, 0);

	probe_set_trial(p, PROBE_TRIAL_OF_NONE, false);
	if (err) {
		snprintf(why, size, "sends cannot be looked at: %s", strerror(errno));
		return -1;
	}
	pr->cgroup = root_cgroup();
	if (pr->cgroup < 0) {
		snprintf(why, size,
			 "the root of the unified cgroup hierarchy (cgroup2) is not to be found");
		return -1;
	}
	pr->link = bpf_link_create(probe_program(p, "sonde_speaker"), pr->cgroup,
				   BPF_CGROUP_SOCK_OPS, NULL);
	if (pr->link < 0) {
		snprintf(why, size, "new connections cannot be seen in time: %s", strerror(errno));
		return -1;
	}
	return 0;
}

/* Where that is needed connections are let go early: what programs see of their sockets comes
 * before what we see of all their requests. */
static int try(struct propagation *pr, struct probe *p, char *why, size_t size)
{
	int err = propagate_try(p, false, why, size);

	if (err == -EAGAIN) {
		pr->is_brief = true;
		err = propagate_try(p, true, why, size);
	}
	probe_set_trial(p, PROBE_TRIAL_OF_NONE, pr->is_brief);
	return err;
}

/* What was tried is nothing that was asked for. */
static void forget_passed(const struct propagation *pr)
{
	size_t cpus = (size_t)libbpf_num_possible_cpus();
	uint64_t *none = calloc(cpus, SONDE_PASSED_MAX * sizeof(*none));
	uint32_t zero = 0;

	if (none)
		bpf_map_update_elem(pr->passes, &zero, none, BPF_ANY);
	free(none);
}

/* Attached and found to work, and no connection looked at yet. */
static struct propagation *open_tried(struct probe *p, char *why, size_t size)
{
	struct propagation *pr;

	if (probe_propagate_off(p)) {
		snprintf(why, size, "%s", probe_propagate_off(p));
		return NULL;
	}
	pr = calloc(1, sizeof(*pr));
	if (!pr) {
		snprintf(why, size, "out of memory");
		return NULL;
	}
	pr->cgroup = pr->link = -1;
	pr->speaking = probe_map(p, "speaking");
	pr->leaving = probe_map(p, "leaving");
	pr->passes = probe_map(p, "passes");
	pr->requests = probe_program(p, "sonde_request");
	if (attach(pr, p, why, size) == 0 && try(pr, p, why, size) == 0)
		return pr;
	propagate_close(pr);
	return NULL;
}

struct propagation *propagate_open(struct probe *p, char *why, size_t size)
{
	struct propagation *pr = open_tried(p, why, size);

	if (!pr)
		return NULL;
	forget_passed(pr);
	propagate_tick(pr); /* nor is who took part in it among those that leave */
	probe_set_trial(p, 0, pr->is_brief);
	return pr;
}

bool propagate_would(struct probe *p, bool *is_brief, char *why, size_t size)
{
	struct propagation *pr = open_tried(p, why, size);

	*is_brief = pr && pr->is_brief;
	propagate_close(pr);
	return pr != NULL;
}

bool propagate_is_brief(const struct propagation *pr)
{
	return pr->is_brief;
}

void propagate_passed(const struct propagation *pr, uint64_t out[SONDE_PASSED_MAX])
{
	size_t cpus = (size_t)libbpf_num_possible_cpus();
	uint64_t *per_cpu = calloc(cpus, SONDE_PASSED_MAX * sizeof(*per_cpu));
	uint32_t zero = 0;

	memset(out, 0, SONDE_PASSED_MAX * sizeof(*out));
	if (per_cpu && bpf_map_lookup_elem(pr->passes, &zero, per_cpu) == 0)
		for (size_t i = 0; i < cpus * SONDE_PASSED_MAX; i++)
			out[i % SONDE_PASSED_MAX] += per_cpu[i];
	free(per_cpu);
}

const char *propagate_reason(enum sonde_passed what)
{
	static const char *const reasons[SONDE_PASSED_MAX] = {
		[SONDE_PASSED_NOT] = "none",	     [SONDE_PASSED_OWN] = "own_context",
		[SONDE_PASSED_UPGRADE] = "upgrade",  [SONDE_PASSED_NOT_HTTP] = "not_http1",
		[SONDE_PASSED_DOUBT] = "in_doubt",   [SONDE_PASSED_AHEAD] = "sent_ahead",
		[SONDE_PASSED_MORE] = "more_behind", [SONDE_PASSED_UNSENT] = "unsent",
		[SONDE_PASSED_NO_ROOM] = "no_room",  [SONDE_PASSED_UNSEEN] = "unseen",
	};

	return reasons[what];
}

void propagate_tick(struct propagation *pr)
{
	uint64_t cookie;

	if (!pr)
		return;
	for (int i = 0; i < LEAVING_MAX; i++) {
		if (bpf_map_lookup_and_delete_elem(pr->leaving, NULL, &cookie))
			return;
		bpf_map_delete_elem(pr->speaking, &cookie);
	}
}

/* One that is closed meanwhile has left by itself. */
static void let_go(const struct propagation *pr)
{
	uint64_t cookie, next;
	bool has_next = bpf_map_get_next_key(pr->speaking, NULL, &next) == 0;

	while (has_next) {
		cookie = next;
		has_next = bpf_map_get_next_key(pr->speaking, &cookie, &next) == 0;
		bpf_map_delete_elem(pr->speaking, &cookie);
	}
}

/* First no more sockets come, then those there are leave. Of a process that is killed they leave
 * with the map, which the kernel clears away a moment later. */
void propagate_close(struct propagation *pr)
{
	if (!pr)
		return;
	if (pr->link >= 0)
		close(pr->link);
	if (pr->cgroup >= 0)
		close(pr->cgroup);
	let_go(pr);
	bpf_prog_detach2(pr->requests, pr->speaking, BPF_SK_MSG_VERDICT);
	free(pr);
}
