/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/inquiry.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "identity/cluster_ips.h"
#include "identity/cri.h"
#include "identity/docker.h"
#include "identity/kubelet.h"
#include "identity/kubernetes.h"
#include "util/clock.h"
#include "util/log.h"
#include "version.h"

enum { PATH_LEN = 108 }; /* of a unix socket, unix(7) */

#define TURN_NS	      (NS_PER_S / 4)
#define LOOK_FIRST_NS NS_PER_S
#define LOOK_LAST_NS  (60 * NS_PER_S)

struct inquiry {
	const struct config *config;
	struct containers *containers;
	struct fetcher *fetcher; /* NULL: nobody is asked */
	struct addresses *addresses;
	struct kubernetes *kubernetes;
	struct cluster_ips *cluster_ips;
	struct kubelet *kubelet;
	struct docker *docker, *podman;
	struct cri *cri;
	uint64_t look_ns, look_wait_ns; /* when sockets are looked for again; 0: all are there */
	struct loop *loop;		/* NULL: not joined yet */
	bool is_watched;		/* the fetcher, in the loop */
	int timer;
};

struct containers *inquiry_containers(struct inquiry *q)
{
	return q->containers;
}

struct addresses *inquiry_addresses(struct inquiry *q)
{
	return q->addresses;
}

size_t inquiry_asked(const struct inquiry *q, const struct asked *out[INQUIRY_MAX])
{
	size_t n = 0;

	if (q->kubernetes)
		out[n++] = kubernetes_asked(q->kubernetes);
	if (q->cluster_ips)
		out[n++] = cluster_ips_asked(q->cluster_ips);
	if (q->kubelet)
		out[n++] = kubelet_asked(q->kubelet);
	if (q->docker)
		out[n++] = docker_asked(q->docker);
	if (q->podman)
		out[n++] = docker_asked(q->podman);
	if (q->cri)
		out[n++] = cri_asked(q->cri);
	return n;
}

static bool is_off(const char *value)
{
	return value && strcmp(value, "off") == 0;
}

static bool is_auto(const char *value)
{
	return !value || strcmp(value, "auto") == 0;
}

/* A socket here, or on the host as its first process sees it. */
static bool find_socket(const char *path, char out[PATH_LEN])
{
	static const char *const roots[] = { "", "/proc/1/root" };
	struct stat st;

	for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++) {
		int n = snprintf(out, PATH_LEN, "%s%s", roots[i], path);

		if (n > 0 && n < PATH_LEN && stat(out, &st) == 0 && S_ISSOCK(st.st_mode))
			return true;
	}
	return false;
}

static struct fetcher *fetcher_of(struct inquiry *q)
{
	if (!q->fetcher)
		q->fetcher = fetcher_open("sonde/" SONDE_VERSION);
	return q->fetcher;
}

static struct docker *open_docker(struct inquiry *q, const char *name, const char *path,
				  enum containers_source by)
{
	struct docker_opts opts = {
		.fetcher = fetcher_of(q),
		.containers = q->containers,
		.name = name,
		.path = path,
		.by = by,
	};

	return opts.fetcher ? docker_new(&opts) : NULL;
}

static void open_sockets(struct inquiry *q, const struct config *c)
{
	char path[PATH_LEN];

	if (is_off(c->docker))
		return;
	if (!is_auto(c->docker)) {
		if (!q->docker)
			q->docker = open_docker(q, "docker", c->docker, CONTAINERS_DOCKER);
		return;
	}
	if (!q->docker && find_socket("/run/docker.sock", path))
		q->docker = open_docker(q, "docker", path, CONTAINERS_DOCKER);
	if (!q->podman && find_socket("/run/podman/podman.sock", path))
		q->podman = open_docker(q, "podman", path, CONTAINERS_PODMAN);
}

static void open_cri(struct inquiry *q, const struct config *c)
{
	static const char *const paths[] = { "/run/containerd/containerd.sock",
					     "/run/crio/crio.sock",
					     "/run/k3s/containerd/containerd.sock" };
	char path[PATH_LEN];
	struct cri_opts opts = {
		.containers = q->containers,
		.path = c->cri,
		.pod = { .cluster = c->cluster_name, .uses_labels = c->pod_labels },
	};

	if (is_off(c->cri) || q->cri)
		return;
	if (is_auto(c->cri))
		opts.path = NULL;
	for (size_t i = 0; is_auto(c->cri) && !opts.path && i < 3; i++)
		if (find_socket(paths[i], path))
			opts.path = path;
	opts.fetcher = opts.path ? fetcher_of(q) : NULL;
	if (opts.fetcher)
		q->cri = cri_new(&opts);
}

/* https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/ */
static bool find_kubernetes(const struct config *c, char *url, size_t size)
{
	const char *host = getenv("KUBERNETES_SERVICE_HOST");
	const char *port = getenv("KUBERNETES_SERVICE_PORT");
	bool is_ipv6 = host && strchr(host, ':');

	if (is_off(c->kubernetes))
		return false;
	if (!is_auto(c->kubernetes)) {
		snprintf(url, size, "%s", c->kubernetes);
		return true;
	}
	if (!host || !port)
		return false;
	snprintf(url, size, "https://%s%s%s:%s", is_ipv6 ? "[" : "", host, is_ipv6 ? "]" : "",
		 port);
	return true;
}

static void open_kubelet(struct inquiry *q, const struct config *c)
{
	struct kubelet_opts opts = {
		.fetcher = fetcher_of(q),
		.containers = q->containers,
		.url = c->kubelet,
		.account = c->kubernetes_account,
		.pod = { .cluster = c->cluster_name, .uses_labels = c->pod_labels },
	};

	if (opts.fetcher)
		q->kubelet = kubelet_new(&opts);
	log_info("kubelet (%s): it knows no Services, so that a ClusterIP stays an address",
		 c->kubelet);
}

static void open_cluster_ips(struct inquiry *q, const struct config *c, const char *url)
{
	struct cluster_ips_opts opts = {
		.fetcher = fetcher_of(q),
		.addresses = q->addresses,
		.url = url,
		.account = c->kubernetes_account,
	};

	if (opts.fetcher)
		q->cluster_ips = cluster_ips_new(&opts);
}

static void open_kubernetes(struct inquiry *q, const struct config *c)
{
	const char *node = c->node_name ? c->node_name : getenv("NODE_NAME");
	char url[256];
	struct kubernetes_opts opts = {
		.containers = q->containers,
		.url = url,
		.node = node,
		.account = c->kubernetes_account,
		.pod = { .cluster = c->cluster_name, .uses_labels = c->pod_labels },
	};

	if (!find_kubernetes(c, url, sizeof(url)))
		return;
	open_cluster_ips(q, c, url);
	if (!node || !*node) { /* all pods of a cluster are not this host's business */
		log_warn("kubernetes (%s) is not asked about pods: which node is this? Set "
			 "--node-name, or NODE_NAME from spec.nodeName",
			 url);
		return;
	}
	opts.fetcher = fetcher_of(q);
	if (opts.fetcher)
		q->kubernetes = kubernetes_new(&opts);
}

/* Runtimes begin after sonde has, and are installed while it runs. */
static void look(struct inquiry *q, uint64_t now_ns)
{
	const struct config *c = q->config;

	open_sockets(q, c);
	open_cri(q, c);
	q->look_ns = 0;
	if ((is_auto(c->docker) && !(q->docker && q->podman)) || (is_auto(c->cri) && !q->cri))
		q->look_ns = now_ns + q->look_wait_ns;
	if (q->look_wait_ns < LOOK_LAST_NS)
		q->look_wait_ns *= 2;
}

static void turn(struct inquiry *q)
{
	uint64_t now_ns = clock_mono_ns();

	if (q->look_ns && now_ns >= q->look_ns)
		look(q, now_ns);
	if (q->kubernetes)
		kubernetes_turn(q->kubernetes, now_ns);
	if (q->cluster_ips)
		cluster_ips_turn(q->cluster_ips, now_ns);
	if (q->kubelet)
		kubelet_turn(q->kubelet, now_ns);
	if (q->docker)
		docker_turn(q->docker, now_ns);
	if (q->podman)
		docker_turn(q->podman, now_ns);
	if (q->cri)
		cri_turn(q->cri, now_ns);
}

struct inquiry *inquiry_open(const struct config *c)
{
	struct inquiry *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->containers = containers_new(0);
	q->addresses = addresses_new(0);
	if (!q->containers || !q->addresses) {
		inquiry_close(q);
		return NULL;
	}
	q->config = c;
	q->look_wait_ns = LOOK_FIRST_NS;
	if (c->kubelet && !is_off(c->kubelet))
		open_kubelet(q, c);
	else
		open_kubernetes(q, c);
	look(q, clock_mono_ns());
	turn(q);
	return q;
}

void inquiry_close(struct inquiry *q)
{
	if (!q)
		return;
	kubernetes_free(q->kubernetes);
	cluster_ips_free(q->cluster_ips);
	kubelet_free(q->kubelet);
	docker_free(q->docker);
	docker_free(q->podman);
	cri_free(q->cri);
	fetcher_close(q->fetcher);
	containers_free(q->containers);
	addresses_free(q->addresses);
	free(q);
}

enum confine_reach inquiry_reach(const struct inquiry *q)
{
	if (q->kubernetes || q->cluster_ips || q->kubelet)
		return CONFINE_WORLD;
	return q->docker || q->podman || q->cri || q->look_ns ? CONFINE_HOST : CONFINE_ALONE;
}

/* What libcurl waits for, or our own turn, whichever is sooner. */
static uint64_t wait_ns(const struct inquiry *q)
{
	uint64_t now_ns = clock_mono_ns(), due_ns = q->look_ns;

	if (q->fetcher) {
		due_ns = fetcher_due_ns(q->fetcher);
		if (!due_ns || due_ns > now_ns + TURN_NS)
			return TURN_NS;
	}
	if (!due_ns)
		return TURN_NS;
	return due_ns > now_ns ? due_ns - now_ns : 1;
}

static int watch(struct inquiry *q);

static void on_wake(void *ctx)
{
	struct inquiry *q = ctx;

	if (q->fetcher)
		fetcher_run(q->fetcher);
	turn(q);
	watch(q); /* on failure the timer turns it */
	loop_timer_set(q->timer, wait_ns(q));
}

/* The fetcher may be there only since somebody was found. */
static int watch(struct inquiry *q)
{
	int err = 0;

	if (q->fetcher && !q->is_watched)
		err = loop_watch(q->loop, fetcher_fd(q->fetcher), on_wake, q);
	q->is_watched = q->fetcher != NULL;
	return err;
}

int inquiry_join(struct inquiry *q, struct loop *loop)
{
	if (!q->fetcher && !q->look_ns)
		return 0;
	q->loop = loop;
	q->timer = loop_timer(loop, wait_ns(q), on_wake, q);
	return q->timer < 0 ? q->timer : watch(q);
}

static bool is_settled(const struct inquiry *q)
{
	const struct asked *all[INQUIRY_MAX];
	size_t n = inquiry_asked(q, all);

	for (size_t i = 0; i < n; i++)
		if (!all[i]->has_answered && !all[i]->reason[0])
			return false;
	return true;
}

void inquiry_settle(struct inquiry *q, uint64_t limit_ns)
{
	uint64_t now_ns = clock_mono_ns(), end_ns = now_ns + limit_ns, wait;
	struct pollfd fd;

	while (q->fetcher && !is_settled(q) && now_ns < end_ns) {
		wait = wait_ns(q) < end_ns - now_ns ? wait_ns(q) : end_ns - now_ns;
		fd = (struct pollfd){ .fd = fetcher_fd(q->fetcher), .events = POLLIN };
		poll(&fd, 1, (int)(wait / NS_PER_MS) + 1);
		fetcher_run(q->fetcher);
		turn(q);
		now_ns = clock_mono_ns();
	}
}
